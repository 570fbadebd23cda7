"""linphonec and `sealrtp peer`, either of them calling: every algorithm of the phone's, audio both ways, a=zrtp-hash, clear beginnings."""

from __future__ import annotations

import functools
import re

from late import Late

from calls.algorithms import SETS, Algorithms

from zrtp_peer.phone import DIRECTIONS, PEER_HZ, handset, heard_ms, options_for
from zrtp_peer.place import Place, case

# A phone's recording misses some of the beginning, and more where it is not let run.
ENOUGH_MS = 960
HASH = re.compile(r"a=zrtp-hash:1\.10 ([0-9a-f]{64})\r\n")


def without_hash(sdp: str) -> str:
    assert HASH.search(sdp), f"no a=zrtp-hash to take out: {sdp}"
    return HASH.sub("", sdp)


def with_another_hash(sdp: str) -> str:
    found = HASH.search(sdp)
    assert found, f"no a=zrtp-hash to change: {sdp}"
    return sdp.replace(found[1], "0123456789abcdef" * 4)


def agrees(place: Place, algorithms: Algorithms, direction: str) -> None:
    """Both prefer these algorithms: they are what both agree on, and both hear each other."""
    with handset(place, algorithms) as set_:
        talked = set_.call(direction, "--zrtp", *options_for(algorithms)).same_sas()
        assert talked.agreed == algorithms
        heard = heard_ms(set_.phone.home / "heard.wav", PEER_HZ)
    zrtp = talked.peer.zrtp
    assert tuple(zrtp[key] for key in ("key_agreement", "hash", "cipher", "auth_tag", "sas_type")) == algorithms.names, zrtp
    assert talked.peer.report["suite"] == algorithms.suite
    assert (zrtp["cache"], zrtp["verified"], zrtp["alerts"]) == ("unused", False, []) and zrtp["peer_client"].startswith("BZRTPv1.1"), zrtp
    if heard < ENOUGH_MS:
        raise Late(f"the phone heard {heard} ms of our tone")


def by_hash(place: Place, direction: str, said: str) -> None:
    """What our description says of our Hello: a phone that is told another hash refuses us; without one it takes us."""
    with handset(place) as set_:
        talked = set_.call(direction, "--zrtp", "--zrtp-hash", said, secure=said != "wrong")
    if said == "wrong":
        talked.peer.failed(3, "not_secured")
    else:
        talked.same_sas()


def of_the_phone(place: Place, direction: str, wrong: bool) -> None:
    """What we are told of the phone's Hello: another hash, and we refuse it; none, and we take it."""
    with handset(place) as set_:
        talked = set_.call(direction, "--zrtp", secure=not wrong, to_peer=with_another_hash if wrong else without_hash)
    if wrong:
        assert "HelloHash" in talked.peer.failed(4, "fingerprint_mismatch").zrtp["alerts"]
    else:
        talked.same_sas()


def upgrades(place: Place, direction: str, after: float) -> None:
    """A call that begins clear is secured when our Hello comes, and no packet is lost over it."""
    with handset(place, mandatory=False) as set_:
        talked = set_.call(direction, "--zrtp", "allow", "--zrtp-after", str(after), seconds=after + 4.0)
        heard = heard_ms(set_.phone.home / "heard.wav", PEER_HZ)
    report = talked.peer.ok().report
    assert talked.sas == talked.peer.zrtp["sas"] and report["secured"], report
    assert report["packets_lost"] == 0, report
    for clear, all_ in (("clear_sent", "packets_sent"), ("clear_received", "packets_received")):
        before, secured = report[clear], report[all_] - report[clear]
        if before < 40 * after or secured < 60:
            raise Late(f"{before} clear packets and {secured} secured ones: {report}")
    if heard < 1000 * (after + 1.5):
        raise Late(f"the phone heard {heard} ms of our tone")


for _direction in DIRECTIONS:
    _name = _direction.replace(" ", "-")
    for _label, _algorithms in SETS.items():
        case(f"{_label}-{_name}")(functools.partial(agrees, algorithms=_algorithms, direction=_direction))
    for _said in ("off", "wrong"):
        case(f"our-hash-{_said}-{_name}")(functools.partial(by_hash, direction=_direction, said=_said))
    for _wrong in (True, False):
        case(f"phones-hash-{'wrong' if _wrong else 'absent'}-{_name}")(functools.partial(of_the_phone, direction=_direction, wrong=_wrong))
    case(f"clear-then-secured-{_name}")(functools.partial(upgrades, direction=_direction, after=1.5))


@case("clear-then-secured-after-the-phone-gave-up")
def late(place: Place) -> None:
    """linphonec sends Hello for four seconds; ours comes later, and is answered."""
    upgrades(place, DIRECTIONS[0], 5.5)


@case("x448-is-not-ours")
def x448(place: Place) -> None:
    """A phone that prefers X448, which we do not have: both fall back to the mandatory DH3k."""
    with handset(place, Algorithms("X448")) as set_:
        assert set_.call(DIRECTIONS[0], "--zrtp").same_sas().agreed == Algorithms("DH3k")
