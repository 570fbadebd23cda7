"""An Asterisk that browsers can call: the documented configuration, with this machine's ports and a certificate of its own."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

from calls.phones import host_address
from calls.registry import Skipped
from calls.site import KINDS, Kind, module_for
from pbx.asterisk import Asterisk, PbxError
from pbx.certificates import ADDRESS, EC, make_certificate
from pbx.configuration import extensions_conf
from pbx.endpoints import NATIVE, Endpoint, Media, Site, pjsip_conf
from pbx.namespace import MissingPermission, check_permission
from pbx.ports import free_ports
from pbx.roots import choose

from webrtc.documented import configuration, set_values

# Between Opus and G.711; Debian's Asterisk 16 has none.
TRANSCODER = "codec_opus_open_source"
MODULES = ("res_http_websocket", "res_pjsip_transport_websocket", "res_format_attr_opus", "res_format_attr_vp8",
           "codec_resample", "bridge_softmix", TRANSCODER)
# Phones that a browser is bridged to.
PHONES = (Endpoint("sdes0", Media.SDES), Endpoint("clear0", Media.CLEAR))
# What webrtc=yes stands for; it would set dtls_setup=actpass itself.
SPELLED_OUT = ("webrtc=no\nmedia_encryption=dtls\ndtls_auto_generate_cert=yes\ndtls_verify=fingerprint\nuse_avpf=yes\n"
               "ice_support=yes\nrtcp_mux=yes\nbundle=yes\nmedia_use_received_transport=yes\n")
# Users of the documented template, each with what is different about it; ETC is the configuration's directory.
USERS: Mapping[str, str] = {
    "web1": "",
    **{f"web{number}": "" for number in range(2, 7)},
    "passive1": SPELLED_OUT + "dtls_setup=passive\n",
    "active1": SPELLED_OUT + "dtls_setup=active\n",
    "ulaw1": "allow=!all,ulaw\n",
    "named1": "rtp_engine=sealrtp\n",
    "rsa1": "dtls_cert_file=ETC/dtls-rsa.pem\ndtls_private_key=ETC/dtls-rsa.key\n",
}
BROWSERS = tuple(Endpoint(user, Media.CLEAR, registers=True) for user in USERS)


def public_key_hash(key: Path) -> str:
    """Base64 of the SHA-256 of a key's public part, by which Chromium knows a certificate."""
    public = subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def candidates_on_loopback() -> str:
    """Part of rtp.conf: Asterisk's ICE has no candidate on loopback by itself, so the host's own address stands for it."""
    try:
        return f"\n[ice_host_candidates]\n{host_address()} => {ADDRESS}\n"
    except Skipped:
        # A host without another address: there loopback is the only candidate.
        return ""


class WebSite:
    """One running Asterisk with chan_pjsip and WSS.

    `srtp` is "sealrtp" or "stock". Under valgrind what it finds of ours is raised at the end.
    """

    def __init__(self, directory: Path, srtp: str, *, kind: Kind = KINDS["asterisk22"], sealrtp_conf: str = NATIVE,
                 valgrind: bool = False) -> None:
        try:
            check_permission()
        except MissingPermission as error:
            raise Skipped(str(error)) from error
        directory.mkdir(parents=True, exist_ok=True)
        root = choose(kind.major, kind.chan)
        there = root.inside(root.module_directory)
        ports = free_ports()
        self.directory = directory
        self.server = f"{ADDRESS}:{ports.base + 2}"
        module = module_for(root) if srtp == "sealrtp" else None
        self.pbx = Asterisk(root, directory / "pbx", srtp=srtp, module=module, ports=ports, endpoints=PHONES,
                            modules=[name for name in MODULES if name != TRANSCODER or (there / f"{name}.so").exists()],
                            sealrtp_conf=sealrtp_conf, address=ADDRESS, valgrind=valgrind)
        self.etc = directory / "pbx/etc"
        self.etc.mkdir(parents=True, exist_ok=True)
        make_certificate(self.etc, "wss", *EC)
        make_certificate(self.etc, "dtls-rsa", "rsa:2048")
        self.trusted_key = public_key_hash(self.etc / "wss.key")
        self.password = self.pbx.password
        self.pbx.files = self.files()
        self.pbx.start()

    def files(self) -> dict[str, str]:
        """The documented files with what is this machine's own."""
        pbx = self.pbx
        documented = configuration()
        here = f"{pbx.here}/etc"
        site = Site(ADDRESS, pbx.sip_port, pbx.contacts, pbx.password)
        http = set_values(documented["http.conf"], {
            ("tlsbindaddr", "0.0.0.0:8089"): self.server,
            ("tlscertfile", "/etc/asterisk/keys/fullchain.pem"): f"{here}/wss.pem",
            ("tlsprivatekey", "/etc/asterisk/keys/privkey.pem"): f"{here}/wss.key"})
        rtp = set_values(documented["rtp.conf"], {("rtpstart", "10000"): str(pbx.ports.rtp[0]), ("rtpend", "20000"): str(pbx.ports.rtp[1])})
        pjsip = set_values(documented["pjsip.conf"], {
            ("bind", "0.0.0.0"): ADDRESS, ("context", "from-phones"): site.context, ("password", "choose-one"): pbx.password,
            ("disallow", "all"): f"all\nmedia_address={ADDRESS}\nbind_rtp_to_media_address=yes"})
        users = {user: options for user, options in USERS.items() if self.pbx.srtp != "stock" or user != "named1"}
        for user, options in users.items():
            if f"[{user}](browser)" not in pjsip:
                pjsip += (f"\n[{user}](browser)\nauth={user}\naors={user}\n{options.replace('ETC', here)}\n[{user}](browser-auth)\nusername={user}\n"
                          f"password={pbx.password}\n\n[{user}](browser-aor)\n")
        return {"http.conf": http, "rtp.conf": rtp + candidates_on_loopback(), "pjsip.conf": pjsip_conf(site, PHONES) + pjsip,
                "extensions.conf": extensions_conf(pbx.here, "pjsip", PHONES + BROWSERS, site.context)}

    def __enter__(self) -> WebSite:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        died = not self.pbx.running
        code = self.pbx.stop()
        if kind is None and (died or code != 0):
            raise PbxError(f"Asterisk ended {'by itself, ' if died else ''}code {code}")
        if kind is None and self.pbx.valgrind:
            ours = [str(finding) for finding in self.pbx.valgrind_findings() if finding.involves("res_sealrtp") and not finding.is_layout_probe]
            assert not ours, f"{len(ours)} findings of valgrind:\n" + "\n".join(ours[:3])
