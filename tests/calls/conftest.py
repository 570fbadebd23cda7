"""Whole calls under pytest: each PBX is started once, its calls run several at a time, and every call is a test of its own."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))
