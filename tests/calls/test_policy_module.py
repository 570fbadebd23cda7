"""sealrtp.conf as one policy: at load, at reload, by section, and per call from the dialplan."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from late import wait_for
from pbx.asterisk import Asterisk
from pbx.configuration import extensions_conf
from pbx.endpoints import NATIVE, Endpoint, Media
from pbx.module import build_module
from pbx.roots import choose

from calls import sdp
from calls.sip import Call
from calls.site import Kind
from calls.test_zrtp_module import Plain, kind, said

__all__ = ["kind"]

USERS = tuple(Endpoint(name, Media.CLEAR) for name in ("clear", "vault", "closed", "callee"))
TOLD = "UserEvent(Told,Policy: ${SEALRTP(policy)},Dial: ${SEALRTP(dial_policy)},State: ${SEALRTP(state)})"
DIALPLAN = f"""
exten => told,1,Answer()
 same => n,Wait(0.5)
 same => n,{TOLD}
 same => n,Echo()
exten => only-zrtp,1,Set(SEALRTP(policy)=zrtp-only)
 same => n,Answer()
 same => n,Wait(0.5)
 same => n,{TOLD}
 same => n,GotoIf($["${{SEALRTP(state)}}" = "BLOCK"]?blocked)
 same => n,UserEvent(Branch,Taken: open)
 same => n,Echo()
 same => n(blocked),UserEvent(Branch,Taken: blocked)
 same => n,Echo()
exten => openly,1,Set(SEALRTP(policy)=clear)
 same => n,Answer()
 same => n,Wait(0.5)
 same => n,{TOLD}
 same => n,Echo()
exten => misspelt,1,Set(SEALRTP(policy)=strcit)
 same => n,Set(SEALRTP(dial_policy)=zrpt-only)
 same => n,Answer()
 same => n,{TOLD}
 same => n,Echo()
exten => tardy,1,Answer()
 same => n,Wait(0.5)
 same => n,Set(SEALRTP(policy)=clear)
 same => n,{TOLD}
 same => n,Echo()
exten => dial,1,Set(SEALRTP(dial_policy)=zrtp-only)
 same => n,{TOLD}
 same => n,Dial(TECHNOLOGY/callee,30,b(pre^s^1))
exten => pre-dial,1,Dial(TECHNOLOGY/callee,30,b(pre^only-zrtp^1))
[pre]
exten => s,1,{TOLD}
 same => n,Return()
exten => only-zrtp,1,Set(SEALRTP(policy)=zrtp-only)
 same => n,{TOLD}
 same => n,Return()
"""
SECTIONS = """
[zrtp-only]
type = policy
policy = strict
offer = zrtp
accept = zrtp

[vault]
policy = zrtp-only
zrtp_sas = B256

[closed]
offer = sdes
accept = sdes
sdes_signalling = any
fallback = reject
"""


def make(kind: Kind, directory: Path, conf: str) -> Asterisk:
    root = choose(kind.major, kind.chan)
    pbx = Asterisk(root, directory, chan=kind.chan, module=build_module(root), endpoints=USERS, sealrtp_conf=conf,
                   modules=("app_stack",))
    technology = "PJSIP" if kind.chan == "pjsip" else "SIP"
    dialplan = DIALPLAN.replace("TECHNOLOGY", technology)
    pbx.files["extensions.conf"] = extensions_conf(pbx.here, kind.chan, USERS, "test") + dialplan
    return pbx


@pytest.fixture(scope="module")
def pbx(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    with make(kind, tmp_path_factory.mktemp(f"policy-{kind.name}"), NATIVE + SECTIONS) as running:
        yield running


@contextmanager
def call_of(pbx: Asterisk, user: str, extension: str) -> Iterator[tuple[Plain, Call]]:
    with Plain(pbx, user) as plain:
        call = plain.invite(extension)
        yield plain, call
        if not call.ended:
            call.bye()


def told(pbx: Asterisk, start: int) -> dict[str, str]:
    return pbx.manager.wait_event("UserEvent", lambda event: event["UserEvent"] == "Told", start=start)


@contextmanager
def configured(pbx: Asterisk, text: str) -> Iterator[int]:
    """Reloads with another sealrtp.conf, and at the end with that of before; gives where the log was."""
    path = pbx.workdir / "etc/sealrtp.conf"
    before, start = path.read_text(), len(pbx.log_text())
    path.write_text(text)
    try:
        said(pbx, "module reload res_sealrtp.so")
        yield start
    finally:
        path.write_text(before)
        said(pbx, "module reload res_sealrtp.so")


def test_every_fault_of_a_file_is_told_and_a_reload_with_one_changes_nothing(pbx: Asterisk) -> None:
    faulty = "[general]\nfallback = never\n[vault]\npolicy = lax\n[loop]\ntype = policy\npolicy = loop\n[closed]\nsweets = 1\n"
    before = pbx.cli("sealrtp show policy")
    with configured(pbx, faulty) as start:
        for line in (r"line 2, \[general\]: fallback = never: expected one of rtp, reject",
                     r"line 4, \[vault\]: policy = lax: expected one of clear, loop, opportunistic, strict",
                     r"line 7, \[loop\]: policy = loop: this policy begins under itself",
                     r"line 9, \[closed\]: sweets: unknown key",
                     r"sealrtp\.conf was refused: the configuration stays as it was"):
            pbx.wait_log(line, start=start)
        assert pbx.cli("sealrtp show policy") == before


def test_a_wrong_file_at_the_start_keeps_the_module_from_loading_and_says_why(kind: Kind, tmp_path: Path) -> None:
    pbx = make(kind, tmp_path, NATIVE + "[vault]\nfallback = sometimes\n")
    pbx.check = False
    with pbx:
        assert re.search(r"sealrtp\.conf line 5, \[vault\]: fallback = sometimes: expected one of rtp, reject", pbx.log_text())
        assert "res_sealrtp" not in pbx.running_modules()


def test_a_doubtful_line_is_told_and_taken(pbx: Asterisk) -> None:
    with configured(pbx, NATIVE + SECTIONS + "[trunk]\nfallback = reject\n") as start:
        pbx.wait_log(r"WARNING.*\[closed\]: sdes_signalling: who reads signalling without TLS reads the media too", start=start)
        pbx.wait_log(r"WARNING.*\[trunk\]: fallback: reject, but nothing is offered or accepted", start=start)
        assert re.search(r"^endpoint +trunk .* reject ", pbx.cli("sealrtp show policy"), re.M)


def test_shown_values_tell_where_they_come_from(pbx: Asterisk) -> None:
    vault = pbx.cli("sealrtp show policy vault")
    for line in (r"^vault, by \[vault\] as end point", r"^offer += zrtp \(.*line 8, \[zrtp-only\]\)$",
                 r"^fallback += reject \(built-in policy strict\)$", r"^zrtp_sas += B256 \(.*line 13, \[vault\]\)$",
                 r"^recording += disclose \(default\)$"):
        assert re.search(line, vault, re.M), vault
    assert "by [strict] as policy" in pbx.cli("sealrtp show policy STRICT")
    assert "by [general] as end point" in pbx.cli("sealrtp show policy PJSIP/nobody")


@pytest.mark.parametrize("user, extension, policy, state", [
    ("clear", "told", "general", "CLEAR"),
    ("vault", "told", "vault", "BLOCK"),
    ("clear", "only-zrtp", "zrtp-only", "BLOCK"),
    # The dialplan's word counts more than the end point's section.
    ("vault", "openly", "clear", "CLEAR"),
])
def test_the_policy_of_a_call_is_the_dialplans_else_the_end_points(
        pbx: Asterisk, user: str, extension: str, policy: str, state: str) -> None:
    start = len(pbx.manager.events)
    with call_of(pbx, user, extension) as (plain, _):
        seen = told(pbx, start)
        assert (seen["Policy"], seen["Dial"], seen["State"]) == (policy, "", state)
        if state == "CLEAR":
            wait_for(lambda: plain.rtp > 0, "clear media")
        else:
            time.sleep(0.5)
            assert plain.rtp == 0, "clear media where none may pass"
        if extension == "only-zrtp":
            branch = pbx.manager.wait_event("UserEvent", lambda event: event["UserEvent"] == "Branch", start=start)
            assert branch["Taken"] == "blocked"


def test_a_call_that_may_not_be_clear_ends(pbx: Asterisk) -> None:
    start = len(pbx.manager.events)
    with call_of(pbx, "vault", "echo") as (plain, call):
        call.wait_end()
        assert plain.rtp == 0
    pbx.manager.wait_event("SealRTPFailed", lambda event: "/vault-" in event["Channel"], start=start)


def test_a_call_without_zrtp_that_may_not_be_clear_is_refused_or_ends_in_silence(kind: Kind, pbx: Asterisk) -> None:
    start = len(pbx.manager.events)
    with Plain(pbx, "closed") as plain:
        call = plain.phone.call("echo", sdp.body(plain.port))
        final = call.wait_final()
        if kind.chan == "pjsip":
            assert final.status == 488, final.start
            return
        # chan_sip's descriptions are its own.
        plain.send_to(final.body)
        call.wait_end()
        assert plain.rtp == 0
    pbx.manager.wait_event("SealRTPFailed", lambda event: "/closed-" in event["Channel"], start=start)


def test_an_unknown_policy_is_not_set_and_the_known_ones_are_told(pbx: Asterisk) -> None:
    start, log = len(pbx.manager.events), len(pbx.log_text())
    with call_of(pbx, "vault", "misspelt"):
        seen = told(pbx, start)
        assert (seen["Policy"], seen["Dial"]) == ("vault", "")
    names = "there are clear, opportunistic, strict, zrtp-only"
    pbx.wait_log(rf"SEALRTP\(policy\)=strcit is not set, there is no such policy; {names}", start=log)
    pbx.wait_log(rf"SEALRTP\(dial_policy\)=zrpt-only is not set, there is no such policy; {names}", start=log)


def test_a_policy_that_is_set_too_late_is_not_set_and_that_is_told(pbx: Asterisk) -> None:
    start, log = len(pbx.manager.events), len(pbx.log_text())
    with call_of(pbx, "vault", "tardy"):
        assert told(pbx, start)["Policy"] == "vault"
    pbx.wait_log(r"SEALRTP\(policy\)=clear comes too late: set it before Answer\(\)", start=log)


@pytest.mark.parametrize("extension", ["dial", "pre-dial"])
def test_a_dialled_leg_is_under_the_policy_chosen_for_it_from_its_first_packet_on(pbx: Asterisk, extension: str) -> None:
    start = len(pbx.manager.events)
    with Plain(pbx, "clear") as caller, Plain(pbx, "callee") as callee:
        call = caller.phone.call(extension, sdp.body(caller.port))
        incoming = callee.phone.wait_call()
        callee.send_to(incoming.remote_sdp)
        incoming.answer(sdp.body(callee.port))
        incoming.wait_ack()
        final = call.wait_final()
        caller.send_to(final.body)
        time.sleep(1.5)
        assert callee.rtp == 0, "clear media on a leg whose policy has none"
        wait_for(lambda: callee.hellos > 0, "a Hello")
        pbx.manager.wait_event("UserEvent", lambda event: event["UserEvent"] == "Told" and "/callee-" in event["Channel"], start=start)
        events = [event for event in pbx.manager.events[start:] if event["UserEvent"] == "Told"]
        # The caller's own leg is not under it.
        legs = {"/callee-" in event["Channel"]: event["Policy"] for event in events}
        assert legs[True] == "zrtp-only" and legs.get(False, "general") == "general", events
        call.bye()


def test_a_reload_is_for_new_calls_and_those_that_are_up_keep_theirs(pbx: Asterisk) -> None:
    start = len(pbx.manager.events)
    with call_of(pbx, "clear", "told") as (plain, _):
        assert told(pbx, start)["State"] == "CLEAR"
        with configured(pbx, NATIVE + "[clear]\nfallback = reject\n[callee]\nfallback = reject\n"):
            before = plain.rtp
            wait_for(lambda: plain.rtp > before + 20, "the media of a call that was up before the reload")
            start = len(pbx.manager.events)
            with Plain(pbx, "callee") as second:
                later = second.phone.call("told", sdp.body(second.port))
                assert later.wait_final().status == 200
                seen = told(pbx, start)
                assert (seen["Policy"], seen["State"]) == ("callee", "BLOCK")
                assert second.rtp == 0
                later.bye()
