"""What administrators, dialplans and programs see of mod_sealrtp: the command, the applications, variables and events, of real calls."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calls.calls_media import CM80
from calls.legs import legs
from calls.sdp import Crypto

from freeswitch.event_socket import Event
from freeswitch.place import SwitchSite, running
from freeswitch.recorders import LegSpeaker, ZrtpSpeaker, speaker

METHOD = {"secure": "SDES", "fingerprinted": "DTLS-SRTP", "zrtp": "ZRTP"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwitchSite]:
    with running(tmp_path_factory.mktemp("surface"), "sealrtp") as found:
        yield found


def event_of(site: SwitchSite, name: str, uuid: str, start: int = 0) -> Event:
    """The call's event of this name; CALL_SECURE tells the channel in another header."""
    return site.switch.socket.wait_event(name, lambda event: uuid in (event.channel, event.get("caller-unique-id")), start=start)


def fact(shown: str, name: str) -> str:
    """A line of `sealrtp show`."""
    found = re.search(rf"^ +{name} +(\S.*)$", shown, re.M)
    assert found, f"no {name} in {shown}"
    return found[1]


# --- a call by each method --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", METHOD)
def test_a_secured_call_is_told_of_everywhere(site: SwitchSite, user: str) -> None:
    start = len(site.switch.socket.events)
    with speaker(site, user) as who:
        who.call("echo")
        time.sleep(1)
        uuid, method, suite = who.channel, METHOD[user], who.variable("sealrtp_suite")
        assert who.variable("sealrtp_method") == method and suite
        secured, core = event_of(site, "sealrtp::secured", uuid, start), event_of(site, "CALL_SECURE", uuid, start)
        assert (secured.get("Method"), secured.get("Suite"), secured.get("State"), secured.get("Media")) == (method, suite, "SECURE", "audio")
        sas = secured.get("SAS")
        assert core.get("secure_type") == (f"zrtp:{sas}:" if sas else f"srtp:{method[:4].lower()}:{suite}"), core.get("secure_type")

        row = next(line for line in site.switch.api("sealrtp calls").splitlines() if line.startswith(uuid)).split()
        assert row[2:6] == ["audio", method, "SECURE", suite], row
        assert int(row[7]) > 20 and int(row[8]) > 20 and row[9:12] == ["0", "0", "0"], row
        shown = site.switch.api(f"sealrtp show {uuid}")
        assert (fact(shown, "Method"), fact(shown, "Suite")) == (method, suite), shown
        assert f", policy {who.variable('sealrtp_policy')}" in shown
        told = site.switch.api(f"sealrtp explain {uuid}")
        assert re.search(r"^  1\. .*audio", told, re.M) and "media is secured both ways" in told, told
        assert core.get("secure_type") in site.switch.api("show channels"), "show channels does not have it in its column secure"
        report = who.hang_up()
    if isinstance(who, ZrtpSpeaker):
        assert sas and sas == report.zrtp.sas, f"the PBX shows {sas}, the phone {report.zrtp.sas}"
    time.sleep(0.5)
    assert "no call" in site.switch.api(f"sealrtp show {uuid}").lower()
    ended = site.switch.api(f"sealrtp explain {uuid}")
    assert ", ended 20" in ended and re.search(r"^  1\. ", ended, re.M), f"the call is forgotten: {ended}"


def test_fingerprints_are_shown_to_be_compared(site: SwitchSite) -> None:
    with speaker(site, "fingerprinted") as who:
        who.call("echo")
        shown = site.switch.api(f"sealrtp show {who.channel}")
        ours, theirs = fact(shown, "Local-Fingerprint"), fact(shown, "Fingerprint")
        who.hang_up()
    for fingerprint in (ours, theirs):
        assert re.fullmatch(r"sha-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}", fingerprint), fingerprint
    assert ours != theirs


def test_a_refused_offer_is_explained_afterwards(site: SwitchSite) -> None:
    start = len(site.switch.socket.events)
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo").status == 488
        assert leg.call is not None
        uuid = leg.call.call_id
    refused = event_of(site, "sealrtp::refused", uuid, start)
    assert "accept = sdes" in refused.get("Reason") and refused.get("variable_sealrtp_reason") == refused.get("Reason")
    until = time.monotonic() + 3
    while ", ended 20" not in (told := site.switch.api(f"sealrtp explain {uuid}")):
        assert time.monotonic() < until, told
        time.sleep(0.1)
    assert "refused" in told and "accept = sdes" in told, told


# --- the dialplan's applications --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "status"), [("secure", "SECURE"), ("fingerprinted", "SECURE"), ("zrtp", "SECURE"), ("plain", "CLEAR"), ("zrtp-perhaps", "CLEAR")])
def test_sealrtp_wait_tells_what_came_of_it(site: SwitchSite, user: str, status: str) -> None:
    with speaker(site, user) as who:
        who.call("wait")
        who.wait_variable("sealrtp_status", status, timeout=10)
        time.sleep(1)
        who.hang_up()


def test_sealrtp_wait_ends_in_block_where_a_phone_that_must_do_zrtp_does_not(site: SwitchSite) -> None:
    with legs(site, "zrtp") as (leg,):
        assert leg.invite("wait").status == 200
        assert leg.call is not None
        uuid = leg.call.call_id
        event = event_of(site, "sealrtp::failed", uuid)
        assert (event.get("Failure"), event.get("Consequence"), event.get("Method")) == ("zrtp", "hangup", "ZRTP"), event.headers
        leg.call.wait_end(10)
        assert not leg.report().packets, "media came"


def test_who_compares_the_sas_is_remembered(site: SwitchSite) -> None:
    """From the first call to the administrator's cache: verified by the application, named, taken back, forgotten."""
    with speaker(site, "zrtp", "--zrtp-cache", str(site.directory / "phone.db")) as who:
        who.call("echo")
        zid = who.variable("sealrtp_peer_zid")
        assert re.fullmatch(r"[0-9a-f]{24}", zid), zid
        assert who.variable("sealrtp_sas_verified") == "no" and len(who.variable("sealrtp_sas")) == 4
        start = len(site.switch.socket.events)
        who.go("sealrtp_verify:yes,echo")
        assert event_of(site, "sealrtp::verified", who.channel, start).get("SAS-Verified") == "yes"
        who.wait_variable("sealrtp_sas_verified", "yes")
        who.hang_up()
    api = site.switch.api

    def row() -> list[str]:
        return next((line.split() for line in api("sealrtp zrtp list").splitlines() if line.startswith(zid)), [])

    assert row()[:3] == [zid, "Yes", "No"], api("sealrtp zrtp list")
    assert api(f"sealrtp zrtp name {zid} desk of alice").startswith("+OK")
    assert row()[-3:] == ["desk", "of", "alice"]
    assert api(f"sealrtp zrtp verify {zid} no").startswith("+OK") and row()[1] == "No"
    assert api(f"sealrtp zrtp verify {zid}").startswith("+OK") and row()[1] == "Yes"
    assert api(f"sealrtp zrtp forget {zid}").startswith("+OK") and not row()
    assert api(f"sealrtp zrtp forget {zid}").startswith("-ERR No peer")
    assert api("sealrtp zrtp verify nonsense").startswith("-ERR")


@pytest.mark.parametrize(("digits", "verified"), [("1", True), ("222", False)])
def test_who_presses_1_has_compared_and_nobody_else(site: SwitchSite, digits: str, verified: bool) -> None:
    start = len(site.switch.socket.events)
    with speaker(site, "zrtp") as who:
        who.call("compare")
        who.wait_variable("current_application", "play_and_get_digits")
        for digit in digits:
            time.sleep(1)
            site.switch.socket.require(f"uuid_recv_dtmf {who.channel} {digit}")
        if verified:
            who.wait_variable("sealrtp_sas_verified", "yes")
            time.sleep(1)
            who.hang_up()
        else:
            event_of(site, "CHANNEL_HANGUP", who.channel, start)
    told = [event for event in site.switch.socket.events[start:] if event.name == "sealrtp::verified" and event.channel == who.channel]
    assert len(told) == verified


# --- the command ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", "nonsense", "show", "explain", "set debug", "set debug sdes on", "set nonsense dtls on", "zrtp", "zrtp verify",
                                     "zrtp name 00", "status all", "calls of alice", "set debug dtls perhaps", "show " + "x" * 3000, "explain " + "y " * 500])
def test_a_wrong_command_says_what_is_right(site: SwitchSite, command: str) -> None:
    answer = site.switch.api(f"sealrtp {command}".strip())
    assert answer.startswith(("-USAGE", "-ERR")), answer


def test_a_trace_is_of_the_calls_it_is_asked_for(site: SwitchSite) -> None:
    assert site.switch.api("sealrtp set debug zrtp on sofia/internal/zrtp@").startswith("+OK")
    try:
        assert "ZRTP trace           on for sofia/internal/zrtp@" in site.switch.api("sealrtp status")
        for user, traced in (("zrtp", True), ("disclose-zrtp", False)):
            start = len(site.switch.log_text())
            with speaker(site, user) as who:
                who.call("echo")
                time.sleep(1)
                who.hang_up()
            time.sleep(0.3)
            assert bool(re.search(r"ZRTP (->|<-) Hello", site.switch.log_text()[start:])) is traced, user
    finally:
        assert site.switch.api("sealrtp set debug zrtp off").startswith("+OK")


def test_a_reload_is_for_new_calls_and_a_wrong_one_changes_nothing(site: SwitchSite) -> None:
    def asked(rules: dict[str, str]) -> str:
        site.switch.configure({"policies": {"sdes": rules}})
        return site.switch.api("sealrtp reload")

    good = {"offer": "sdes", "accept": "sdes", "fallback": "reject", "sdes_signalling": "any"}
    try:
        with speaker(site, "secure") as who:
            who.call("echo")
            assert asked({**good, "fallback": "maybe"}).startswith("-ERR")
            site.switch.wait_log(r"\[sdes\].*fallback.*maybe.*expected one of rtp, reject")
            assert re.search(r"fallback += reject", site.switch.api("sealrtp policy sdes"))
            assert asked({**good, "suites": "AEAD_AES_256_GCM"}).startswith("+OK")
            assert re.search(r"suites += AEAD_AES_256_GCM\b", site.switch.api("sealrtp policy sdes"))
            assert fact(site.switch.api(f"sealrtp show {who.channel}"), "State") == "SECURE", "the call that is up has lost its keys"
            who.hang_up()
        with legs(site, "secure") as (leg,):
            assert leg.invite("echo", [Crypto.fresh(1, CM80)]).status == 488, "the new rule does not hold"
    finally:
        site.switch.configure({})
        assert site.switch.api("sealrtp reload").startswith("+OK")


def uncommented(sample: str) -> str:
    """The sample with every param and section that it shows, but the place of the cache."""
    lines = [line for line in sample.splitlines() if "zrtp_cache\"" not in line and line.strip() not in ("<!--", "-->")]
    shown = [re.sub(r"<!-- (<param .*/>) -->", r"\1", line) for line in lines]
    return "\n".join(shown)


def test_the_sample_shows_the_defaults_and_every_line_of_it_is_right(site: SwitchSite) -> None:
    sample = (Path(__file__).resolve().parents[2] / "freeswitch_module/sealrtp.conf.xml").read_text()
    # The long comment at its head is the only one of many lines that is no example.
    head, rest = sample.split("-->", 1)
    path = site.switch.directory / "conf/freeswitch.xml"
    before = path.read_text()

    def read(text: str) -> str:
        path.write_text(re.sub(r'<configuration name="sealrtp.conf">.*?</configuration>', lambda _: text, before, flags=re.S))
        site.switch.socket.require("reloadxml")
        answer = site.switch.api("sealrtp reload")
        assert answer.startswith("+OK"), f"{answer}: {site.switch.said()}"
        return site.switch.api("sealrtp status")

    def general(status: str) -> dict[str, str]:
        return dict(re.findall(r"^(\w+) += (.*?)(?: \(.*\))?$", status, re.M))

    try:
        as_it_is, all_of_it = general(read(sample)), general(read(f"{head}-->{uncommented(rest)}"))
        assert as_it_is == all_of_it and len(all_of_it) > 25, set(as_it_is.items()) ^ set(all_of_it.items())
        shown = site.switch.api("sealrtp policy")
        assert all(re.search(rf"^\w+ +{name} ", shown, re.M) for name in ("vault", "user/1000", "gateway/provider", "profile/internal")), shown
        assert re.search(r"zrtp_sas += B256", site.switch.api("sealrtp policy user/1000"))
    finally:
        path.write_text(before)
        site.switch.socket.require("reloadxml")
        assert site.switch.api("sealrtp reload").startswith("+OK")


def test_the_console_completes_commands_and_uuids(site: SwitchSite) -> None:
    assert {"calls", "explain", "reload", "show", "status", "zrtp"} <= set(re.findall(r"\w+", site.switch.api("console_complete sealrtp ")))
    with speaker(site, "secure") as who:
        assert isinstance(who, LegSpeaker)
        who.call("echo")
        assert who.channel in site.switch.api("console_complete sealrtp show ")
        who.hang_up()


def test_no_secret_is_in_what_is_shown(site: SwitchSite) -> None:
    ours = Crypto.fresh(1, CM80)
    with legs(site, "secure") as (leg,):
        assert leg.invite("echo", [ours]).status == 200
        assert leg.call is not None and leg.theirs is not None
        uuid = leg.call.call_id
        time.sleep(0.5)
        shown = "".join(site.switch.api(command) for command in (f"sealrtp show {uuid}", f"sealrtp explain {uuid}", f"uuid_dump {uuid}", "sealrtp calls"))
        leg.call.bye()
    seen = shown + "".join(f"{event.headers}{event.body}" for event in site.switch.socket.events)
    for key in (*ours.keys, *leg.theirs.keys):
        assert base64.b64encode(key).decode()[:16] not in seen, "a key is shown"
