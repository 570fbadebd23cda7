"""ZRTP as the module has it beside calls: sections of sealrtp.conf, the cache file, the sample dialplan, direct media, unloading.

What phones and `sealrtp peer` make of it is in calls_zrtp*.py.
"""

from __future__ import annotations

import re
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from late import PATIENCE, Late, wait_for
from pbx.asterisk import Asterisk
from pbx.configuration import extensions_conf
from pbx.endpoints import NATIVE, POLICY_OF, ZRTP_WHERE_KNOWN, Endpoint, Media, section
from pbx.manager import ManagerError
from pbx.module import SOURCE, build_module
from pbx.namespace import MissingPermission, check_permission
from pbx.roots import choose

from calls import sdp
from calls.runner import KINDS
from calls.sealrtp import SealrtpPeer
from calls.sip import Call, Phone
from calls.site import Kind, PeerPorts, Site

DIRECT = {"pjsip": {"direct_media": "yes"}, "sip": {"directmedia": "yes"}}
USERS = (Endpoint("never", Media.CLEAR), Endpoint("perhaps", Media.CLEAR), Endpoint("always", Media.CLEAR),
         Endpoint("direct", Media.CLEAR, options=DIRECT), Endpoint("direct-too", Media.CLEAR, options=DIRECT))
SECTIONS = "".join(section(name, policy) for name, policy in {
    "perhaps": ZRTP_WHERE_KNOWN, "always": POLICY_OF[Media.ZRTP], "direct": ZRTP_WHERE_KNOWN}.items())
SAMPLE = SOURCE / "asterisk_module/extensions.conf.sample"
DIALPLAN = """
include => sealrtp-zrtp
exten => wait,1,Answer()
 same => n,SealRTPWait(1.5)
 same => n,UserEvent(Told,Status: ${SEALRTP_STATUS},State: ${SEALRTP(state)},Method: ${SEALRTP(method)},Nonsense: ${SEALRTP(nonsense)})
 same => n,Wait(30)
exten => late,1,Answer()
 same => n,Wait(0.3)
 same => n,Set(SEALRTP(enrolment)=yes)
 same => n,Wait(30)
"""
# Bytes of a chunk of audio, 20 ms of u-law.
FRAME = 160
# Our Hello goes out for so long, in seconds, before a peer counts as one without ZRTP; and some more.
NO_ANSWER = 8.0
# And for no less than that.
HELLOS_LAST = 3.0


class Plain:
    """A phone that knows nothing of ZRTP: sends clear RTP, counts what comes."""

    def __init__(self, pbx: Asterisk, user: str) -> None:
        self.phone = Phone(user, ("127.0.0.1", pbx.sip_port), pbx.contact_port(user), "127.0.0.1")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self.rtp = self.hellos = 0
        self.remote: tuple[str, int] | None = None
        self.closing = False
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.listen, self.speak)]
        for thread in self.threads:
            thread.start()

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self.closing = True
        for thread in self.threads:
            thread.join(PATIENCE)
        self.phone.close()
        self.socket.close()

    def listen(self) -> None:
        while not self.closing:
            try:
                datagram = self.socket.recv(2000)
            except TimeoutError:
                continue
            self.hellos += datagram[:1] == b"\x10"
            self.rtp += datagram[0] >> 6 == 2

    def speak(self) -> None:
        sequence = 0
        while not self.closing:
            time.sleep(0.02)
            if self.remote:
                sequence += 1
                self.socket.sendto(struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * FRAME, 1) + b"\x55" * FRAME, self.remote)

    def send_to(self, description: str) -> None:
        host, port = sdp.read(description).remote.rsplit(":", 1)
        self.remote = host, int(port)

    def invite(self, extension: str) -> Call:
        call = self.phone.call(extension, sdp.body(self.port))
        final = call.wait_final()
        assert final.status == 200, final.start
        self.send_to(final.body)
        return call


@pytest.fixture(scope="module", params=list(KINDS.values()), ids=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(f"SKIPPED: {error}")
    return request.param


def make(kind: Kind, directory: Path, conf: str) -> Asterisk:
    root = choose(kind.major, kind.chan)
    pbx = Asterisk(root, directory, chan=kind.chan, module=build_module(root), endpoints=USERS, sealrtp_conf=conf,
                   modules=("app_read", "app_userevent", "func_logic"))
    pbx.files["extensions.conf"] = extensions_conf(pbx.here, kind.chan, USERS, "test") + DIALPLAN + SAMPLE.read_text()
    return pbx


@pytest.fixture(scope="module")
def pbx(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    with make(kind, tmp_path_factory.mktemp(f"zrtp-{kind.name}"), f"{NATIVE}zrtp_mitm = yes\n\n{SECTIONS}") as running:
        yield running


@pytest.fixture
def site(kind: Kind, pbx: Asterisk, tmp_path: Path) -> Site:
    made = Site(kind, pbx, tmp_path)
    made.peers = PeerPorts(*pbx.ports.peers_rtp)
    return made


@contextmanager
def caller(pbx: Asterisk, user: str, extension: str) -> Iterator[tuple[Plain, Call]]:
    with Plain(pbx, user) as plain:
        call = plain.invite(extension)
        yield plain, call
        if not call.ended:
            call.bye()


def said(pbx: Asterisk, command: str) -> str:
    """What a command prints that may fail."""
    try:
        return pbx.cli(command)
    except ManagerError as error:
        return str(error)


def test_where_nobody_has_zrtp_no_call_has_a_stream(kind: Kind, tmp_path: Path) -> None:
    with make(kind, tmp_path, NATIVE) as pbx:
        with caller(pbx, "never", "echo") as (plain, _):
            wait_for(lambda: plain.rtp > 20, "the echo")
            assert plain.hellos == 0
        assert re.search(r"^Streams +0 now, 0 ever", pbx.cli("sealrtp show status"), re.M)
        assert "Nobody has ZRTP" in pbx.cli("sealrtp zrtp show")
        assert not (tmp_path / "var/sealrtp").exists(), "a cache was made that nobody needs"


@pytest.mark.parametrize("lines, said", [
    ("[general]\nfallback = perhaps\n", r"sealrtp\.conf line 2, \[general\]: fallback = perhaps: expected one of rtp, reject"),
    ("[general]\n[perhaps]\nzrtp = yes\n", r"sealrtp\.conf line 3, \[perhaps\]: zrtp: this key is gone, write fallback = reject"),
    ("[perhaps]\ndtls_mtu = 1000\n", r"sealrtp\.conf line 2, \[perhaps\]: dtls_mtu belongs into \[general\]"),
    ("[perhaps]\nzrtp_cache = none\n", r"sealrtp\.conf line 2, \[perhaps\]: zrtp_cache = none: belongs into \[general\]"),
    ("[general]\nzrtp_cache = zid.db\n", r"sealrtp\.conf line 2, \[general\]: zrtp_cache = zid\.db: expected an absolute path"),
    ("[perhaps]\nzrtp_hello = yes\n", r"sealrtp\.conf line 2, \[perhaps\]: .*zrtp_hello"),
])
def test_a_wrong_line_is_refused_by_file_section_and_key(pbx: Asterisk, lines: str, said: str) -> None:
    path = pbx.workdir / "etc/sealrtp.conf"
    before, start = path.read_text(), len(pbx.log_text())
    try:
        path.write_text(lines)
        pbx.cli("module reload res_sealrtp.so")
        pbx.wait_log(said, start=start)
        # The rules are those of before.
        assert re.search(r"^endpoint +always +zrtp +zrtp +reject ", pbx.cli("sealrtp show policy"), re.M)
    finally:
        path.write_text(before)


def test_general_counts_for_the_sections_before_it(pbx: Asterisk) -> None:
    path = pbx.workdir / "etc/sealrtp.conf"
    before = path.read_text()
    try:
        path.write_text("[perhaps]\nzrtp_sas = B256\n\n[never]\noffer = sdes\naccept = none\n\n[general]\nfallback = reject\n")
        pbx.cli("module reload res_sealrtp.so")
        shown = pbx.cli("sealrtp show policy")
        assert re.search(r"^endpoint +perhaps .* reject ", shown, re.M) and re.search(r"^endpoint +never +sdes +none +reject ", shown, re.M), shown
    finally:
        path.write_text(before)
        pbx.cli("module reload res_sealrtp.so")


def test_the_cache_is_private_and_our_zid_outlives_reloads(pbx: Asterisk) -> None:
    shown = re.match(r"Our ZID ([0-9a-f]{24}), cache (\S+)", pbx.cli("sealrtp zrtp show"))
    assert shown is not None
    cache = pbx.workdir / Path(shown[2]).relative_to(pbx.here)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600 and stat.S_IMODE(cache.parent.stat().st_mode) == 0o700
    pbx.cli("module reload res_sealrtp.so")
    assert shown[0] in pbx.cli("sealrtp zrtp show")


@pytest.mark.parametrize("user, extension, status, state", [
    ("never", "wait", "CLEAR", "CLEAR"), ("perhaps", "wait", "CLEAR", "CLEAR"), ("always", "wait", "BLOCK", "BLOCK")])
def test_waiting_tells_what_passes_a_phone_without_zrtp(pbx: Asterisk, user: str, extension: str, status: str, state: str) -> None:
    start = len(pbx.manager.events)
    with caller(pbx, user, extension) as (plain, _):
        told = pbx.manager.wait_event("UserEvent", lambda event: event["UserEvent"] == "Told", start=start)
        assert (told["Status"], told["State"], told["Method"], told["Nonsense"]) == (status, state, "", "")
        if user == "never":
            assert plain.hellos == 0
        else:
            wait_for(lambda: plain.hellos > 0, "a Hello")


def test_a_required_call_without_zrtp_ends_and_nothing_clear_has_passed(pbx: Asterisk) -> None:
    start = len(pbx.manager.events)
    with caller(pbx, "always", "echo") as (plain, call):
        call.wait_end()
        assert plain.rtp == 0
    failed = pbx.manager.wait_event("SealRTPFailed", lambda event: "/always-" in event["Channel"], start=start)
    assert failed["Method"] == "ZRTP" and "Hello" in failed["Reason"]


def test_enrolment_that_is_set_too_late_is_told(pbx: Asterisk) -> None:
    start = len(pbx.log_text())
    with caller(pbx, "perhaps", "late"):
        pbx.wait_log(r"SEALRTP\(enrolment\)=yes comes too late: set it before Answer\(\)", start=start)


def test_the_sample_dialplan_spells_the_sas_and_takes_the_users_word(site: Site, pbx: Asterisk, tmp_path: Path) -> None:
    """Prompts are the test's own: what is asked is that each sign of the SAS is said and the digit is heard."""
    start, log = len(pbx.manager.events), len(pbx.log_text())
    with SealrtpPeer(site, "perhaps", "--zrtp", "require", "--duration", "12", "--zrtp-cache", str(tmp_path / "peer.db")) as peer:
        peer.invite("*90")
        peer.connect()
        assert peer.call is not None
        secured = pbx.manager.wait_event("SealRTPSecured", lambda event: "/perhaps-" in event["Channel"], start=start)
        pbx.wait_log(rf'SayAlpha\("[^"]*", "{secured["SAS"]}"\)', start=log)
        pbx.wait_log(r'Read\("[^"]*", "SAME', start=log)
        info = peer.call.request("INFO")
        info.headers.append(("content-type", "application/dtmf-relay"))
        info.body = "Signal=1\r\nDuration=160\r\n"
        peer.phone.send(info)
        verified = pbx.manager.wait_event("SealRTPVerified", lambda event: event["Channel"] == secured["Channel"], start=start)
        assert (verified["Verified"], verified["SAS"]) == ("yes", secured["SAS"])
    zid = secured["PeerZID"]
    assert re.search(rf"^{zid} +Yes ", pbx.cli(f"sealrtp zrtp show {zid}"), re.M)
    assert "Alice in town" in pbx.cli(f"sealrtp zrtp name {zid} Alice in town")
    assert re.search(rf"^{zid} .* Alice in town$", pbx.cli(f"sealrtp zrtp show {zid}"), re.M)
    assert "not verified" in pbx.cli(f"sealrtp zrtp verify {zid} no")
    assert "forgotten" in pbx.cli(f"sealrtp zrtp forget {zid}")
    assert f"No peer {zid}" in said(pbx, f"sealrtp zrtp forget {zid}")


def reinvites(plain: Plain, call: Call) -> list[int]:
    """Media ports that the PBX has asked a phone to send to since its call is up."""
    asked = [sdp.read(request.body) for request in call.requests if request.method == "INVITE" and request is not call.invite_received]
    return [int(media.remote.rsplit(":", 1)[1]) for media in asked]


def test_direct_media_waits_until_nobody_answers_and_then_comes_once(pbx: Asterisk) -> None:
    # That nothing comes early can be seen in a call whose first seconds were not longer for this process.
    for _ in range(5):
        with Plain(pbx, "direct") as first, Plain(pbx, "direct-too") as second:
            began = time.monotonic()
            call = first.phone.call("direct-too", sdp.body(first.port))
            incoming = second.phone.wait_call()
            second.send_to(incoming.remote_sdp)
            incoming.answer(sdp.body(second.port))
            incoming.wait_ack()
            final = call.wait_final()
            first.send_to(final.body)
            time.sleep(2)
            early = reinvites(first, call) + reinvites(second, incoming)
            if time.monotonic() - began > HELLOS_LAST:
                call.bye()
                continue
            assert not early, "media was to go directly before ZRTP had its time"
            wait_for(lambda: reinvites(first, call) and reinvites(second, incoming), "direct media when nobody has answered")
            time.sleep(NO_ANSWER)
            # Neither back to the PBX, nor again and again.
            assert (reinvites(first, call), reinvites(second, incoming)) == ([second.port], [first.port])
            call.bye()
            return
    raise Late("this process was not let run in any of five calls")


def test_unloads_after_zrtp_calls_and_loads_again(pbx: Asterisk) -> None:
    with caller(pbx, "perhaps", "echo"):
        time.sleep(0.5)
        assert "Unloaded" not in pbx.cli("module unload res_sealrtp.so")
    # chan_sip keeps a dialog for half a minute.
    pbx.cli("module unload res_sealrtp_pjsip.so")
    wait_for(lambda: "Unloaded res_sealrtp.so" in pbx.cli("module unload res_sealrtp.so"), "the unload", 2 * PATIENCE, every=1)
    for what in ("function SEALRTP", "application SealRTPWait", "application SealRTPVerified"):
        assert "[Synopsis]" not in said(pbx, f"core show {what}"), f"{what} is left behind"
    assert "Loaded res_sealrtp.so" in pbx.cli("module load res_sealrtp.so")
    for what in ("function SEALRTP", "application SealRTPWait", "application SealRTPVerified"):
        assert "[Synopsis]" in pbx.cli(f"core show {what}")
    with caller(pbx, "perhaps", "echo") as (plain, _):
        wait_for(lambda: plain.hellos > 0 and plain.rtp > 20, "a Hello and the echo")
