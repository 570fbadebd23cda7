"""AES in one direction (FIPS 197) and CFB with it: enough to open a Confirm, and nothing to use where time or secrets matter."""

from __future__ import annotations


def _times2(value: int) -> int:
    return (value << 1 ^ (0x11B if value & 0x80 else 0)) & 0xFF


def _sbox() -> list[int]:
    """Inverse in GF(2^8), then the affine map."""
    power, value = [], 1
    for _ in range(255):
        power.append(value)
        value ^= _times2(value)  # times 3, which generates all of them
    box = [0x63] * 256
    for exponent, value in enumerate(power):
        inverse = power[-exponent % 255]
        rotated = [(inverse << shift | inverse >> 8 - shift) & 0xFF for shift in range(5)]
        box[value] = rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63
    return box


SBOX = _sbox()


def _round_keys(key: bytes) -> list[bytes]:
    words = [key[at:at + 4] for at in range(0, len(key), 4)]
    count, round_constant = len(words), 1
    for number in range(count, 4 * (count + 7)):
        word = words[-1]
        if number % count == 0:
            word = bytes(SBOX[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ round_constant]) + word[1:]
            round_constant = _times2(round_constant)
        elif count > 6 and number % count == 4:
            word = bytes(SBOX[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(words[-count], word)))
    return [b"".join(words[at:at + 4]) for at in range(0, len(words), 4)]


def _mixed(column: list[int]) -> list[int]:
    a, b, c, d = column
    return [_times2(x) ^ _times2(y) ^ y ^ z ^ w for x, y, z, w in
            ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c))]


def encrypt_block(key: bytes, block: bytes) -> bytes:
    keys = _round_keys(key)
    state = [a ^ b for a, b in zip(block, keys[0])]
    for number, round_key in enumerate(keys[1:], 1):
        state = [SBOX[byte] for byte in state]
        state = [state[(at + 4 * (at % 4)) % 16] for at in range(16)]
        if number < len(keys) - 1:
            state = [byte for at in range(0, 16, 4) for byte in _mixed(state[at:at + 4])]
        state = [a ^ b for a, b in zip(state, round_key)]
    return bytes(state)


def cfb_decrypt(key: bytes, iv: bytes, data: bytes) -> bytes:
    """A feedback of 128 bits."""
    out, previous = b"", iv
    for at in range(0, len(data), 16):
        block = data[at:at + 16]
        out += bytes(a ^ b for a, b in zip(block, encrypt_block(key, previous)))
        previous = block
    return out
