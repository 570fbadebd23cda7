"""Key derivations of RFC 6189, written from its text alone, as vectors for the unit tests of src/derive.rs.

    python3 derivations.py > derivations.json
"""

import hashlib
import hmac
import json

HASHES = {"S256": hashlib.sha256, "S384": hashlib.sha384}
CIPHER_KEY_BITS = {"AES1": 128, "AES2": 192, "AES3": 256}


def bytes_of(text: str, length: int) -> bytes:
    """Fixed input that looks like nothing else in a vector."""
    return hashlib.shake_256(text.encode()).digest(length)


def mac(hash_name: str, key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, HASHES[hash_name]).digest()


def kdf(hash_name: str, key: bytes, label: str, context: bytes, bits: int) -> bytes:
    """Section 4.5.1."""
    data = (1).to_bytes(4, "big") + label.encode() + b"\0" + context + bits.to_bytes(4, "big")
    return mac(hash_name, key, data)[: bits // 8]


def with_length(secret: bytes) -> bytes:
    return len(secret).to_bytes(4, "big") + secret


def vector(hash_name: str, cipher: str, secrets: tuple[bool, bool, bool], dh_result_length: int) -> dict:
    bits = HASHES[hash_name]().digest_size * 8
    key_bits = CIPHER_KEY_BITS[cipher]
    zid_i, zid_r = bytes_of("ZIDi", 12), bytes_of("ZIDr", 12)
    total_hash = HASHES[hash_name](b"the messages").digest()
    context = zid_i + zid_r + total_hash
    dh_result = bytes_of("DHResult", dh_result_length)
    s1, s2, s3 = (bytes_of(f"s{i + 1}", 32) if there else b"" for i, there in enumerate(secrets))

    # Section 4.4.1.4.
    s0 = HASHES[hash_name](
        (1).to_bytes(4, "big") + dh_result + b"ZRTP-HMAC-KDF" + zid_i + zid_r + total_hash
        + with_length(s1) + with_length(s2) + with_length(s3)
    ).digest()

    def derive(label: str, length: int) -> str:
        return kdf(hash_name, s0, label, context, length).hex()

    zrtp_sess = kdf(hash_name, s0, "ZRTP Session Key", context, bits)
    # Section 4.4.2.1; rs1, auxsecret and pbxsecret are s1, s2 and s3 here.
    preshared_key = HASHES[hash_name](with_length(s1) + with_length(s2) + with_length(s3)).digest()
    return {
        "hash": hash_name,
        "cipher": cipher,
        "zid_i": zid_i.hex(),
        "zid_r": zid_r.hex(),
        "total_hash": total_hash.hex(),
        "dh_result": dh_result.hex(),
        "s1": s1.hex(),
        "s2": s2.hex(),
        "s3": s3.hex(),
        "s0": s0.hex(),
        "srtp_key_i": derive("Initiator SRTP master key", key_bits),
        "srtp_salt_i": derive("Initiator SRTP master salt", 112),
        "srtp_key_r": derive("Responder SRTP master key", key_bits),
        "srtp_salt_r": derive("Responder SRTP master salt", 112),
        "mac_key_i": derive("Initiator HMAC key", bits),
        "mac_key_r": derive("Responder HMAC key", bits),
        "zrtp_key_i": derive("Initiator ZRTP key", key_bits),
        "zrtp_key_r": derive("Responder ZRTP key", key_bits),
        "zrtp_sess": zrtp_sess.hex(),
        "sas_hash": derive("SAS", 256),
        "exported": derive("Exported key", bits),
        "rs1": derive("retained secret", 256),
        "s0_multistream": kdf(hash_name, zrtp_sess, "ZRTP MSK", context, bits).hex(),
        "preshared_key": preshared_key.hex(),
        "preshared_key_id": mac(hash_name, preshared_key, b"Prsh")[:8].hex(),
        "s0_preshared": kdf(hash_name, preshared_key, "ZRTP PSK", context, bits).hex(),
        "pbx_secret": kdf(hash_name, zrtp_sess, "Trusted MiTM key", zid_i + zid_r, 256).hex(),
        "next_zrtp_sess": kdf(hash_name, zrtp_sess, "New ZRTP Session", zid_i + zid_r, bits).hex(),
    }


def main() -> None:
    cases = [
        ("S256", "AES1", (True, False, False), 384),
        ("S256", "AES2", (False, False, False), 32),
        ("S256", "AES3", (False, True, True), 256),
        ("S384", "AES1", (True, True, False), 66),
        ("S384", "AES3", (True, True, True), 48),
    ]
    print(json.dumps([vector(*case) for case in cases], indent=1))


if __name__ == "__main__":
    main()
