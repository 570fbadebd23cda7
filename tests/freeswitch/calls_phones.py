"""Calls of real phones through FreeSWITCH: linphonec (ZRTP, SDES, its default DTLS) and baresip (SDES, DTLS)."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

from pbx.endpoints import Media

from calls.algorithms import SETS, Algorithms
from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_media import CM80, SECOND
from calls.calls_phones import ENOUGH, baresip, linphone
from calls.calls_zrtp import zrtp_phone
from calls.dtls import GCM256
from calls.legs import good_media, legs
from calls.phones import Linphone, Program, share_heard
from calls.registry import Outcome
from calls.zrtp import ZrtpPhone

from freeswitch.ends import told
from freeswitch.place import SwitchSite
from freeswitch.table import add, call

CM256 = "AES_256_CM_HMAC_SHA1_80"
ZRTP_SUITE = Algorithms().suite
# Phones by name: how it is made, its method, the user that it calls as, the suite of its calls, and the one when it is called.
PHONES: dict[str, tuple[Callable[..., Program], str, str, str, str]] = {
    "linphonec-sdes": (linphone, "SDES", "secure", CM256, CM256),
    "linphonec-dtls": (functools.partial(linphone, encryption="dtls"), "DTLS", "fingerprinted", CM80, CM80),
    "baresip-sdes": (baresip, "SDES", "secure", CM80, GCM256),
    # baresip as DTLS server takes its own first profile, the weakest; as client it takes the strongest.
    "baresip-dtls": (functools.partial(baresip, dtls=True), "DTLS", "fingerprinted", CM80, GCM256),
}
CALLED = {"SDES": Media.SDES, "DTLS": Media.DTLS}


def uri(site: SwitchSite, number: str) -> str:
    return f"sip:{number}@{site.address}:{site.pbx.sip_port}"


def channel_of(site: SwitchSite, user: str) -> str:
    """The channel of this user. AssertionError when there is none; FreeSWITCH's table lags behind its calls."""
    until = time.monotonic() + 3
    while not (uuid := site.switch.channel_of(user)):
        assert time.monotonic() < until, f"FreeSWITCH shows no channel of {user}: {site.switch.api('show channels')}"
        time.sleep(0.2)
    return uuid


def echo(site: SwitchSite, name: str, user: str) -> Outcome:
    """A phone calls the echo and records what it hears."""
    phone, method, _, suite, _ = PHONES[name]
    with phone(site, SPEECH, user) as program:
        program.call(uri(site, "echo"))
        time.sleep(4.5)
        told(site, channel_of(site, user), method, suite)
        program.hang_up()
        time.sleep(0.8)
    share = share_heard(SPEECH[:3 * SECOND], program.heard())
    assert share >= ENOUGH, f"only {share:.0%} of the sound is in the recording"
    return Outcome(suite, detail=f"{share:.0%} of the sound recorded", heard=True)


def called(site: SwitchSite, name: str) -> Outcome:
    """A clear caller calls the phone through FreeSWITCH; both hear one another."""
    phone, method, _, _, suite = PHONES[name]
    with site.callee(CALLED[method]) as user, phone(site, OTHER_SPEECH, user, True) as program, legs(site, "plain") as (caller,):
        final = caller.invite(user)
        assert final.status == 200, final.start
        time.sleep(0.5)
        caller.say(SPEECH[:4 * SECOND])
        caller.media.drain(8)
        told(site, channel_of(site, user), method, suite)
        assert caller.call is not None
        caller.call.bye()
        time.sleep(0.5)
        report = caller.report()
    good_media(report, secured=False, may_lose=2)
    share, back = share_heard(SPEECH[SECOND // 2:3 * SECOND], program.heard()), share_heard(OTHER_SPEECH[SECOND:3 * SECOND], report.audio)
    assert share >= ENOUGH, f"only {share:.0%} of the caller's sound is in the phone's recording"
    assert back >= ENOUGH, f"only {back:.0%} of the phone's sound came to the caller"
    return Outcome(suite, detail=f"{share:.0%} and {back:.0%} of the sound").add(report.sent, report.packets, True)


def hold(site: SwitchSite, name: str, user: str) -> Outcome:
    """A phone talks to a clear end, holds it and resumes: the keys are kept, and both hear one another again."""
    phone, method, _, suite, _ = PHONES[name]
    with site.callee(Media.CLEAR) as other, legs(site, other) as (callee,), phone(site, SPEECH, user) as program:
        if isinstance(program, Linphone):
            program.start_call(uri(site, other))
        else:
            program.command("dial", uri(site, other))  # type: ignore[attr-defined]
        callee.accept()
        callee.say(OTHER_SPEECH, repeat=True)
        time.sleep(3)
        told(site, channel_of(site, user), method, suite)
        program.hold()
        time.sleep(1.5)
        program.resume()
        time.sleep(0.5)
        before = callee.report().packets
        time.sleep(2)
        came = callee.report().packets - before
        told(site, channel_of(site, user), method, suite)
        program.hang_up()
        time.sleep(0.8)
    assert came >= 75, f"in two seconds after the resume {came} packets came from the phone"
    share = share_heard(OTHER_SPEECH, program.heard())
    # linphonec's recording begins anew at the resume, baresip's ends at the hold; a handshake comes first.
    assert share >= 0.2, f"only {share:.0%} of the sound is in the recording"
    return Outcome(suite, detail=f"{share:.0%} of the sound recorded", heard=True, sent=came)


for _name, (_, _method, _user, _suite, _other) in PHONES.items():
    _program = _name.partition("-")[0]
    add(f"{_name}-echo", "echo", lambda site, name=_name, user=_user: echo(site, name, f"{user}-{name}"), _program, suite=_suite, method=_method, place="host")
    add(f"{_name}-called", "called", lambda site, name=_name: called(site, name), _program, suite=_other, method=_method, place="host")
    add(f"{_name}-hold", "hold, resume", lambda site, name=_name, user=_user: hold(site, name, f"{user}-{name}-hold"), _program, suite=_suite,
        method=_method, place="host")


# --- ZRTP ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """What FreeSWITCH tells of a phone's ZRTP."""

    channel: str
    suite: str
    sas: str
    verified: bool
    peer_zid: str


def line_of(site: SwitchSite, user: str) -> Line:
    """The line of this user's newest call. AssertionError unless its media is secured by ZRTP."""
    uuid = channel_of(site, user)
    until = time.monotonic() + 5
    while site.switch.variable(uuid, "sealrtp_method") != "ZRTP":
        assert time.monotonic() < until, f"{user} is not secured by ZRTP: {site.switch.api(f'sealrtp show {uuid}')}"
        time.sleep(0.1)
    shown = {name: site.switch.variable(uuid, f"sealrtp_{name}") for name in ("suite", "sas", "sas_verified", "peer_zid")}
    assert shown["sas_verified"] in ("yes", "no") and len(shown["peer_zid"]) == 24, f"the channel's variables are odd: {shown}"
    return Line(uuid, shown["suite"], shown["sas"], shown["sas_verified"] == "yes", shown["peer_zid"])


def same_sas(site: SwitchSite, phone: ZrtpPhone, user: str, number: int = 1) -> Line:
    """The line of a phone that is secured. AssertionError unless both ends show the same SAS."""
    sas = phone.sas(number)
    line = line_of(site, user)
    assert line.sas == sas, f"the phone shows {sas}, FreeSWITCH {line.sas}"
    return line


def both_sas(phone: ZrtpPhone, line: Line) -> tuple[str, ...]:
    return f"phone {phone.sas()}", f"PBX {line.sas}"


def zrtp_echo(site: SwitchSite, label: str) -> Outcome:
    """A phone that wants these algorithms calls the echo, which waits for security; events, variables and `sealrtp show` tell of it."""
    algorithms, user = SETS[label], f"zrtp-{label}"
    with zrtp_phone(site, user, algorithms=algorithms) as phone:
        phone.call(uri(site, "wait"))
        line = same_sas(site, phone, user)
        event = site.switch.socket.wait_event("sealrtp::secured", lambda it: it.channel == line.channel)
        assert (event.get("Method"), event.get("SAS")) == ("ZRTP", line.sas), f"the event tells {event.get('Method')}, {event.get('SAS')}"
        shown = site.switch.api(f"sealrtp show {line.channel}")
        missing = [name for name in (*algorithms.names, line.sas, line.peer_zid) if name not in shown]
        assert not missing, f"`sealrtp show` does not tell {', '.join(missing)}:\n{shown}"
        until = time.monotonic() + 2
        while (status := site.switch.variable(line.channel, "sealrtp_status")) != "SECURE":
            assert time.monotonic() < until, f"sealrtp_wait tells {status!r} of a call that is secure"
            time.sleep(0.05)
        time.sleep(4)
        phone.hang_up()
        time.sleep(0.5)
    assert phone.agreed() == algorithms, f"the phone tells {phone.agreed()}"
    share = share_heard(SPEECH[SECOND:3 * SECOND], phone.heard())
    assert share >= ENOUGH, f"only {share:.0%} of the sound is in the recording"
    return Outcome(line.suite, heard=True, detail=str(algorithms), sas=both_sas(phone, line))


for _label in SETS:
    add(f"zrtp-{_label}", "echo", lambda site, label=_label: zrtp_echo(site, label), "linphonec", suite=SETS[_label].suite, method="ZRTP", place="host",
        demo=_label in ("dh3k", "x255", "all"))


@call("zrtp-called", "called", "linphonec", suite=ZRTP_SUITE, method="ZRTP", place="host")
def zrtp_called(site: SwitchSite) -> Outcome:
    """A clear caller calls a phone with ZRTP: nothing is heard before the line is secured, then all."""
    with site.callee(Media.ZRTP) as user, zrtp_phone(site, user, say=OTHER_SPEECH, answer=True) as phone, legs(site, "plain") as (caller,):
        final = caller.invite(user)
        assert final.status == 200, final.start
        line = same_sas(site, phone, user)
        caller.say(SPEECH[:4 * SECOND])
        caller.media.drain(8)
        assert caller.call is not None
        caller.call.bye()
        time.sleep(0.5)
        report = caller.report()
    share, back = share_heard(SPEECH[SECOND:3 * SECOND], phone.heard()), share_heard(OTHER_SPEECH[SECOND:3 * SECOND], report.audio)
    assert min(share, back) >= ENOUGH, f"{share:.0%} of the sound reached the phone, {back:.0%} the caller"
    return Outcome(line.suite, sas=both_sas(phone, line)).add(report.sent, report.packets, True)


@call("zrtp-to-sdes", "bridge of ZRTP to SDES", "linphonec", suite=f"{ZRTP_SUITE} to {CM80} (SDES)", method="ZRTP", place="host")
def zrtp_to_sdes(site: SwitchSite) -> Outcome:
    """A phone with ZRTP calls an end with SDES."""
    user = "zrtp-to-sdes"
    with site.callee(Media.SDES) as name, legs(site, name) as (callee,), zrtp_phone(site, user) as phone:
        phone.start_call(uri(site, name))
        callee.accept(prefer=CM80)
        line = same_sas(site, phone, user)
        told(site, callee.call.call_id if callee.call else "", "SDES", CM80)
        callee.say(OTHER_SPEECH[:4 * SECOND])
        callee.media.drain(8)
        phone.hang_up()
        time.sleep(0.5)
        report = callee.report()
        good_media(report, may_lose=2)
        there, back = share_heard(SPEECH[SECOND:3 * SECOND], report.audio), share_heard(OTHER_SPEECH[SECOND:3 * SECOND], phone.heard())
        assert min(there, back) >= ENOUGH, f"{there:.0%} of the sound reached the SDES leg, {back:.0%} the phone"
        return Outcome(f"{line.suite} to {CM80} (SDES)", sas=both_sas(phone, line)).add(report.sent, report.packets, True)


@call("zrtp-to-zrtp", "linphonec calls linphonec", "linphonec", suite=f"{ZRTP_SUITE} to {ZRTP_SUITE}", method="ZRTP", place="host")
def zrtp_to_zrtp(site: SwitchSite) -> Outcome:
    """Two phones with ZRTP, FreeSWITCH between them: each line has a SAS of its own."""
    user = "zrtp-to-zrtp"
    with site.callee(Media.ZRTP) as name, zrtp_phone(site, name, say=OTHER_SPEECH, answer=True) as callee, zrtp_phone(site, user) as caller:
        caller.call(uri(site, name))
        near, far = same_sas(site, caller, user), same_sas(site, callee, name)
        assert near.sas != far.sas and near.peer_zid != far.peer_zid, f"two lines are one: {near}, {far}"
        time.sleep(4)
        caller.hang_up()
        time.sleep(0.7)
        there, back = share_heard(SPEECH[SECOND:3 * SECOND], callee.heard()), share_heard(OTHER_SPEECH[SECOND:3 * SECOND], caller.heard())
        assert min(there, back) >= ENOUGH, f"{there:.0%} of the sound reached the called phone, {back:.0%} the calling one"
        return Outcome(f"{near.suite} to {far.suite}", heard=True, sas=("caller's line:", *both_sas(caller, near), "callee's line:", *both_sas(callee, far)))


@call("zrtp-hold", "hold, resume", "linphonec", suite=ZRTP_SUITE, method="ZRTP", place="host")
def zrtp_hold(site: SwitchSite) -> Outcome:
    """A phone holds and resumes: the same association and SAS, and the sound comes back."""
    user = "zrtp-hold"
    with zrtp_phone(site, user) as phone:
        phone.call(uri(site, "echo"))
        before = same_sas(site, phone, user)
        time.sleep(1.5)
        phone.hold()
        time.sleep(1.5)
        phone.resume()
        time.sleep(2.5)
        after = same_sas(site, phone, user)
        secured = [event for event in site.switch.socket.events if event.name == "sealrtp::secured" and event.channel == after.channel]
        assert after.sas == before.sas and len(secured) == 1, f"another association: {before.sas}, {after.sas}, {len(secured)} events"
        phone.hang_up()
        time.sleep(0.7)
    share = share_heard(SPEECH, phone.heard())
    # Its recording begins anew at the resume: two seconds and a half of eight.
    assert share >= 0.25, f"only {share:.0%} of the sound is in the recording"
    return Outcome(after.suite, heard=True, sas=both_sas(phone, after))


def zrtp_transfer(site: SwitchSite, user: str, attended: bool) -> Outcome:
    """A calls B and puts B and C together, blindly or after a word with C; all are phones with ZRTP."""
    with site.callee(Media.ZRTP) as b_name, site.callee(Media.ZRTP) as c_name, zrtp_phone(site, b_name, answer=True) as b, \
            zrtp_phone(site, c_name, say=OTHER_SPEECH, answer=True) as c, zrtp_phone(site, user) as a:
        a.call(uri(site, b_name))
        same_sas(site, a, user)
        if attended:
            a.hold()
            a.call(uri(site, c_name))
            a.sas(2)
            a.command("transfer 1 --to-call 2")
        else:
            a.command(f"transfer {uri(site, c_name)}")
        time.sleep(1)
        at_b, at_c = same_sas(site, b, b_name), same_sas(site, c, c_name)
        time.sleep(4)
        after_b, after_c = same_sas(site, b, b_name), same_sas(site, c, c_name)
        assert (at_b.sas, at_c.sas) == (after_b.sas, after_c.sas), "a line was secured anew"
        b.hang_up()
        time.sleep(0.7)
        at, back = share_heard(SPEECH, c.heard()), share_heard(OTHER_SPEECH, b.heard())
        assert min(at, back) >= 0.25, f"{at:.0%} of B's sound reached C, {back:.0%} of C's reached B"
        return Outcome(f"{at_b.suite} to {at_c.suite}", heard=True, sas=("B's line:", *both_sas(b, at_b), "C's line:", *both_sas(c, at_c)))


for _kind, _attended in (("blind", False), ("attended", True)):
    add(f"zrtp-{_kind}-transfer", f"{_kind} transfer", lambda site, kind=_kind, attended=_attended: zrtp_transfer(site, f"zrtp-{kind}", attended),
        "linphonec", suite=f"{ZRTP_SUITE} to {ZRTP_SUITE}", method="ZRTP", place="host", demo=_attended)
