"""What linphonec and `sealrtp peer` remember of one another from call to call."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from zrtp_peer.phone import DIRECTIONS, Handset, Talked, forget_secrets, handset
from zrtp_peer.place import Place, case


def call(set_: Handset, direction: str, cache: Path, *options: str, verify: bool = False) -> Talked:
    """A call with our cache; with `verify` both users have compared the SAS."""
    options = ("--zrtp", "--zrtp-cache", str(cache), *options, *(["--zrtp-verify"] if verify else []))
    return set_.call(direction, *options, meanwhile=set_.phone.set_verified if verify else None).same_sas()


def told(talked: Talked) -> tuple[object, ...]:
    """What we say of our cache, and whether each side knew that the SAS had been compared."""
    return talked.peer.zrtp["cache"], talked.peer.zrtp["verified"], talked.was_verified


def remembers(place: Place, direction: str) -> None:
    """New, then known, then verified on both sides from the next call on; then one side loses its secrets, and verifies again."""
    cache = place.folder / "zid.db"
    with handset(place) as set_:
        first = call(set_, direction, cache)
        assert told(first) == ("new", False, False)
        second = call(set_, direction, cache, verify=True)
        assert told(second) == ("match", True, False)
        third = call(set_, direction, cache)
        assert told(third) == ("match", True, True)
        calls = (first, second, third)
        assert len({(each.peer.zrtp["zid"], each.peer.zrtp["peer_zid"]) for each in calls}) == 1, "a ZID has changed"
        assert len({each.sas for each in calls}) == 3, "a SAS came twice"
        assert forget_secrets(set_) == 1
        lost = call(set_, direction, cache)
        assert told(lost) == ("mismatch", False, False)
        assert "does not have the secret of the last call" in lost.peer.said
        again = call(set_, direction, cache, verify=True)
        assert again.peer.zrtp["cache"] == "mismatch", "without a verification the old secret stays"
        healed = call(set_, direction, cache)
        assert told(healed) == ("match", True, True)


def forgets(place: Place, direction: str) -> None:
    """An administrator forgets the phone, and we keep our ZID: the phone warns of it, and nothing counts as verified."""
    cache = place.folder / "zid.db"
    with handset(place) as set_:
        call(set_, direction, cache, verify=True)
        known = call(set_, direction, cache).peer.zrtp
        assert known["cache"] == "match"
        subprocess.run([place.program, "zrtp", "forget", "--cache", cache, known["peer_zid"]], check=True, capture_output=True)
        lost = call(set_, direction, cache)
        assert told(lost) == ("new", False, False)
    assert set_.phone.mismatches == 1, "the phone does not warn"


for _direction in DIRECTIONS:
    _name = _direction.replace(" ", "-")
    case(f"remembered-{_name}")(functools.partial(remembers, direction=_direction))
    case(f"we-forget-{_name}")(functools.partial(forgets, direction=_direction))
