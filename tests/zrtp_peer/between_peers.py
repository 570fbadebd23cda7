"""`sealrtp peer` on both ends: what no phone has, what both remember, enrolment, clear beginnings and refusals."""

from __future__ import annotations

import functools

from late import Late

from zrtp_peer.place import Ended, Place, case
from zrtp_peer.with_phone import with_another_hash

SHORT = ("--duration", "1")
# Of the key agreement's curve or group, and of the hash that it must have.
AGREEMENTS = {"X255": "S256", "E255": "S256", "EC25": "S256", "EC38": "S384", "EC52": "S256", "DH2k": "S256", "DH3k": "S256"}


def same(ends: tuple[Ended, Ended], *keys: str) -> None:
    """AssertionError unless both are secured, one in each role, and tell the same of these, SAS among them."""
    caller, callee = (each.secured().zrtp for each in ends)
    assert {caller["role"], callee["role"]} == {"initiator", "responder"}
    for key in ("sas", "sas_type", "key_agreement", "hash", "cipher", "auth_tag", *keys):
        assert caller[key] == callee[key], f"{key}: {caller} {callee}"
    assert (caller["zid"], callee["zid"]) == (callee["peer_zid"], caller["peer_zid"])


def agrees(place: Place, name: str) -> None:
    ends = place.between(("--zrtp", "--zrtp-key-agreements", name, *SHORT), ("--zrtp", "--zrtp-key-agreements", name, *SHORT))
    same(ends)
    assert ends[0].zrtp["key_agreement"] in {"X255": ("X255", "E255"), "E255": ("X255", "E255")}.get(name, (name,))
    assert ends[0].zrtp["hash"] == AGREEMENTS[name]


for _name in AGREEMENTS:
    case(f"peers-{_name}")(functools.partial(agrees, name=_name))


@case("peers-AES2-HS32-B256")
def rare(place: Place) -> None:
    """The cipher that no phone has, and the rarer of the others."""
    wanted = ("--zrtp", "--zrtp-ciphers", "AES2", "--zrtp-auth-tags", "HS32", "--zrtp-sas", "B256", *SHORT)
    ends = place.between(wanted, wanted)
    same(ends)
    zrtp = ends[0].zrtp
    assert (zrtp["cipher"], zrtp["auth_tag"], zrtp["sas_type"]) == ("AES2", "HS32", "B256") and ":" in zrtp["sas"], zrtp
    assert ends[0].report["suite"] == "AES_192_CM_HMAC_SHA1_32"


def caches(place: Place) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Options of two that remember each other."""
    caller, callee = (("--zrtp", "--zrtp-cache", str(place.folder / f"{who}.db"), *SHORT) for who in ("caller", "callee"))
    return caller, callee


@case("peers-Prsh")
def preshared(place: Place) -> None:
    """Preshared mode: with a retained secret whose SAS was compared no key agreement is needed, and without there is one."""
    caller, callee = (options + ("--zrtp-key-agreements", "Prsh,X255") for options in caches(place))
    calls = [place.between(caller, callee), place.between((*caller, "--zrtp-verify"), (*callee, "--zrtp-verify")),
             place.between(caller, callee)]
    for ends in calls:
        same(ends, "cache")
    assert [ends[0].zrtp["key_agreement"] for ends in calls] == ["X255", "X255", "Prsh"]
    assert [ends[0].zrtp["cache"] for ends in calls] == ["new", "match", "match"]


@case("peers-verified")
def verified(place: Place) -> None:
    """Verified by one user alone is not verified; by both it is, from the next call on."""
    caller, callee = caches(place)
    same(place.between((*caller, "--zrtp-verify"), callee))
    ends = place.between((*caller, "--zrtp-verify"), (*callee, "--zrtp-verify"))
    same(ends, "cache")
    ends = place.between(caller, callee)
    same(ends, "cache", "verified")
    assert (ends[0].zrtp["cache"], ends[0].zrtp["verified"]) == ("match", True)


def enrolment(place: Place, accepted: bool) -> None:
    """A PBX offers enrolment; the phone that accepts is known as enrolled from the next call on, the one that does not is not."""
    pbx, phone = caches(place)
    offered = place.between((*pbx, "--zrtp-enrol", "offer"), (*phone, *(["--zrtp-enrol", "accept"] if accepted else [])))
    same(offered)
    of_pbx, of_phone = (each.zrtp for each in offered)
    assert (of_phone["mitm"], of_phone["enrolment_offered"], of_phone["enrolled"]) == (True, True, False), of_phone
    assert of_phone["enrolment_accepted"] == (True if accepted else None)
    assert (of_pbx["mitm"], of_pbx["enrolment_offered"]) == (False, False), of_pbx
    later = place.between(phone, (*pbx, "--zrtp-mitm"))
    same(later, "enrolled", "cache")
    assert (later[0].zrtp["enrolled"], later[0].zrtp["enrolment_offered"], later[0].zrtp["cache"]) == (accepted, False, "match")


case("peers-enrolment-accepted")(functools.partial(enrolment, accepted=True))
case("peers-enrolment-not-accepted")(functools.partial(enrolment, accepted=False))


@case("peers-relayed-SAS")
def relayed(place: Place) -> None:
    """A phone shows the SAS that a PBX relays if it is enrolled there; if it is not it is shown its own."""
    pbx, phone = caches(place)
    relay = (*pbx, "--zrtp-relay-sas", "B32:" + "ff" * 32)
    _, stranger = ends = place.between(relay, phone)
    same(ends)
    assert stranger.zrtp["relayed_sas"] is None, stranger.zrtp
    same(place.between((*pbx, "--zrtp-enrol", "offer"), (*phone, "--zrtp-enrol", "accept")))
    of_pbx, of_phone = ends = place.between(relay, phone)
    same(ends, "enrolled")
    assert (of_pbx.zrtp["sas_relayed"], of_phone.zrtp["relayed_sas"]) == (True, "9999")
    assert "relays the far end's SAS: 9999" in of_phone.said


@case("peers-disclosure")
def disclosure(place: Place) -> None:
    """Who may disclose the keys says so, and the other is told."""
    caller, callee = place.between(("--zrtp", "--zrtp-disclosure", *SHORT), ("--zrtp", *SHORT))
    same((caller, callee))
    assert (caller.zrtp["disclosure"], callee.zrtp["disclosure"]) == (False, True)


@case("peers-clear-then-secured")
def upgrade(place: Place) -> None:
    """A second clear, then secured: no packet is lost in either direction."""
    options = ("--zrtp", "allow", "--duration", "4")
    ends = place.between((*options, "--zrtp-after", "1"), options)
    assert ends[0].zrtp["sas"] == ends[1].zrtp["sas"] is not None
    for ended, other in (ends, ends[::-1]):
        report = ended.ok().report
        assert report["secured"] and report["packets_lost"] == 0, report
        assert report["clear_received"] <= other.report["clear_sent"], f"{report} {other.report}"
        if report["clear_sent"] < 40 or report["packets_sent"] - report["clear_sent"] < 60 or report["audible_ms"] < 2500:
            raise Late(f"too little was sent or heard: {report}")


@case("peers-clear-stays-clear")
def clear(place: Place) -> None:
    """With a peer that does no ZRTP, allow goes on clear."""
    ours, theirs = place.between(("--zrtp", "allow", *SHORT), ("--method", "none", *SHORT))
    report = ours.ok().report
    assert not report["secured"] and report["clear_sent"] == report["packets_sent"] > 0 and ours.zrtp["sas"] is None, report
    assert theirs.ok().report["other_datagrams"] > 0, "no Hello came"


@case("peers-require-blocks-clear")
def require(place: Place) -> None:
    """With a peer that does no ZRTP, require sends and takes nothing."""
    ours, theirs = place.between(("--zrtp", "require", "--timeout", "3"), ("--method", "none", "--duration", "2.5"))
    assert ours.failed(3, "not_secured").report["clear_refused"] > 50, ours.report
    assert (theirs.code, theirs.report["packets_received"]) == (6, 0), theirs.report


@case("peers-hash-wrong")
def wrong_hash(place: Place) -> None:
    """Who is told another hash refuses the Hello, and says so; the other gets no answer."""
    for options, edit in ((("--zrtp-hash", "wrong"), str), ((), with_another_hash)):
        caller, callee = place.between(("--zrtp", "--timeout", "3"), ("--zrtp", "--timeout", "3", *options), edit)
        assert "HelloHash" in caller.failed(4, "fingerprint_mismatch").zrtp["alerts"]
        callee.failed(3, "not_secured")


@case("peers-hash-off")
def no_hash(place: Place) -> None:
    """Without a=zrtp-hash the Hellos are found in the media path all the same."""

    def bare(sdp: str) -> str:
        assert "zrtp-hash" not in sdp
        return sdp

    same(place.between(("--zrtp", "--zrtp-hash", "off", *SHORT), ("--zrtp", "--zrtp-hash", "off", *SHORT), bare))
