"""One end of a call: signalling by a scripted user agent, media by sealrtp-judge, keys from the SDP on the wire."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace

from calls import sdp
from calls.audio import Heard, SPEECH, compare
from calls.media import EndPoint
from calls.registry import enough
from calls.sdp import Crypto
from calls.sip import Call, Message, Phone
from calls.site import Site


class Leg:
    """A caller or a callee with its media."""

    def __init__(self, site: Site, user: str, *, port: int = 0, known_audio: bytes = b"") -> None:
        self.site = site
        self.user = user
        self.media = EndPoint(site.directory, site.unique(user), known_audio=known_audio, address=site.address)
        if site.demands(user):
            site.watch(self.media.port, self.media.port + 1)
        self.phone = Phone(user, (site.address, site.pbx.sip_port), port, site.address)
        self.call: Call | None = None
        self.ours: Crypto | None = None
        self.theirs: Crypto | None = None
        self.offered: list[Crypto] = []
        self.sdp_version = 1

    def close(self) -> None:
        self.phone.close()
        self.media.close()

    # --- signalling ---

    def body(self, cryptos: Sequence[Crypto] = (), **how: object) -> str:
        self.sdp_version += 1
        return sdp.body(self.media.port, cryptos, address=self.site.address, version=self.sdp_version, **how)  # type: ignore[arg-type]

    def invite(self, extension: str, cryptos: Sequence[Crypto] = (), **how: object) -> Message:
        """Calls; the final response. After a 200 media can be sent at once."""
        self.offered = list(cryptos)
        self.call = self.phone.call(extension, self.body(cryptos, **how))
        final = self.call.wait_final()
        if final.status == 200:
            self.take_answer(final.body)
        return final

    def take_answer(self, body: str) -> sdp.Media:
        """Keys and address out of the answer to an offer of ours. AssertionError when it is no answer to it."""
        media = sdp.read(body)
        self.media.remote(media.remote)
        if self.offered:
            assert media.profile == "RTP/SAVP", f"the answer to RTP/SAVP says {media.profile}"
            assert len(media.cryptos) == 1, f"an answer has one a=crypto, this one {len(media.cryptos)}"
            theirs = media.cryptos[0]
            ours = next((c for c in self.offered if c.tag == theirs.tag), None)
            assert ours is not None and ours.suite == theirs.suite, f"answered tag {theirs.tag} {theirs.suite} was not offered"
            assert theirs.keys != ours.keys, "the answer repeats the key of the offer"
            self.use(ours, theirs)
        else:
            assert not media.cryptos and media.profile == "RTP/AVP", "the answer to a clear offer has keys"
            self.media.send_with(None)
        return media

    def use(self, ours: Crypto, theirs: Crypto) -> None:
        """Keys of both directions, where they are new."""
        if not ours.suite.startswith("NULL"):
            self.site.watch(self.media.port, self.media.port + 1)
        if self.ours != ours:
            self.media.send_with(ours)
        theirs = replace(theirs, libsrtp_aes192=ours.libsrtp_aes192)
        if self.theirs is None or self.theirs.key_set() != theirs.key_set():
            self.media.receive_with(theirs)
        self.ours, self.theirs = ours, theirs

    def wait_offer(self, timeout: float = 15.0) -> sdp.Media:
        """The offer of a call that comes in."""
        self.call = self.phone.wait_call(timeout)
        assert self.call.invite_received is not None
        self.call.invite_received.require_sdp()
        self.call.ring()
        return sdp.read(self.call.remote_sdp)

    def accept(self, suite: str | None = None, prefer: str | None = None) -> sdp.Media:
        """Waits for a call and answers it with `suite`, with `prefer` where the offer has it, with the offer's first, or in clear."""
        offer = self.wait_offer()
        assert self.call is not None
        self.media.remote(offer.remote)
        if offer.cryptos:
            wanted = suite or prefer
            theirs = next((c for c in offer.cryptos if c.suite == wanted), None if suite else offer.cryptos[0])
            assert theirs is not None, f"no {suite} in the PBX's offer of {', '.join(c.suite for c in offer.cryptos)}"
            ours = Crypto.fresh(theirs.tag, theirs.suite)
            self.use(ours, theirs)
            self.call.answer(self.body([ours]))
        else:
            self.media.send_with(None)
            self.call.answer(self.body())
        self.call.wait_ack()
        return offer

    # --- media ---

    def say(self, audio: bytes = SPEECH, **how: object) -> None:
        """Starts to speak."""
        self.media.play(audio, **how)

    def settle(self, frames: int = 0) -> None:
        """Waits for what is on its way: as many frames as require_audio() wants when it is told so many, then nothing for a while."""
        self.media.settle(0 if self.site.stock else round(frames * enough.get()))

    def report(self) -> SimpleNamespace:
        return self.media.report()

    def heard(self, sent: bytes) -> Heard:
        """What came back so far, against what somebody sent."""
        return compare(sent, self.report().audio)


@contextlib.contextmanager
def legs(site: Site, *users: str, known_audio: bytes = b"") -> Iterator[list[Leg]]:
    """Legs for these users; one whose name is that of an endpoint with a contact is reachable there."""
    made: list[Leg] = []
    try:
        for user in users:
            made.append(Leg(site, user, port=site.port_of(user), known_audio=known_audio))
        yield made
    finally:
        for leg in made:
            leg.close()


def good_media(report: SimpleNamespace, *, secured: bool = True, may_lose: int = 0) -> None:
    """AssertionError unless every packet of a report is what it must be; `may_lose` where the PBX changes its way of bridging."""
    assert report.packets > 0, "no media came"
    kind = report.authenticated if secured else report.clear
    assert kind == report.packets, (f"of {report.packets} packets {kind} are good: {report.auth_failures} do not authenticate, "
                                    f"{report.duplicates} are copies, {report.unknown_mki} have an unknown MKI, {report.clear_audio} are clear")
    assert not report.rtcp_failures, f"{report.rtcp_failures} RTCP packets do not authenticate"
    assert report.lost <= may_lose, f"{report.lost} packets are missing"
    assert not report.not_rtp, f"{report.not_rtp} datagrams are no RTP"
