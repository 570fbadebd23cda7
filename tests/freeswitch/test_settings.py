"""What sealrtp.conf.xml says in <settings>, <users> and <profiles>: each in a FreeSWITCH of its own."""

from __future__ import annotations

import time
from pathlib import Path

from calls.audio import SPEECH, skips
from calls.calls_media import CM80, SECOND
from calls.dtls import GCM128, dtls_legs
from calls.legs import good_media, legs
from calls.sdp import Crypto

from freeswitch.calls_dtls_flaws import CALLER, SAVPF, dial, echo, no_use_srtp
from freeswitch.ends import channel, failed, now, told
from freeswitch.place import KIND, SwitchSite, running


def test_profiles_that_are_not_in_dtls_profiles_are_not_taken(tmp_path: Path) -> None:
    skips.set(KIND.skips)
    with running(tmp_path, "sealrtp", sections={"settings": {"": {"dtls_profiles": CM80}}}) as site:
        for setup in ("active", "passive"):
            no_use_srtp(site.for_call(f"refused-{setup}"), setup, [GCM128])
        own = site.for_call("taken")
        with dtls_legs(own, CALLER, profiles=[CM80, GCM128]) as (leg,):
            dial(own, leg)
            echo(own, leg, CM80)


def test_a_handshake_that_nobody_answers_is_given_up(tmp_path: Path) -> None:
    with running(tmp_path, "sealrtp", sections={"settings": {"": {"dtls_timeout": "3"}}}) as site:
        for setup in ("active", "passive"):
            own = site.for_call(f"silent-{setup}")
            mark = now(own)
            with dtls_legs(own, CALLER, profiles=[CM80]) as (leg,):
                dial(own, leg, "music", setup, profile=SAVPF, shake=False)
                failed(own, leg, mark, 8)


def test_a_profile_can_opt_all_its_calls_in(tmp_path: Path) -> None:
    """A caller whom the dialplan gives no policy has the SIP profile's."""
    with running(tmp_path, "sealrtp", sections={"profiles": {"internal": {"policy": "sdes"}}}) as site:
        secured_only(site.for_call("calls"), "plain")


def secured_only(site: SwitchSite, user: str) -> None:
    """This caller is secured when it offers keys, and refused when it does not."""
    with legs(site, user) as (leg,):
        assert leg.invite("echo").status == 488
    with legs(site, user) as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        told(site, channel(leg), "SDES", CM80)
        leg.say(SPEECH[:SECOND])
        leg.media.drain(4)
        time.sleep(0.3)
        good_media(leg.report())
