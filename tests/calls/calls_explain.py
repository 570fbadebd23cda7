"""Five support cases, each made by a real call, and what `sealrtp explain` tells of it; docs/support-cases.md shows the same under the
question that a user would ask."""

from __future__ import annotations

import re
from dataclasses import dataclass

from calls.calls_policy import run
from calls.media import REPOSITORY
from calls.policy_matrix import DTLS, ENDED, REFUSED, SDES, ZRTP, Policy, Row
from calls.site import Site

PAGE = REPOSITORY / "docs/support-cases.md"


@dataclass(frozen=True)
class Case:
    """A question, and the call that raises it."""

    question: str
    row: Row


CASES = {case.row.name: case for case in (
    Case("My phone is set to SRTP and gets \"488 Not Acceptable Here\". Why?",
         Row("alice", "in", Policy(sdes_signalling="tls"), "sdes", REFUSED)),
    Case("Calls to my trunk end as soon as they are answered. Why?",
         Row("trunk", "out", Policy("sdes", SDES, "reject"), "none", ENDED, lie="clear-answer")),
    Case("A call with DTLS-SRTP ends within a second. Why?",
         Row("bob", "in", Policy(), DTLS, ENDED, lie="fingerprint-of-another")),
    Case("An old phone cannot call a strict end point. Why?",
         Row("carol", "in", Policy("dtls,sdes", "sdes,dtls", "reject"), "none", REFUSED)),
    Case("A call is secured by ZRTP. Is anybody in between?",
         Row("dave", "in", Policy(), ZRTP, ZRTP)),
)}

# What is another one in each call, and what stands in its place.
VARIABLE = ((r" \(sealrtp\.conf line \d+, [^)]*\)", ""), (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"), (r"-[0-9a-f]{8}\b", "-CHANNEL"), (r"\b(?:\d{1,3}\.){3}\d{1,3}(:\d+)?", "ADDRESS"),
            (r"(?:[0-9A-F]{2}:){7,}[0-9A-F]{2}", "FINGERPRINT"), (r"\b[0-9a-f]{24}\b", "ZID"), (r"\bSAS [a-z0-9]{4}\b", "SAS WORD"),
            (r"Stream \d+", "Stream N"),
            (r"\b\d+ ms\b", "SOME ms"), (r"as (initiator|responder)", "as ROLE"))


def same_in_each_call(text: str) -> list[str]:
    """The lines of an explanation without what is another one in each call."""
    for pattern, name in VARIABLE:
        text = re.sub(pattern, name, text)
    return [line.rstrip() for line in text.strip().splitlines()]


def explained(case: Case, site: Site) -> str:
    """Places the call: what `sealrtp explain` tells of it, asked while it is up, or afterwards where it has ended."""
    ask = f"sealrtp explain PJSIP/{case.row.name}"
    told: list[str] = []
    run(case.row, site.for_call(case.row.name), while_up=lambda: told.append(site.pbx.cli(ask)))
    return told[0] if told else site.pbx.cli(ask)


def documented(case: Case) -> str:
    """The block below the question. AssertionError where there is none."""
    _, found, answer = PAGE.read_text().partition(f"## {case.question}\n")
    assert found, f"{PAGE.name} does not ask {case.question!r}"
    block = re.search(r"^```\n(.*?)^```$", answer.partition("\n## ")[0], re.M | re.S)
    assert block is not None, f"{PAGE.name} shows no explanation below {case.question!r}"
    command, _, told = block[1].partition("\n")
    assert command.startswith(f"*CLI> sealrtp explain PJSIP/{case.row.name}"), f"{PAGE.name} shows {command!r}"
    return told
