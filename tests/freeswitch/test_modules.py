"""What an administrator does to modules while calls are up: nothing clear, no crash, every port given back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from late import Late

from calls.audio import SPEECH, skips
from calls.calls_media import CM80, SECOND
from calls.legs import Leg, good_media, legs
from calls.registry import require_audio
from calls.sdp import Crypto
from calls.sip import Message

from freeswitch.ends import channel, told
from freeswitch.installation import find
from freeswitch.module import build_module
from freeswitch.place import KIND, SwitchSite, check_ours, ports_given_back, running
from freeswitch.switch import FreeSwitch


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SwitchSite]:
    skips.set(KIND.skips)
    with running(tmp_path, "sealrtp") as site:
        own = site.for_call("calls")
        yield own
        if own.watched:
            seen = own.look()
            found = seen.from_pbx.found + seen.to_pbx.found
            assert not found, f"the capture has {len(found)} datagrams that are not secured: {found[0]}"


def secured_echo(site: SwitchSite) -> None:
    """A call that is secured by us, and whose echo is whole."""
    with legs(site, "secure") as (leg,):
        dial(site, leg)
        leg.say(SPEECH[:SECOND])
        leg.media.drain(4)
        time.sleep(0.3)
        report = leg.report()
        good_media(report)
        require_audio(SPEECH, report, 25)


def dial(site: SwitchSite, leg: Leg) -> None:
    final = leg.invite("echo", [Crypto.fresh(1, CM80)])
    assert final.status == 200, final.start
    told(site, channel(leg), "SDES", CM80)


def ended(leg: Leg, timeout: float = 5.0) -> None:
    assert leg.call is not None
    leg.call.wait_end(timeout)


@contextmanager
def talking(site: SwitchSite, count: int) -> Iterator[list[Leg]]:
    """So many calls that go on, all of them secured."""
    with legs(site, *["secure"] * count) as made:
        for leg in made:
            dial(site, leg)
            leg.say(SPEECH, repeat=True)
        time.sleep(1)
        yield made


def test_reload_of_the_configuration_leaves_calls_alone(site: SwitchSite) -> None:
    with talking(site, 2) as (one, two):
        site.switch.configure({"policies": {"sdes": {"offer": "dtls", "accept": "dtls", "fallback": "reject"}}})
        answer = site.switch.api("sealrtp reload")
        assert not answer.startswith("-"), answer
        time.sleep(1)
        for leg in (one, two):
            leg.media.stop()
            assert leg.call is not None and not leg.call.ended, "the reload has ended a call"
        time.sleep(0.3)
        for leg in (one, two):
            good_media(leg.report())
    with legs(site, "secure") as (leg,):
        final = leg.invite("echo", [Crypto.fresh(1, CM80)])
        assert final.status == 488, f"the new policy has no SDES, and the answer is {final.start}"


def test_unload_with_calls_up_is_refused_or_ends_them(site: SwitchSite) -> None:
    with talking(site, 3) as made:
        answer = site.switch.api("unload mod_sealrtp")
        assert answer.startswith("-"), f"unload is not refused while calls are up: {answer}"
        check_ours(site.switch)
        assert not any(leg.call.ended for leg in made if leg.call), "the refused unload has ended a call"
        site.switch.api("unload -f mod_sealrtp")
        for leg in made:
            ended(leg)
            leg.media.stop()
        time.sleep(0.5)
        for leg in made:
            report = leg.report()
            assert report.packets == report.authenticated, f"of {report.packets} packets {report.authenticated} authenticate"
    assert not site.switch.has_module("mod_sealrtp"), "unload -f has not unloaded it"
    assert site.switch.running, "FreeSWITCH is gone"
    site.switch.socket.require("load mod_sealrtp")
    check_ours(site.switch)
    secured_echo(site)


def test_without_the_module_a_call_that_policy_wants_secured_is_stocks(site: SwitchSite) -> None:
    """Unloaded, nothing of us is left in FreeSWITCH: its own SDES answers."""
    secured_echo(site)
    site.switch.wait_idle(5)
    site.switch.socket.require("unload mod_sealrtp")
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 200
        assert not site.switch.variable(channel(leg), "sealrtp_method")
        leg.say(SPEECH[:SECOND])
        leg.media.drain(4)
        good_media(leg.report())
    site.switch.socket.require("load mod_sealrtp")
    secured_echo(site)


def test_reload_of_mod_sofia_under_calls_is_followed(site: SwitchSite) -> None:
    """A plain reload is refused by FreeSWITCH while there are calls; a forced one ends them, and we are at work in the mod_sofia that comes then."""
    with talking(site, 3) as made:
        assert "in use" in site.switch.api("reload mod_sofia")
        assert not any(leg.call.ended for leg in made if leg.call), "the refused reload has ended a call"
        site.switch.api("reload -f mod_sofia")
        until = time.monotonic() + 30
        while "RUNNING" not in site.switch.api("sofia status"):
            assert time.monotonic() < until and site.switch.running, "mod_sofia does not come back"
            time.sleep(0.2)
        for leg in made:
            try:
                ended(leg, 3)
            except Late:
                # mod_sofia may take its calls along without a word; that nothing clear is sent is what counts.
                assert leg.call is not None
                leg.call.ended_by_peer = leg.call.invite_sent
            leg.media.stop()
        for leg in made:
            report = leg.report()
            assert report.packets == report.authenticated, f"of {report.packets} packets {report.authenticated} authenticate"
    site.switch.wait_idle(20)
    check_ours(site.switch)
    secured_echo(site)


def test_load_and_unload_again_and_again(site: SwitchSite) -> None:
    for _ in range(5):
        secured_echo(site)
        site.switch.wait_idle(5)
        site.switch.socket.require("reload mod_sealrtp")
        check_ours(site.switch)
    secured_echo(site)


def test_ports_are_given_back_after_good_refused_and_broken_off_calls(tmp_path: Path) -> None:
    """With a range of forty ports FreeSWITCH could not place sixty calls if a few of them kept theirs."""
    skips.set(KIND.skips)
    with running(tmp_path, "sealrtp", rtp_ports=40) as site:
        own = site.for_call("calls")
        idle = site.switch.media_sockets()
        for _ in range(20):
            with legs(own, "secure") as (leg,):
                dial(own, leg)
                leg.say(SPEECH[:SECOND // 5])
                leg.media.drain(2)
            with legs(own, "secure") as (leg,):
                assert leg.invite("echo").status == 488
            with legs(own, "secure") as (leg,):
                leg.call = leg.phone.call("ring", leg.body([Crypto.fresh(1, CM80)]))
                leg.phone.wait(lambda: next((m for m in leg.call.responses if m.status == 180), None), 5, "ringing")
                leg.phone.send(cancel(leg))
                assert leg.call.wait_final(5).status == 487
        site.switch.wait_idle(10)
        ports_given_back(site.switch, idle)
        status = site.switch.api("sealrtp calls")
        assert "sofia/" not in status, f"a leg is left:\n{status}"


def cancel(leg: Leg) -> Message:
    """A CANCEL of the leg's INVITE: its own headers (RFC 3261 section 9.1)."""
    assert leg.call is not None and leg.call.invite_sent is not None
    sent = leg.call.invite_sent
    kept = [(name, value) for name, value in sent.headers if name in ("via", "max-forwards", "from", "to", "call-id")]
    return Message(sent.start.replace("INVITE", "CANCEL", 1), [*kept, ("cseq", sent.get("cseq").replace("INVITE", "CANCEL"))])


def test_a_freeswitch_without_our_module_starts_it_later(tmp_path: Path) -> None:
    """Loaded into a FreeSWITCH that has taken calls before, it is at work for the next one."""
    skips.set(KIND.skips)
    with FreeSwitch(find(), tmp_path / "pbx", srtp="sealrtp", module=build_module(), load=False) as switch:
        site = SwitchSite(switch, tmp_path).for_call("calls")
        with legs(site, "plain") as (leg,):
            assert leg.invite("echo").status == 200
            switch.socket.require("load mod_sealrtp")
        secured_echo(site)
