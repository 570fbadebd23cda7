"""What our streams derive, derived again from RFC 6189's text with hashlib and hmac.

A unit test of crates/zrtp runs whole calls and writes down their messages, the secrets that went in, and all that came out:
the hash chain and the messages' MACs, hvi, the choice of shared secrets, s0 of each mode, SRTP's keys and salts, the keys of
Confirm, SAS, rs1, pbxsecret, the exported key, ZRTPSess after a GoClear.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aes import cfb_decrypt, encrypt_block

TOP = Path(__file__).resolve().parents[2]
VECTORS = TOP / "crates/zrtp/tests/vectors"
sys.path.insert(0, str(VECTORS))
from derivations import CIPHER_KEY_BITS, HASHES, kdf, mac, with_length  # noqa: E402

TEST = "stream::transcript::both_ends_of_every_mode_derive_the_same_and_write_down_from_what"
SALT_BITS = 112
HEAD = 12  # bytes of preamble, length and type of a message
MAC = 8  # bytes of a MAC in a message
Z_BASE_32 = "ybndrfg8ejkmcpqxot1uwisza345h769"
INITIATOR, RESPONDER = "i", "r"
LABEL = {INITIATOR: "Initiator", RESPONDER: "Responder"}


@pytest.fixture(scope="session")
def transcripts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    written = tmp_path_factory.mktemp("zrtp") / "transcripts.json"
    argv = ["cargo", "test", "--locked", "--quiet", "-p", "sealrtp-zrtp", "--lib", "--", "--exact", TEST]
    done = subprocess.run(argv, cwd=TOP, env=os.environ | {"SEALRTP_TRANSCRIPTS": str(written)}, capture_output=True, text=True)
    assert done.returncode == 0 and written.exists(), done.stdout + done.stderr
    found = json.loads(written.read_text())
    for transcript in found:
        for name, value in transcript.items():
            if isinstance(value, str) and name not in ("name", "hash", "cipher", "auth_tag", "sas_type", "agreement", "sas"):
                transcript[name] = bytes.fromhex(value)
    return found


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def image_mac(key: bytes, message: bytes) -> bytes:
    """Section 9: HMAC-SHA-256 under a hash image, over the message without the MAC at its end."""
    return hmac.new(key, message[:-MAC], hashlib.sha256).digest()[:MAC]


class Call:
    """One transcript, its messages cut into the fields of section 5."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.hash = told["hash"]
        self.multistream = told["agreement"] == "Mult"
        self.preshared = told["agreement"] == "Prsh"
        self.hello = {end: told[f"hello_{end}"] for end in (INITIATOR, RESPONDER)}
        self.h3 = {end: hello[HEAD + 20:HEAD + 52] for end, hello in self.hello.items()}
        self.zid = {end: hello[HEAD + 52:HEAD + 64] for end, hello in self.hello.items()}
        self.commit = told["commit_i"]
        self.dh_part = {}
        if not (self.multistream or self.preshared):
            self.dh_part = {INITIATOR: told["dhpart2_i"], RESPONDER: told["dhpart1_r"]}
        self.confirm = {INITIATOR: told["confirm2_i"], RESPONDER: told["confirm1_r"]}

    def digest(self, *parts: bytes) -> bytes:
        return HASHES[self.hash](b"".join(parts)).digest()

    def total_hash(self) -> bytes:
        """Sections 4.4.1.4, 4.4.2.2 and 4.4.3.2."""
        parts = [self.hello[RESPONDER], self.commit]
        if self.dh_part:
            parts += [self.dh_part[RESPONDER], self.dh_part[INITIATOR]]
        return self.digest(*parts)

    def context(self) -> bytes:
        return self.zid[INITIATOR] + self.zid[RESPONDER] + self.total_hash()

    def kept(self, name: str, end: str) -> bytes:
        return self.told[f"kept_{name}_{end}"]

    def same(self, name: str) -> bytes:
        """A secret that both have, or nothing."""
        mine, theirs = self.kept(name, INITIATOR), self.kept(name, RESPONDER)
        return mine if mine == theirs else b""

    def s1(self) -> bytes:
        """Section 4.3.1: the first of the initiator's that the responder has, too."""
        responder = [self.kept("rs1", RESPONDER), self.kept("rs2", RESPONDER)]
        return next((one for one in (self.kept("rs1", INITIATOR), self.kept("rs2", INITIATOR)) if one and one in responder), b"")

    def s0(self) -> bytes:
        bits = len(self.digest()) * 8
        if self.multistream:
            return kdf(self.hash, self.told["zrtp_sess_before"], "ZRTP MSK", self.context(), bits)
        if self.preshared:
            return kdf(self.hash, self.preshared_key(), "ZRTP PSK", self.context(), bits)
        return self.digest((1).to_bytes(4, "big"), self.told["dh_result"], b"ZRTP-HMAC-KDF", self.context(),
                           with_length(self.s1()), with_length(self.same("aux")), with_length(self.same("pbx")))

    def preshared_key(self) -> bytes:
        return self.digest(*(with_length(self.same(name)) for name in ("rs1", "aux", "pbx")))

    def derive(self, label: str, bits: int) -> bytes:
        return kdf(self.hash, self.s0(), label, self.context(), bits)

    def opened(self, end: str) -> tuple[bytes, int, int]:
        """H0, the flags and the expiry of a Confirm, its MAC checked."""
        message = self.confirm[end]
        iv, sealed = message[HEAD + MAC:HEAD + MAC + 16], message[HEAD + MAC + 16:]
        hash_bits, key_bits = len(self.digest()) * 8, CIPHER_KEY_BITS[self.told["cipher"]]
        key = self.derive(f"{LABEL[end]} HMAC key", hash_bits)
        assert message[HEAD:HEAD + MAC] == mac(self.hash, key, sealed)[:MAC]
        clear = cfb_decrypt(self.derive(f"{LABEL[end]} ZRTP key", key_bits), iv, sealed)
        assert len(clear) == 40
        return clear[:32], clear[35], int.from_bytes(clear[36:], "big")


@pytest.fixture(scope="session")
def calls(transcripts: list[dict[str, Any]]) -> list[Call]:
    return [Call(told) for told in transcripts]


def test_there_is_a_call_of_every_mode_and_algorithm(calls: list[Call]) -> None:
    def every(name: str) -> set[str]:
        return {call.told[name] for call in calls}

    assert every("agreement") == {"X255", "EC25", "DH3k", "DH2k", "EC38", "EC52", "Prsh", "Mult"}
    assert every("hash") == {"S256", "S384"}
    assert every("cipher") == {"AES1", "AES2", "AES3"}
    assert every("auth_tag") == {"HS32", "HS80"}
    assert every("sas_type") == {"B32", "B256"}
    assert len([call for call in calls if call.s1()]) > 10


def test_srtp_keys_and_salts(calls: list[Call]) -> None:
    for call in calls:
        bits = CIPHER_KEY_BITS[call.told["cipher"]]
        for end, label in LABEL.items():
            assert call.told[f"srtp_key_{end}"] == call.derive(f"{label} SRTP master key", bits), call.told["name"]
            assert call.told[f"srtp_salt_{end}"] == call.derive(f"{label} SRTP master salt", SALT_BITS), call.told["name"]


def test_keys_of_the_confirm_messages(calls: list[Call]) -> None:
    for call in calls:
        for end, label in LABEL.items():
            assert call.told[f"mac_key_{end}"] == call.derive(f"{label} HMAC key", len(call.digest()) * 8)
            assert call.told[f"zrtp_key_{end}"] == call.derive(f"{label} ZRTP key", CIPHER_KEY_BITS[call.told["cipher"]])


def test_session_key_exported_key_and_new_retained_secret(calls: list[Call]) -> None:
    for call in calls:
        bits = len(call.digest()) * 8
        if call.multistream:
            assert call.told["exported"] == b""
            continue
        assert call.told["zrtp_sess"] == call.derive("ZRTP Session Key", bits), call.told["name"]
        assert call.told["exported"] == call.derive("Exported key", bits)
        if not call.s1() and call.kept("rs1", INITIATOR):
            continue  # a mismatch: nothing new is kept
        assert call.told["rs1"] == call.derive("retained secret", 256), call.told["name"]


def test_pbxsecret_of_an_enrolment(calls: list[Call]) -> None:
    """Section 7.3.1: the initiator is the PBX in all of them."""
    for call in calls:
        if not call.multistream:
            context = call.zid[INITIATOR] + call.zid[RESPONDER]
            assert call.told["pbx_secret"] == kdf(call.hash, call.told["zrtp_sess"], "Trusted MiTM key", context, 256)


def test_session_key_after_a_goclear(calls: list[Call]) -> None:
    """Section 4.7.2.1."""
    cleared = [call for call in calls if "zrtp_sess_before_clear" in call.told]
    assert len(cleared) == 10
    for call in cleared:
        before, context = call.told["zrtp_sess_before_clear"], call.zid[INITIATOR] + call.zid[RESPONDER]
        after = kdf(call.hash, before, "New ZRTP Session", context, len(call.digest()) * 8)
        assert call.told["zrtp_sess_before"] == after


def words() -> tuple[list[str], list[str]]:
    """The lists of section 5.1.6 as our source has them, even bytes first: their order is checked by known fingerprints."""
    source = (TOP / "crates/zrtp/src/words.rs").read_text()
    even, odd = (found.replace("\\\n", " ").split() for found in re.findall(r'"([^"]+)"', source))
    return even, odd


def test_sas(calls: list[Call]) -> None:
    even, odd = words()
    for call in calls:
        if call.multistream:
            continue
        sas_hash = call.derive("SAS", 256)
        assert call.told["sas_hash"] == sas_hash
        bits = int.from_bytes(sas_hash[:4], "big") >> 12
        expected = {
            "B32": "".join(Z_BASE_32[bits >> shift & 31] for shift in (15, 10, 5, 0)),
            "B256": f"{even[sas_hash[0]]}:{odd[sas_hash[1]]}",
        }
        assert call.told["sas"] == expected[call.told["sas_type"]]


def test_words_are_in_their_known_places() -> None:
    """The example that the list's authors give of a fingerprint, and the alphabetical order of each list."""
    even, odd = words()
    fingerprint = bytes.fromhex("E58294F2E9A227486E8B061B31CC528FD7FA3F19")
    spoken = ("topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa "
              "afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless")
    assert [(even, odd)[at % 2][byte] for at, byte in enumerate(fingerprint)] == spoken.split()
    for words_of_one in (even, odd):
        assert len(set(words_of_one)) == 256
        assert sum(a.lower() > b.lower() for a, b in zip(words_of_one, words_of_one[1:])) <= 2


def test_hash_chain_and_macs_of_the_messages(calls: list[Call]) -> None:
    """Section 9; the Confirm opens to the chain's beginning."""
    for call in calls:
        for end in (INITIATOR, RESPONDER):
            h0, _, _ = call.opened(end)
            h1 = sha256(h0)
            h2 = sha256(h1)
            assert call.h3[end] == sha256(h2)
            assert call.hello[end][-MAC:] == image_mac(h2, call.hello[end])
            if end == INITIATOR:
                assert call.commit[HEAD:HEAD + 32] == h2 and call.commit[-MAC:] == image_mac(h1, call.commit)
            if call.dh_part:
                part = call.dh_part[end]
                assert part[HEAD:HEAD + 32] == h1 and part[-MAC:] == image_mac(h0, part)


def test_flags_of_the_confirm_messages(calls: list[Call]) -> None:
    """Section 5.7: E of the PBX, A of the other end, V where both have the same secret and compared the SAS."""
    for call in calls:
        _, pbx, _ = call.opened(INITIATOR)
        _, phone, _ = call.opened(RESPONDER)
        verified = 4 if call.s1() and not call.multistream else 0
        assert (pbx & ~2, phone) == (8 | verified, 2 | verified), call.told["name"]


def test_commit(calls: list[Call]) -> None:
    """Section 5.4: who, what, and the hash that binds DHPart2, or the ID of the preshared key."""
    for call in calls:
        body = call.commit[HEAD + 32:-MAC]
        assert body[:12] == call.zid[INITIATOR]
        chosen = [body[at:at + 4].decode().strip() for at in range(12, 32, 4)]
        assert chosen[:4] == [call.told[name] for name in ("hash", "cipher", "auth_tag", "agreement")]
        if call.dh_part:
            assert body[32:] == call.digest(call.dh_part[INITIATOR], call.hello[RESPONDER])[:32]
        elif call.preshared:
            assert body[48:] == mac(call.hash, call.preshared_key(), b"Prsh")[:8]
        else:
            assert len(body) == 48


def test_ids_of_retained_secrets(calls: list[Call]) -> None:
    """Section 4.3.1; of a secret that is not there the ID is random."""
    seen: set[bytes] = set()
    for call in calls:
        for end, part in call.dh_part.items():
            ids = [part[HEAD + 32 + 8 * at:HEAD + 40 + 8 * at] for at in range(4)]
            for name, told in zip(("rs1", "rs2", "aux", "pbx"), ids):
                if secret := call.kept(name, end):
                    text = call.h3[end] if name == "aux" else LABEL[end].encode()
                    assert told == mac(call.hash, secret, text)[:8], (call.told["name"], name, end)
                else:
                    assert told not in seen and told != bytes(8)
                    seen.add(told)


def crc32c(data: bytes) -> int:
    """Section 5: RFC 4960 Appendix B."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_packets(calls: list[Call]) -> None:
    assert crc32c(b"123456789") == 0xE3069283
    for call in calls[:6]:
        for datagram in map(bytes.fromhex, call.told["datagrams"]):
            assert datagram[:2] == b"\x10\0" and datagram[4:8] == b"ZRTP"
            assert int.from_bytes(datagram[-4:], "little") == crc32c(datagram[:-4])
            assert int.from_bytes(datagram[HEAD + 2:HEAD + 4], "big") * 4 == len(datagram) - HEAD - 4


def test_the_checked_in_vectors_are_what_their_program_makes() -> None:
    made = subprocess.run([sys.executable, str(VECTORS / "derivations.py")], capture_output=True, text=True, check=True)
    assert json.loads(made.stdout) == json.loads((VECTORS / "derivations.json").read_text())


def test_aes_is_that_of_fips_197() -> None:
    """Appendix C."""
    clear = bytes.fromhex("00112233445566778899aabbccddeeff")
    for length, expected in ((16, "69c4e0d86a7b0430d8cdb78070b4c55a"), (24, "dda97ca4864cdfe06eaf70a0ec0d7191"),
                             (32, "8ea2b7ca516745bfeafc49904b496089")):
        assert encrypt_block(bytes(range(length)), clear).hex() == expected
