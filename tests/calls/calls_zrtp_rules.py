"""What may be clear and what may not: `fallback = reject`, `fallback = rtp`, and a call that starts clear and is secured in its midst."""

from __future__ import annotations

import contextlib
import random
import socket
import time

from late import Late, wait_for
from pbx.endpoints import Media
from pbx.sounds import FRAME_BYTES

from calls import sdp
from calls.algorithms import Algorithms
from calls.audio import SPEECH
from calls.calls_media import SECOND
from calls.calls_zrtp import PEER, both_sas, zrtp_phone
from calls.calls_zrtp_legs import same_sas
from calls.legs import legs
from calls.registry import Outcome, require_audio, scenario
from calls.relay import Relay
from calls.sip import Phone
from calls.site import Site
from calls.streams import wait_row
from calls.zrtp_wire import kind_of, ping, read_ping_ack

SCRIPTED = "libsrtp"
SUITE = Algorithms().suite
# Longer than a stream's channel is looked for in haste, in seconds.
RINGS_FOR = 3.0
# So many packets pass before ZRTP does in a call that starts clear; its Hellos last longer.
CLEAR_FOR = 80


@scenario("zrtp-required-without", "echo, required, peer has no ZRTP", SCRIPTED, method="ZRTP", sends_clear=True)
def required_without(site: Site) -> Outcome:
    """A peer that never does ZRTP where it is required: it hears nothing, and the PBX ends the call and says why."""
    with legs(site, "zrtp-silent") as (leg,):
        start = len(site.pbx.manager.events)
        assert leg.invite("echo").status == 200
        assert leg.call is not None
        port = sdp.read(leg.call.remote_sdp).port
        leg.say(SPEECH[:3 * SECOND])
        leg.media.drain()
        refused = int(wait_row(site.pbx, port, lambda row: int(row["Refused"]) >= 100, "150 clear packets were sent")["Refused"])
        bye = leg.call.wait_end()
        failed = site.pbx.manager.wait_event("SealRTPFailed", lambda event: "zrtp-silent-" in event["Channel"], start=start)
        assert failed["Method"].upper() == "ZRTP" and failed["Reason"], f"the event tells {failed.fields}"
        report = leg.report()
        assert not report.packets and not report.clear, f"{report.packets} packets of media came back"
        cause = bye.get("reason") or bye.get("x-asterisk-hangupcausecode")
        return Outcome(detail=f"{refused} refused, then: {failed['Reason'].splitlines()[0]}; {cause}")


@scenario("zrtp-required-called-without", "called, required, phone has no ZRTP", SCRIPTED, method="ZRTP", sends_clear=True, demo=False)
def required_called_without(site: Site) -> Outcome:
    """The same when the PBX calls: nothing of what the caller says reaches the phone, however long it rings."""
    with site.callee(Media.ZRTP) as name, legs(site, "plain", name) as (caller, callee):
        caller.call = caller.phone.call(name, caller.body())
        callee.media.remote(callee.wait_offer().remote)
        time.sleep(RINGS_FOR)
        assert callee.call is not None
        callee.media.send_with(None)
        callee.call.answer(callee.body())
        callee.call.wait_ack()
        final = caller.call.wait_final()
        assert final.status == 200, final.start
        caller.take_answer(final.body)
        caller.say(SPEECH, repeat=True)
        callee.say(SPEECH[:2 * SECOND])
        callee.call.wait_end()
        caller.media.stop()
        heard, back = callee.report(), caller.report()
        assert not heard.packets, f"{heard.packets} packets reached a phone that is not secured"
        assert not back.packets, f"{back.packets} packets of a phone that is not secured reached the caller"
        return Outcome(detail="nothing passed, then the call ended")


@scenario("zrtp-yes-without", "echo, peer has no ZRTP", SCRIPTED, method="none")
def yes_without(site: Site) -> Outcome:
    """Where ZRTP may be but the phone has none, the call is clear and whole, beside some Hellos."""
    with legs(site, "zrtp-never") as (leg,):
        assert leg.invite("echo").status == 200
        leg.say(SPEECH[:6 * SECOND])
        leg.media.drain()
        leg.settle(280)
        assert leg.call is not None and not leg.call.ended, "the PBX has ended the call"
        report = leg.report()
        assert report.clear == report.packets, f"of {report.packets} packets {report.clear} are clear"
        assert 1 <= report.not_rtp <= 40, f"{report.not_rtp} datagrams are no RTP: Hellos were expected"
        heard = require_audio(SPEECH, report, 280)
        return Outcome(detail=f"{report.not_rtp} Hellos beside it").add(report.sent, report.packets, heard)


@scenario("zrtp-in-mid-call", "clear, then secured", PEER, suite=SUITE, method="ZRTP", place="host")
def in_mid_call(site: Site) -> Outcome:
    """A call that is clear for a while and then secured: no packet is missing around the change, and the phone hears through it."""
    user = "zrtp-perhaps"
    ports = site.peer_ports(4)
    with Relay(site.address, site.pbx.sip_port, (ports[0], ports[0] + 2)) as relay, \
            zrtp_phone(site, user, watched=False, mandatory=False) as phone:
        phone.call(f"sip:echo@{site.address}:{relay.port}")
        wait_for(lambda: min(relay.passed(True), relay.passed(False)) >= CLEAR_FOR, "clear packets")
        assert phone.secured_calls == 0, "it is secured though no ZRTP has passed"
        relay.lets_pass = True
        line = same_sas(site, phone, user)
        secured_at = relay.passed(True), relay.passed(False)
        wait_for(lambda: relay.passed(True) >= secured_at[0] + 120 and relay.passed(False) >= secured_at[1] + 120, "secured packets")
        line = same_sas(site, phone, user)
        phone.hang_up()
        time.sleep(0.5)
        seen = list(relay.seen)
    told = []
    for to_phone in (True, False):
        packets = [packet for packet in seen if packet.to_phone is to_phone and packet.is_rtp]
        clear = [len(packet.payload) == FRAME_BYTES for packet in packets]
        first_secured = clear.index(False)
        assert first_secured >= 50, f"only {first_secured} packets were clear"
        assert not any(clear[first_secured:]), f"{sum(clear[first_secured:])} clear packets after the first secured one"
        around = packets[first_secured - 40:first_secured + 40]
        steps = [(b.sequence - a.sequence) % 65536 for a, b in zip(around, around[1:])]
        assert steps == [1] * 79, f"packets are missing around the change: {steps}"
        told.append(f"{first_secured} clear and {len(packets) - first_secured} secured {'to' if to_phone else 'from'} the phone")
    frames, slipped = heard_of(SPEECH, phone.heard(), 1.0, 4.0)
    # A loaded phone itself cuts or stretches frames; on the wire nothing is missing, as was seen above.
    if frames < 130 or abs(slipped) > 2:
        raise Late(f"{frames} of 150 frames were heard around the change, {slipped} too late or too early")
    return Outcome(line.suite, len(seen), len(seen), True, ", ".join(told) + f", {frames} of 150 frames around the change heard",
                   sas=both_sas(phone.sas(), line))


def heard_of(said: bytes, heard: bytes, after: float, before: float) -> tuple[int, float]:
    """Of the 20 ms frames of `said` between two seconds: how many are in `heard`, and by how many frames the last is further from the
    first than it was said. A phone's recording begins anywhere within a frame."""
    places = [(at, heard.find(said[at:at + FRAME_BYTES])) for at in range(int(after * SECOND), int(before * SECOND), FRAME_BYTES)]
    known = [(at, place) for at, place in places if place >= 0]
    assert known, "nothing was heard"
    return len(known), ((known[-1][1] - known[0][1]) - (known[-1][0] - known[0][0])) / FRAME_BYTES


@scenario("zrtp-ping", "Ping answered", "by hand", method="ZRTP", demo=False)
def ping_answered(site: Site) -> Outcome:
    """Who asks whether there is ZRTP by a Ping gets a PingACK that repeats its hash and SSRC (RFC 6189, 5.16)."""
    with contextlib.ExitStack() as stack:
        media = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        media.bind((site.address, site.peer_ports(2)[0]))
        media.settimeout(0.2)
        phone = stack.enter_context(Phone("zrtp-never", (site.address, site.pbx.sip_port), 0, site.address))
        call = phone.call("echo", sdp.body(media.getsockname()[1], (), address=site.address))
        final = call.wait_final()
        assert final.status == 200, final.start
        address, port = sdp.read(final.body).remote.rsplit(":", 1)
        ssrc, endpoint = random.getrandbits(32), random.randbytes(8)
        answers = []
        for sequence in range(1, 21):
            media.sendto(ping(sequence, ssrc, endpoint), (address, int(port)))
            with contextlib.suppress(TimeoutError):
                while True:
                    datagram = media.recv(2048)
                    if kind_of(datagram) == b"PingACK ":
                        answers.append(read_ping_ack(datagram))
                        break
        assert answers, "no Ping was answered"
        for answer in answers:
            assert (answer.received, answer.received_ssrc) == (endpoint, ssrc), f"the answer repeats {answer}"
            assert answer.version == b"1.10" and answer.sender not in (bytes(8), endpoint), f"the answer says {answer}"
        assert len({answer.sender for answer in answers}) == 1, "it calls itself by several names"
        return Outcome(detail=f"{len(answers)} of 20 answered")
