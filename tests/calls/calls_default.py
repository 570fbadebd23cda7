"""The default configuration, unchanged: the sample of sealrtp.conf and end points without media_encryption, and phones of every kind.

Each is connected with the best that it can do: linphonec set to ZRTP, SDES, DTLS and none, baresip with SDES and DTLS; Chromium is
in tests/webrtc, with the same sample.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pbx.asterisk import Asterisk
from pbx.endpoints import Endpoint, Media
from pbx.roots import choose

from calls.audio import SPEECH
from calls.calls_phones import HEARD
from calls.media import REPOSITORY, Capture
from calls.phones import Baresip, Linphone, Program, host_address, require_heard, wait_heard
from calls.policy_matrix import CLEAR, DTLS, REFUSED, SDES, SECURE, ZRTP
from calls.registry import Outcome
from calls.site import KINDS, Site, module_for
from calls.streams import check_ours, rows_of_user
from calls.zrtp import ZrtpPhone, line_of

SAMPLE = REPOSITORY / "asterisk_module/sealrtp.conf.sample"
KIND = KINDS["asterisk22"]
SECOND = 8000


@dataclass(frozen=True)
class Default:
    """A phone that calls the echo, and what must come of it."""

    name: str
    phone: str
    # media_encryption of linphonec, mediaenc of baresip.
    encryption: str
    expected: str
    tls: bool = False


CALLS = {one.name: one for one in (
    Default("linphonec-zrtp", "linphonec", "zrtp", ZRTP),
    Default("linphonec-zrtp-tls", "linphonec", "zrtp", ZRTP, tls=True),
    Default("linphonec-sdes-tls", "linphonec", "srtp", SDES, tls=True),
    # Its keys would pass in the clear, and it takes no call without them: it is told why it has none.
    Default("linphonec-sdes-udp", "linphonec", "srtp", REFUSED),
    Default("linphonec-dtls", "linphonec", "dtls", DTLS),
    # It answers ZRTP's Hello all the same.
    Default("linphonec-none", "linphonec", "none", ZRTP),
    Default("baresip-sdes-tls", "baresip", "srtp-mand", SDES, tls=True),
    Default("baresip-dtls", "baresip", "dtls_srtp", DTLS),
    Default("baresip-none", "baresip", "", CLEAR),
)}


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Site]:
    """An Asterisk with nothing said about media security anywhere."""
    root = choose(KIND.major, KIND.chan)
    endpoints = [Endpoint(call.name, Media.CLEAR, options={"pjsip": {"transport": "transport-tls"}} if call.tls else {}) for call in CALLS.values()]
    with Asterisk(root, directory / "pbx", module=module_for(root), tls=True, endpoints=endpoints, sealrtp_conf=SAMPLE.read_text(),
                  address=host_address()) as pbx:
        check_ours(pbx)
        site = Site(KIND, pbx, directory)
        first, last = pbx.ports.rtp
        with Capture(directory / "media.pcap", f"udp portrange {first}-{last}") as site.capture:
            yield site
        check_ours(pbx)
        pbx.wait_idle()


def phone_of(call: Default, site: Site) -> Program:
    """The phone of a call, started."""
    first, last = site.peer_ports(14)
    rtp = first + first % 2
    if call.expected in SECURE:
        site.watch(first, last - 4, early_rtp=call.encryption == "dtls_srtp")
    home = site.directory / "phone"
    if call.phone == "baresip":
        return Baresip(home, SPEECH, user=call.name, address=site.address, pbx_port=site.pbx.ports.sips if call.tls else site.pbx.sip_port,
                       sip=last, rtp=(rtp, last - 4), control=last - 2, encryption=call.encryption, transport="tls" if call.tls else "udp")
    how = {"user": call.name, "address": site.address, "sip": last, "rtp": rtp, "tls": last - 1 if call.tls else 0}
    if call.tls:
        # chan_pjsip asks for a client's certificate, and linphonec asks its user for one that it does not have.
        etc = site.pbx.workdir / "etc"
        how["options"] = {"client_cert_chain": str(etc / "tls.pem"), "client_cert_key": str(etc / "tls.key")}
    if call.encryption == "zrtp":
        return ZrtpPhone(home, SPEECH, **how)
    return Linphone(home, SPEECH, encryption=call.encryption, mandatory=call.encryption != "none", **how)


def run(call: Default, site: Site) -> Outcome:
    """Places the call. AssertionError unless it is connected with what is expected, the sound is heard, and nothing clear passed."""
    site = site.for_call(call.name)
    uri = f"sip:echo@{site.address}:" + (f"{site.pbx.ports.sips};transport=tls" if call.tls else f"{site.pbx.sip_port}")
    if call.expected == REFUSED:
        return refused(call, site, uri)
    start = len(site.pbx.manager.events)
    sas: tuple[str, ...] = ()
    with phone_of(call, site) as phone:
        phone.call(uri)
        if isinstance(phone, ZrtpPhone):
            shown = phone.sas()
            line = line_of(site, call.name)
            assert line.sas == shown, f"the phone shows {shown}, the PBX {line.sas}"
            sas = (f"phone {shown}", f"PBX {line.sas}")
        wait_heard(HEARD, (SPEECH, phone.heard))
        rows = rows_of_user(site.pbx, call.name)
        phone.hang_up()
        time.sleep(0.8)
    share = require_heard(SPEECH, phone.heard(), HEARD)
    if call.expected == CLEAR:
        assert all(row["Suite-In"] == "-" for row in rows), f"the call of a phone without security is shown as {rows}"
        return Outcome(detail=f"{share:.0%} of the sound", heard=True)
    (row,) = rows
    assert row["Method"].lower() == call.expected, f"the method is {row['Method']}: {row}"
    nothing_clear(call, site)
    # SDES has no handshake to tell of.
    if call.expected != SDES:
        secured = [event for event in site.pbx.manager.events[start:] if event["Event"] == "SealRTPSecured" and f"/{call.name}-" in event["Channel"]]
        assert secured, "no event tells that the call is secured"
    return Outcome(row["Suite-In"], int(row["Packets-In"]), int(row["Packets-Out"]), True, f"{share:.0%} of the sound", sas=sas)


def refused(call: Default, site: Site, uri: str) -> Outcome:
    """The call of a phone that takes nothing less, and has nothing that is taken: 488, and the log tells the administrator what to do."""
    start = len(site.pbx.log_text())
    with phone_of(call, site) as phone:
        assert isinstance(phone, Linphone)
        phone.start_call(uri)
        phone.wait_text("error")
    # Whole when the phone has ended.
    log = (phone.home / "log").read_text(errors="replace")
    assert "SIP/2.0 488" in log, f"the call is not answered 488: {set(re.findall('SIP/2.0 [4-6].*', log))}"
    told = site.pbx.wait_log(rf"PJSIP/{call.name}: (.*sdes_signalling = tls.*)", start=start)
    return Outcome(detail=told[1])


def nothing_clear(call: Default, site: Site) -> None:
    """AssertionError when the capture has anything clear, but for what a call that nobody announced as secured begins with."""
    seen = site.look()
    if call.encryption == "none":
        for way in (seen.from_pbx, seen.to_pbx):
            assert way.clear_rtp < 50 and way.srtp > 100, f"{way.clear_rtp} packets were clear and {way.srtp} secured"
        return
    found = seen.from_pbx.found + ([] if call.expected == ZRTP else seen.to_pbx.found)
    assert not found, f"the capture has {len(found)} datagrams that are not secured: {found[0]}"
