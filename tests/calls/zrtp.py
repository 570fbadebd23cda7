"""ZRTP as a phone and the PBX tell of it: linphonec set to ZRTP, its algorithms and its cache, and our module's side of a line."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from late import PATIENCE, Late
from pbx.manager import Message

from calls.algorithms import Algorithms
from calls.phones import Linphone
from calls.site import Site
from calls.streams import rows_of_user

# What linphonec writes into its log for an algorithm, by the RFC's name.
IN_LOG: Mapping[str, str] = {
    "DH2k": "DHM-2048", "DH3k": "DHM-3072", "X255": "ECDH-255", "S256": "SHA-256", "S384": "SHA-384", "AES1": "AES-128", "AES3": "AES-256",
    "HS32": "HMAC-SHA1-32", "HS80": "HMAC-SHA1-80", "B32": "Base32", "B256": "PGP-WordList",
}
BY_LOG = {text: name for name, text in IN_LOG.items()}
# The options of its [sip] by the place of an algorithm in Algorithms, and what its values begin with.
OPTIONS = (("zrtp_key_agreements_suites", "MS_ZRTP_KEY_AGREEMENT_"), ("zrtp_hash_suites", "MS_ZRTP_HASH_"),
           ("zrtp_cipher_suites", "MS_ZRTP_CIPHER_"), ("zrtp_auth_suites", "MS_ZRTP_AUTHTAG_"), ("zrtp_sas_suites", "MS_ZRTP_SAS_"))
ALGORITHMS_LOGGED = re.compile("ZRTP algo used during negotiation: " + " - ".join(
    rf"{what}: (\S+)" for what in ("Cipher", "KeyAgreement", "Hash", "AuthTag", "Sas Rendering")))
SAS_LOGGED = re.compile(r"ZRTP secrets on: SAS is (\S+) previously verified (yes|no)")
ENCRYPTED = re.compile(r"Call (\d+) is fully encrypted and auth token is (\S+)\.$", re.M)


def options_for(algorithms: Algorithms) -> dict[str, str]:
    """What makes linphonec prefer them."""
    return {option: prefix + name.upper() for (option, prefix), name in zip(OPTIONS, algorithms.names)}


class ZrtpPhone(Linphone):
    """linphonec that does ZRTP. Its home holds its cache: the same home again is the same phone."""

    def __init__(self, home: Path, say: bytes, *, algorithms: Algorithms = Algorithms(), **how: object) -> None:
        options = options_for(algorithms) | how.pop("options", {})  # type: ignore[arg-type]
        super().__init__(home, say, encryption="zrtp", options=options, **how)  # type: ignore[arg-type]

    @property
    def log(self) -> str:
        """What it has logged since it was started."""
        path = self.home / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def sas(self, call: int = 1, timeout: float = PATIENCE) -> str:
        """The SAS of its call of this number, once it shows one. Raises Late."""
        until = time.monotonic() + timeout
        while not (found := [token for number, token in ENCRYPTED.findall(self.text()) if int(number) == call]):
            assert self.process is not None and self.process.poll() is None, f"linphonec ended by itself: {self.text()[-300:]}"
            if time.monotonic() > until:
                raise Late(f"linphonec does not say that call {call} is encrypted: {self.text()[-300:]}")
            time.sleep(0.1)
        return found[-1]

    @property
    def secured_calls(self) -> int:
        """How many calls it has shown a SAS for."""
        return len({number for number, _ in ENCRYPTED.findall(self.text())})

    def agreed(self) -> Algorithms:
        """The algorithms of its last association."""
        cipher, agreement, digest, tag, sas = (BY_LOG[name] for name in self.logged(ALGORITHMS_LOGGED))
        return Algorithms(agreement, digest, cipher, tag, sas)

    def logged(self, pattern: re.Pattern[str]) -> tuple[str, ...]:
        """What its log says of its last association; the log is whole when it has ended."""
        assert self.process is not None and self.process.poll() is not None, "linphonec still runs, and its log lags behind"
        found = pattern.findall(self.log)
        assert found, "linphonec's log tells of no association"
        return found[-1]

    def was_verified(self) -> bool:
        """Whether it knew, when its last association was made, that the SAS had been compared before."""
        return self.logged(SAS_LOGGED)[1] == "yes"

    @property
    def mismatches(self) -> int:
        """How often it has warned, until it ended, that the PBX does not know the secret that it retained."""
        return self.log.count("Zrtp Event dispatched : cache mismatch")

    def set_verified(self) -> None:
        """Its user has compared the SAS."""
        self.ask("zrtp-set-verified", "is fully encrypted and auth token is")


def spoil_cache(home: Path) -> int:
    """Puts other secrets in the place of those that a phone (which does not run) has retained; how many."""
    with sqlite3.connect(home / ".linphone-zidcache") as cache:
        return cache.execute("update zrtp set rs1 = randomblob(32), rs2 = null").rowcount


@dataclass(frozen=True)
class Line:
    """What the PBX knows of a phone's ZRTP."""

    channel: str
    suite: str
    sas: str
    verified: bool
    peer_zid: str
    row: Mapping[str, str]


def variable(site: Site, channel: str, name: str) -> str:
    """A function of the dialplan on a channel."""
    return site.pbx.manager.action("Getvar", Channel=channel, Variable=name)["Value"]


def is_yes(value: str) -> bool:
    """A yes or no of SEALRTP()."""
    assert value in ("yes", "no"), f"neither yes nor no: {value!r}"
    return value == "yes"


def line_of(site: Site, user: str) -> Line:
    """The line of this user's latest call. AssertionError unless its media is secured by ZRTP."""
    shown = rows_of_user(site.pbx, user)
    assert shown, f"`sealrtp show streams` shows no stream of {user}"
    # chan_sip keeps an ended call for half a minute.
    row = shown[-1]
    channel = row["Channel"]
    told = {field: variable(site, channel, f"SEALRTP({field})") for field in ("method", "suite", "sas", "sas_verified", "peer_zid", "state")}
    assert (row["Method"], told["method"].upper()) == ("ZRTP", "ZRTP"), f"the method is not ZRTP: {row}, SEALRTP(): {told}"
    assert row["Suite-In"] == row["Suite-Out"] == told["suite"], f"`sealrtp show streams` and SEALRTP(suite) differ: {row}, {told['suite']}"
    assert re.fullmatch(r"[0-9a-f]{24}", told["peer_zid"].lower()), f"SEALRTP(peer_zid) is {told['peer_zid']!r}"
    return Line(channel, told["suite"], told["sas"], is_yes(told["sas_verified"]), told["peer_zid"], row)


def event_of(site: Site, name: str, channel: str, start: int = 0, timeout: float = PATIENCE) -> Message:
    """The manager's event of that name about a channel."""
    return site.pbx.manager.wait_event(name, lambda event: event["Channel"] == channel, start=start, timeout=timeout)
