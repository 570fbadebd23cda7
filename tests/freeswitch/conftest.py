"""Calls through FreeSWITCH under pytest: each FreeSWITCH is started once, its calls run several at a time, and every call is a test."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from freeswitch.installation import absent  # noqa: E402

# One line instead of one per test, where nothing can be tested; test_absent.py says why.
collect_ignore_glob = [] if not absent() else [
    "test_calls_of_freeswitch.py", "test_recovery.py", "test_slots.py", "test_modules.py", "test_recording.py", "test_settings.py", "test_surface.py",
    "test_valgrind_freeswitch.py", "test_two_pbxs.py"]
