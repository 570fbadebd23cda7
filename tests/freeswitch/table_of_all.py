"""Fills the table: every call through FreeSWITCH, by the modules that hold them."""

from __future__ import annotations

from freeswitch import calls_dtls_flaws, calls_flaws, calls_media, calls_midcall, calls_peer, calls_phones  # noqa: F401 (they fill the table)
from freeswitch.table import CALLS

__all__ = ["CALLS"]
