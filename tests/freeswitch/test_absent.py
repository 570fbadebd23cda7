"""Says in one line that nothing of FreeSWITCH was tested, where there is none."""

from __future__ import annotations

import pytest

from freeswitch.installation import absent, find


def test_there_is_a_freeswitch_to_test_with() -> None:
    if reason := absent():
        pytest.skip(f"SKIPPED: mod_sealrtp and every call through it: {reason}")
    assert find().program.exists()
