"""ZRTP from a phone behind FreeSWITCH to a phone behind Asterisk 22: every leg is secured, and every SAS is shown at both its ends."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from calls import site as asterisks
from calls.audio import OTHER_SPEECH, SPEECH
from calls.calls_media import SECOND
from calls.calls_phones import ENOUGH
from calls.calls_zrtp import zrtp_phone
from calls.phones import host_address, share_heard
from calls.site import KINDS
from calls.zrtp import line_of as line_at_asterisk
from pbx.endpoints import Media
from pbx.namespace import MissingPermission, check_permission

from freeswitch.calls_phones import line_of, same_sas, uri
from freeswitch.place import running

# A caller with ZRTP and nothing clear to both PBXs.
USER = "zrtp-to-zrtp"


def test_zrtp_between_a_phone_behind_freeswitch_and_one_behind_asterisk(tmp_path: Path) -> None:
    try:
        check_permission()
    except MissingPermission as error:
        pytest.skip(f"SKIPPED: {error}")
    far = asterisks.start(KINDS["asterisk22"], tmp_path / "asterisk", "sealrtp", address=host_address())
    try:
        with running(tmp_path / "freeswitch", "sealrtp", "host") as site:
            near = site.for_call("near")
            there = far.for_call("there")
            site.switch.socket.require(f"global_setvar far={far.address}:{far.pbx.sip_port}")
            with there.callee(Media.ZRTP) as name, zrtp_phone(there, name, say=OTHER_SPEECH, answer=True) as callee, \
                    zrtp_phone(near, USER) as caller:
                caller.call(uri(near, f"far-{name}"))
                at_caller = same_sas(near, caller, USER)
                # FreeSWITCH's leg to Asterisk, and Asterisk's own two.
                trunk, incoming = line_of(near, name), line_at_asterisk(there, USER)
                at_callee = line_at_asterisk(there, name)
                assert trunk.sas == incoming.sas, f"between the PBXs FreeSWITCH shows {trunk.sas}, Asterisk {incoming.sas}"
                assert callee.sas() == at_callee.sas, f"the called phone shows {callee.sas()}, Asterisk {at_callee.sas}"
                assert len({at_caller.sas, trunk.sas, at_callee.sas}) == 3, "three lines, each of its own association, share a SAS"
                time.sleep(4)
                caller.hang_up()
                time.sleep(0.7)
                seen = near.look()
                found = seen.from_pbx.found + seen.to_pbx.found
                assert not found, f"the capture has {len(found)} datagrams that are not secured: {found[0]}"
            shares = share_heard(SPEECH[SECOND:3 * SECOND], callee.heard()), share_heard(OTHER_SPEECH[SECOND:3 * SECOND], caller.heard())
            assert min(shares) >= ENOUGH, f"{shares[0]:.0%} of the sound reached the called phone, {shares[1]:.0%} the calling one"
            assert re.fullmatch(r"[a-z0-9]{4}", at_caller.sas), at_caller.sas
            print(f"SAS: caller and FreeSWITCH {at_caller.sas}, FreeSWITCH and Asterisk {trunk.sas}, Asterisk and callee {at_callee.sas}")
    finally:
        far.pbx.stop()
