"""Certificates of test PBXs and test peers, made when they are needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

ADDRESS = "127.0.0.1"
EC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def make_certificate(directory: Path, name: str, *key_kind: str) -> None:
    """A self-signed certificate for loopback: `name`.pem, and `name`.key."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", *key_kind, "-nodes", "-days", "2", "-subj", "/CN=sealrtp test", "-addext",
                    f"subjectAltName=IP:{ADDRESS}", "-keyout", str(directory / f"{name}.key"), "-out", str(directory / f"{name}.pem")],
                   check=True, capture_output=True)
