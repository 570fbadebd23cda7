"""One end of a DTLS-SRTP call: signalling by a scripted user agent, DTLS by OpenSSL and SRTP by libsrtp in sealrtp-judge."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

from calls import sdp
from calls.legs import Leg
from calls.sip import Message
from calls.site import Site

PROFILE = "UDP/TLS/RTP/SAVP"
GCM256, GCM128, CM80, CM32 = "AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
# Every profile, in the order of ours.
PROFILES = (GCM256, GCM128, CM80, CM32)


class DtlsLeg(Leg):
    """A caller or a callee whose keys come out of a handshake."""

    def __init__(self, site: Site, user: str, *, certificate: str = "ec", profiles: Sequence[str] | None = None, mux: bool = True,
                 port: int = 0, known_audio: bytes = b"") -> None:
        super().__init__(site, user, port=port, known_audio=known_audio)
        # Kind of our certificate's key.
        self.certificate = certificate
        # Suites whose profiles we offer or take; all when None.
        self.profiles = profiles
        self.mux = mux
        self.setup = "actpass"
        # What the PBX's last description says: "hash value".
        self.their_fingerprint = ""
        self.fingerprints = self.media.certificate(certificate)

    # --- descriptions ---

    def fingerprint(self, hash_name: str = "sha-256") -> str:
        """The value of a=fingerprint for our certificate."""
        return f"{hash_name} {self.fingerprints[hash_name]}"

    @property
    def both_fingerprints(self) -> tuple[str, str]:
        """For the outcome of a call."""
        return f"PBX {self.their_fingerprint}", f"peer {self.fingerprint()}"

    def renew(self) -> None:
        """A new certificate, so a new association with the next description."""
        self.fingerprints = self.media.certificate(self.certificate)

    def describe(self, setup: str = "actpass", *, fingerprints: Sequence[str] | None = None, lines: Sequence[str] = (),
                 profile: str = PROFILE, **how: object) -> str:
        """An SDP body. `fingerprints` are the values of a=fingerprint, by default the one of ours; `lines` are more attributes."""
        self.setup = setup
        shown = [self.fingerprint()] if fingerprints is None else fingerprints
        extra = [*(f"a=fingerprint:{value}" for value in shown), *([f"a=setup:{setup}"] if setup else []),
                 *(["a=rtcp-mux"] if self.mux else []), *(f"a={line}" for line in lines)]
        return self.body(profile=profile, extra=extra, **how)

    def learn(self, media: sdp.Media, profile: str = PROFILE) -> None:
        """Address and fingerprint out of the PBX's description. AssertionError when it is none for DTLS."""
        assert media.profile == profile, f"the PBX says {media.profile}"
        assert media.port, "the PBX refuses the m-line"
        fingerprints = media.values("fingerprint")
        assert len(fingerprints) == 1 and media.values("setup"), f"no fingerprint or no setup in {media.attributes}"
        assert not media.cryptos, "a=crypto beside a fingerprint"
        self.their_fingerprint = fingerprints[0]
        self.media.remote(media.remote)

    # --- calls ---

    def dial(self, extension: str, setup: str = "actpass", *, shake: bool = True, **how: object) -> Message:
        """Calls; the final response. After a 200 the handshake runs, unless `shake` is False."""
        self.call = self.phone.call(extension, self.describe(setup, **how))  # type: ignore[arg-type]
        final = self.call.wait_final()
        if final.status == 200:
            self.take(final.body, str(how.get("profile", PROFILE)), shake=shake)
        return final

    def take(self, body: str, profile: str = PROFILE, *, shake: bool = True) -> sdp.Media:
        """Takes the answer to our offer."""
        media = sdp.read(body)
        self.learn(media, profile)
        answered = media.values("setup")[0]
        expected = {"active": ("passive",), "passive": ("active",)}.get(self.setup, ("active", "passive"))
        assert answered in expected, f"a=setup:{answered} is no answer to {self.setup}"
        if shake:
            self.shake("server" if answered == "active" else "client", media)
        return media

    def shake(self, role: str, media: sdp.Media) -> None:
        """Starts the handshake in this role."""
        self.mux = self.mux and bool("rtcp-mux" in media.attributes)
        self.media.handshake(role, profiles=self.profiles, separate_rtcp=not self.mux)

    def take_call(self, setup: str = "active", *, shake: bool = True, **how: object) -> sdp.Media:
        """Waits for a call and answers it; the PBX's offer."""
        offer = self.wait_offer()
        self.learn(offer)
        offered = offer.values("setup")[0]
        assert offered in ("actpass", {"active": "passive", "passive": "active"}[setup]), f"the PBX offers a=setup:{offered}"
        assert self.call is not None
        self.mux = self.mux and "rtcp-mux" in offer.attributes
        self.call.answer(self.describe(setup, **how))  # type: ignore[arg-type]
        if shake:
            self.shake("client" if setup == "active" else "server", offer)
        self.call.wait_ack()
        return offer

    def secured(self, timeout: float = 5.0) -> SimpleNamespace:
        """The handshake of RTP. AssertionError unless all are done, with the certificate of which the PBX gave the fingerprint."""
        states = self.media.wait_dtls(timeout)
        assert len(states) == (1 if self.mux else 2), f"{len(states)} handshakes were started"
        for state in states:
            assert state.state == "done", f"the handshake is {state.state}: {state.error}"
            name, _, value = self.their_fingerprint.partition(" ")
            assert state.peer[name.lower()] == value.upper(), f"the PBX gave {self.their_fingerprint} and showed {state.peer}"
        return states[0]


@contextlib.contextmanager
def dtls_legs(site: Site, *users: str, known_audio: bytes = b"", **how: object) -> Iterator[list[DtlsLeg]]:
    """Legs for these users, as legs.legs()."""
    made: list[DtlsLeg] = []
    try:
        for user in users:
            made.append(DtlsLeg(site, user, port=site.port_of(user), known_audio=known_audio, **how))  # type: ignore[arg-type]
        yield made
    finally:
        for leg in made:
            leg.close()
