"""Sets of ZRTP algorithms, by the RFC's names, for phones and for the PBX's end points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# What a section of sealrtp.conf can name, by its key, in the order of Algorithms; all that linphonec has too.
KEYS: Mapping[str, tuple[str, ...]] = {
    "zrtp_key_agreements": ("X255", "DH3k", "DH2k"), "zrtp_hashes": ("S256", "S384"), "zrtp_ciphers": ("AES1", "AES3"),
    "zrtp_auth_tags": ("HS80", "HS32"), "zrtp_sas": ("B32", "B256"),
}


@dataclass(frozen=True)
class Algorithms:
    """What two end points agree on."""

    key_agreement: str = "DH3k"
    hash: str = "S256"
    cipher: str = "AES1"
    auth_tag: str = "HS80"
    sas: str = "B32"

    @property
    def names(self) -> tuple[str, ...]:
        return self.key_agreement, self.hash, self.cipher, self.auth_tag, self.sas

    @property
    def suite(self) -> str:
        """The SRTP suite that cipher and tag make."""
        return f"{ {'AES1': 'AES_CM_128', 'AES3': 'AES_256_CM'}[self.cipher]}_HMAC_SHA1_{self.auth_tag[2:]}"

    @property
    def policy(self) -> dict[str, str]:
        """What makes the PBX prefer them, with all others behind."""
        return {key: ", ".join([name, *(other for other in others if other != name)])
                for (key, others), name in zip(KEYS.items(), self.names)}

    def __str__(self) -> str:
        return " ".join(self.names)


# Each algorithm that linphonec can be set to, at least once.
SETS: Mapping[str, Algorithms] = {
    "dh3k": Algorithms(),
    "x255": Algorithms("X255"),
    "dh2k": Algorithms("DH2k"),
    "s384": Algorithms("X255", hash="S384"),
    "aes3": Algorithms("X255", cipher="AES3"),
    "hs32": Algorithms("X255", auth_tag="HS32"),
    "b256": Algorithms("X255", sas="B256"),
    "all": Algorithms("DH3k", "S384", "AES3", "HS32", "B256"),
}
