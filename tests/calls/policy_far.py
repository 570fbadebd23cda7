"""The far ends of the policy matrix: what each puts into its SDP, what it makes of the PBX's, and its media (libsrtp, OpenSSL, `sealrtp peer`)."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from late import PATIENCE, wait_for

from calls import sdp
from calls.audio import OTHER_SPEECH, SPEECH, compare
from calls.media import EndPoint, built
from calls.policy_matrix import AVP, CLEAR, CM80, DTLS, FARS, SAVP, SDES, ZRTP, Row
from calls.sdp import Crypto
from calls.site import Site

# What a far end says: 60 packets.
SAID = SPEECH[:60 * 160]
# Packets that must come back of them; the first may pass before the echo listens.
BACK = 40
# The attributes by which a line is secured.
SECURITY = ("crypto", "fingerprint", "setup", "tls-id", "zrtp-hash")
ANOTHER = "sha-256 " + ":".join(["5E"] * 32)
TRUNK_OFFER = ("AEAD_AES_256_GCM_8", "AEAD_AES_128_GCM_8", "AES_256_CM_HMAC_SHA1_80", "AES_192_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80",
               "AES_256_CM_HMAC_SHA1_32", "AES_192_CM_HMAC_SHA1_32", "AES_CM_128_HMAC_SHA1_32")


def carried(media: sdp.Media) -> set[str]:
    """The methods that a description has something of."""
    return {method for method, name in ((SDES, "crypto"), (DTLS, "fingerprint"), (ZRTP, "zrtp-hash")) if media.values(name)}


def zrtp_hash() -> str:
    """An attribute of a Hello that never comes."""
    return f"a=zrtp-hash:1.10 {os.urandom(32).hex()}"


def without_others(body: str) -> str:
    """A description as one reads it who knows ZRTP alone."""
    return "".join(line for line in body.splitlines(True) if not line.startswith(("a=crypto:", "a=fingerprint:", "a=setup:", "a=tls-id:")))


class Judged:
    """A far end whose media is sealrtp-judge: SDES, DTLS or clear."""

    def __init__(self, site: Site, row: Row) -> None:
        self.site, self.row = site, row
        self.media = EndPoint(site.directory, "far", known_audio=OTHER_SPEECH, address=site.address)
        self.port = self.media.port
        self.fingerprint = "sha-256 " + self.media.certificate("ec")["sha-256"]
        self.offered: list[Crypto] = []
        self.offered_profile = ""
        self.setup = ""

    def close(self) -> None:
        self.media.close()

    # --- as caller ---

    def offer(self) -> str:
        row = self.row
        far = FARS.get(row.far, FARS["none"])
        profile, lines = far.profile, []
        if SDES in far.carries:
            self.offered = [Crypto.fresh(1, CM80)]
        if DTLS in far.carries:
            lines += [f"a=fingerprint:{self.fingerprint}", "a=setup:actpass"]
        if ZRTP in far.carries:
            lines.append(zrtp_hash())
        match row.lie:
            case "":
                pass
            case "short-key" | "short-key-in-clear-profile":
                self.offered = [Crypto(1, CM80, (os.urandom(16),))]
            case "unknown-suite":
                self.offered = [Crypto(1, "AES_CM_512_HMAC_MD5", (os.urandom(30),))]
            case "secure-profile-without-crypto":
                self.offered = []
            case "dtls-profile-without-fingerprint":
                lines = ["a=setup:actpass"]
            case "fingerprint-of-another":
                lines = [f"a=fingerprint:{ANOTHER}", "a=setup:actpass"]
            case "nine-suites":
                self.offered = [Crypto.fresh(tag, suite) for tag, suite in enumerate(TRUNK_OFFER, 1)]
                lines.append("a=crypto:9 AES_CM_128_NULL_AUTH inline:" + "A" * 40)
            case "no-crypto":
                pass
            case other:
                raise ValueError(f"no far end offers {other}")
        self.offered_profile, self.setup = profile, "actpass"
        return self.body(profile, self.offered, lines)

    def body(self, profile: str, cryptos: list[Crypto], lines: list[str]) -> str:
        return sdp.body(self.port, cryptos, address=self.site.address, profile=profile, extra=["a=rtcp-mux", *lines])

    def take_answer(self, body: str) -> None:
        """The PBX's answer: AssertionError unless it is one to our offer, by the expected method."""
        answer = sdp.read(body)
        expected = self.row.expected
        assert answer.profile == self.offered_profile, f"{self.offered_profile} is answered {answer.profile}"
        assert answer.port, "the answer refuses the line"
        self.media.remote(answer.remote)
        has = carried(answer)
        if expected == SDES:
            assert has == {SDES} and len(answer.cryptos) == 1, f"the answer carries {has}, {len(answer.cryptos)} a=crypto"
            theirs = answer.cryptos[0]
            ours = next((one for one in self.offered if (one.tag, one.suite) == (theirs.tag, theirs.suite)), None)
            assert ours is not None, f"tag {theirs.tag} {theirs.suite} was not offered"
            assert theirs.keys != ours.keys, "the answer repeats the key of the offer"
            assert not self.row.suite or theirs.suite == self.row.suite, f"{theirs.suite} was taken, not {self.row.suite}"
            self.use(ours, theirs)
        elif has == {DTLS}:
            assert expected == DTLS or self.row.lie == "fingerprint-of-another", f"the answer carries {has}"
            setup = answer.values("setup")
            assert setup in (["active"], ["passive"]), f"a=setup:{setup} answers actpass"
            self.shake("server" if setup == ["active"] else "client", answer)
        else:
            # ZRTP in the media needs no attribute, and an answer may tell of it.
            allowed = {ZRTP} if ZRTP in self.row.policy.accepts else set()
            assert has <= allowed, f"the answer to an offer of nothing that is accepted carries {has}"
            self.media.send_with(None)

    # --- as callee ---

    def answer(self, body: str) -> str:
        """An answer to the PBX's offer, by the expected method or the lie."""
        offer = sdp.read(body)
        self.media.remote(offer.remote)
        row, profile = self.row, offer.profile
        match row.lie:
            case "":
                pass
            case "wrong-tag":
                return self.crypto_answer(offer, CM80, tag=99)
            case "short-key":
                line = next(one for one in offer.cryptos if one.suite == CM80)
                return self.body(profile, [Crypto(line.tag, CM80, (os.urandom(16),))], [])
            case "suite-not-offered":
                return self.body(profile, [Crypto.fresh(offer.cryptos[0].tag, "AEAD_AES_128_GCM_8")], [])
            case "secure-profile-without-crypto":
                return self.body(SAVP, [], [])
            case "crypto-not-offered":
                return self.body(profile, [Crypto.fresh(1, CM80)], [])
            case "fingerprint-of-another":
                self.shake("client", offer)
                return self.body(profile, [], [f"a=fingerprint:{ANOTHER}", "a=setup:active"])
            case "passive-and-silent":
                return self.body(profile, [], [f"a=fingerprint:{self.fingerprint}", "a=setup:passive"])
            case "setup-actpass":
                return self.body(profile, [], [f"a=fingerprint:{self.fingerprint}", "a=setup:actpass"])
            case "clear-answer":
                self.media.send_with(None)
                return self.body(AVP, [], [])
            case "tag-5":
                # The trunk's answer, with keys of now.
                return self.crypto_answer(offer, row.suite, profile=SAVP, must_be=5)
            case other:
                raise ValueError(f"no far end answers {other}")
        if row.expected == SDES:
            return self.crypto_answer(offer, CM80)
        if row.expected == DTLS:
            role = "active"
            self.shake("client", offer)
            return self.body(profile, [], [f"a=fingerprint:{self.fingerprint}", f"a=setup:{role}"])
        self.media.send_with(None)
        return self.body(profile, [], [])

    def crypto_answer(self, offer: sdp.Media, suite: str, *, tag: int = 0, profile: str = "", must_be: int = 0) -> str:
        theirs = next((one for one in offer.cryptos if one.suite == suite), None)
        assert theirs is not None, f"no {suite} in the offer of {[one.suite for one in offer.cryptos]}"
        assert not must_be or theirs.tag == must_be, f"{suite} has tag {theirs.tag}"
        ours = Crypto.fresh(tag or theirs.tag, suite)
        self.use(ours, theirs)
        return self.body(profile or offer.profile, [ours], [])

    # --- media ---

    def use(self, ours: Crypto, theirs: Crypto) -> None:
        self.media.send_with(ours)
        self.media.receive_with(replace(theirs, libsrtp_aes192=ours.libsrtp_aes192))

    def shake(self, role: str, media: sdp.Media) -> None:
        self.media.handshake(role, separate_rtcp="rtcp-mux" not in media.attributes)
        (self.their_fingerprint,) = media.values("fingerprint")

    def talk(self) -> tuple[str, SimpleNamespace]:
        """Talks and listens: the suite, and what was judged. AssertionError unless the echo came back, secured as expected."""
        expected, suite = self.row.expected, ""
        if expected == DTLS:
            state = self.media.wait_dtls()[0]
            assert state.state == "done", f"the handshake is {state.state}: {state.error}"
            name, _, value = self.their_fingerprint.partition(" ")
            assert state.peer[name.lower()] == value.upper(), "the PBX shows another certificate than its fingerprint tells"
        zrtp_may_come = expected == CLEAR and ZRTP in (self.row.policy.accepts if self.row.way == "in" else self.row.policy.offers)
        # Until the echo listens.
        time.sleep(0.3)
        self.media.play(SAID)
        self.media.drain()
        self.media.settle(BACK)
        if zrtp_may_come:
            wait_for(lambda: self.media.report().not_rtp > 2, "Hellos")
        report = self.media.report()
        good = report.clear if expected == CLEAR else report.authenticated
        assert report.packets and good == report.packets, (
            f"of {report.packets} packets {good} are as they must be: {report.clear} clear, {report.auth_failures} do not authenticate")
        assert report.packets >= BACK, f"only {report.packets} packets came back"
        heard = compare(SAID, report.audio)
        assert heard.whole, f"the audio is not what was said: {heard}"
        # A Hello that goes unanswered comes again and again; one or two are meant for who had the port before.
        assert (report.not_rtp > 2) == zrtp_may_come, f"{report.not_rtp} datagrams are no RTP (a Hello: {zrtp_may_come})"
        return suite, SimpleNamespace(sent=report.sent, received=report.packets)

    def talk_in_vain(self) -> None:
        """Sends what it has, clear or not; nothing may come back, which the caller looks at in the capture too."""
        self.media.send_with(None)
        self.media.play(SAID)

    def heard_nothing(self) -> None:
        report = self.media.report()
        assert not report.packets, f"{report.packets} packets came back"


class ZrtpPeer:
    """A far end that does ZRTP: `sealrtp peer`."""

    def __init__(self, site: Site, row: Row) -> None:
        self.site, self.row = site, row
        self.directory = site.directory
        self.offer_file, self.answer_file = self.directory / "offer.sdp", self.directory / "answer.sdp"
        self.process: subprocess.Popen[bytes] | None = None
        self.offered_profile = AVP
        self.port = 0

    def run(self, *options: str) -> None:
        lie = ("--zrtp-hash", "wrong") if self.row.lie == "wrong-zrtp-hash" else ()
        with open(self.directory / "report", "w") as output, open(self.directory / "said", "w") as said:
            self.process = subprocess.Popen(
                [built("sealrtp-cli", "sealrtp"), "peer", "--zrtp", "require", "--bind", self.site.address, "--timeout", "60", "--duration", "1.6",
                 "--tone", "1000", "--expect-tone", "1000", *lie, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=said)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def wait_file(self, path: Path) -> str:
        def written() -> bool:
            assert self.process is not None and self.process.poll() is None, f"sealrtp peer: {self.words}"
            return path.exists() and path.read_bytes().endswith(b"\r\n")

        wait_for(written, "the description of sealrtp peer", every=0.02)
        body = path.read_bytes().decode()
        self.port = sdp.read(body).port
        return body

    def give(self, path: Path, body: str) -> None:
        """Whole at once: it is being watched for."""
        fresh = path.with_suffix(".new")
        fresh.write_bytes(body.encode())
        fresh.rename(path)

    def offer(self) -> str:
        self.run("--offer", "--local-sdp", str(self.offer_file), "--remote-sdp", str(self.answer_file))
        body = self.wait_file(self.offer_file)
        if self.row.far == "all":
            # Beside its own: what it does not use here, for the PBX must not either.
            body += f"a=crypto:{Crypto.fresh(1, CM80).line}\r\na=fingerprint:{ANOTHER}\r\na=setup:actpass\r\n"
        return body

    def take_answer(self, body: str) -> None:
        answer = sdp.read(body)
        assert answer.profile == AVP, f"{AVP} is answered {answer.profile}"
        assert carried(answer) == {ZRTP}, f"the answer carries {carried(answer)}"
        self.give(self.answer_file, body)

    def answer(self, body: str) -> str:
        self.give(self.offer_file, without_others(body))
        self.run("--remote-sdp", str(self.offer_file), "--local-sdp", str(self.answer_file))
        return self.wait_file(self.answer_file)

    def talk(self) -> tuple[str, SimpleNamespace]:
        process = self.process
        assert process is not None
        wait_for(lambda: process.poll() is not None, "the end of sealrtp peer", 2 * PATIENCE)
        lines = (self.directory / "report").read_text().splitlines()
        assert lines, f"sealrtp peer says nothing: {self.words}"
        told = json.loads(lines[-1], object_hook=lambda fields: SimpleNamespace(**fields))
        assert told.result == "ok", f"sealrtp peer: {told.result}: {told.reason}"
        assert told.method == "zrtp" and not told.clear_received, f"{told.method}, {told.clear_received} clear packets came"
        return told.suite, SimpleNamespace(sent=told.packets_sent, received=told.packets_received)

    def talk_in_vain(self) -> None:
        """It tries by itself."""

    def heard_nothing(self) -> None:
        lines = (self.directory / "report").read_text().splitlines()
        if lines:
            told = json.loads(lines[-1])
            assert not told["secured"] and not told["packets_received"], f"sealrtp peer: {lines[-1]}"

    @property
    def words(self) -> str:
        return (self.directory / "said").read_text()[-300:]


def far_end(site: Site, row: Row) -> Judged | ZrtpPeer:
    """The far end of a row: the one that does what is expected of it, so that anything else fails."""
    return (ZrtpPeer if row.expected == ZRTP or row.lie == "wrong-zrtp-hash" else Judged)(site, row)
