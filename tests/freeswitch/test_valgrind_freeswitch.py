"""mod_sealrtp under valgrind: calls by every method, a refused one, a load and an unload; nothing of ours may be found."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from calls.audio import SPEECH
from calls.calls_media import CM80, SECOND
from calls.dtls import dtls_legs
from calls.legs import legs
from calls.sdp import Crypto
from calls.sealrtp import SealrtpPeer

from freeswitch.calls_dtls_flaws import SAVPF
from freeswitch.ends import channel, told
from freeswitch.place import running

OURS = "mod_sealrtp"


def test_valgrind_finds_nothing_of_ours(tmp_path: Path) -> None:
    if not shutil.which("valgrind"):
        pytest.skip("SKIPPED: valgrind is not installed (Debian package valgrind)")
    # What is judged here is memory: under valgrind packets are late.
    with running(tmp_path, "sealrtp", valgrind=True) as site:
        switch = site.switch
        own = site.for_call("calls")
        for _ in range(2):
            with legs(own, "secure") as (leg,):
                assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
                told(own, channel(leg), "SDES", CM80, 20)
                leg.say(SPEECH[:SECOND], rtcp=True)
                leg.media.drain(10)
                assert leg.report().authenticated
                assert leg.call is not None and leg.call.reinvite(leg.body(leg.offered, direction="sendonly")).status == 200
                switch.api(f"sealrtp show {channel(leg)}")
                switch.api(f"sealrtp explain {channel(leg)}")
            with legs(own, "secure") as (leg,):
                assert leg.invite("echo").status == 488
            with dtls_legs(own, "fingerprinted", profiles=[CM80]) as (leg,):
                assert leg.dial("echo", profile=SAVPF).status == 200
                leg.secured(30)
                told(own, channel(leg), "DTLS", CM80, 20)
                leg.say(SPEECH[:SECOND])
                leg.media.drain(10)
            with SealrtpPeer(own, "zrtp", "--zrtp", "require", "--timeout", "60", "--duration", "2") as peer:
                peer.invite("echo")
                peer.connect()
                assert peer.call is not None
                until = time.monotonic() + 30
                while switch.variable(peer.call.call_id, "sealrtp_method") != "ZRTP":
                    assert time.monotonic() < until, "no ZRTP within 30 s"
                    time.sleep(0.3)
                assert switch.variable(peer.call.call_id, "sealrtp_sas")
            for command in ("sealrtp status", "sealrtp calls", "sealrtp zrtp list", "sealrtp policy", "sealrtp reload"):
                switch.api(command)
            switch.wait_idle(30)
            switch.socket.require(f"unload {OURS}")
            switch.socket.require(f"load {OURS}")
    ours = [str(finding) for finding in switch.valgrind_findings() if finding.involves(OURS) and not finding.is_openssl_table]
    assert not ours, f"{len(ours)} findings, the first:\n{ours[0]}"
