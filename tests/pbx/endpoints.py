"""The SIP endpoints of a test PBX: one table for chan_pjsip and chan_sip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Media(Enum):
    """What an endpoint's media must be."""

    CLEAR = "clear"
    SDES = "sdes"
    # SDES offered in RTP/AVP; chan_sip has no such thing: it takes either when offered, and offers clear.
    OPTIMISTIC = "optimistic"
    DTLS = "dtls"
    # ZRTP in the media path and nothing clear; to SIP it is clear, sealrtp.conf says the rest.
    ZRTP = "zrtp"


@dataclass(frozen=True)
class Endpoint:
    """One endpoint. Callers are known by the user of their From header."""

    name: str
    media: Media
    # True: it registers with digest authentication from any port; False: no authentication, a fixed contact.
    registers: bool = False
    # Further options, by channel driver ("pjsip", "sip"), in the words of its configuration file.
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # What its section of sealrtp.conf says.
    policy: Mapping[str, str] = field(default_factory=dict)


# What such an endpoint's section of sealrtp.conf begins with.
POLICY_OF: Mapping[Media, Mapping[str, str]] = {Media.ZRTP: {"offer": "zrtp", "accept": "zrtp", "fallback": "reject"}}
# And where a phone may have ZRTP or not.
ZRTP_WHERE_KNOWN: Mapping[str, str] = {"offer": "zrtp", "accept": "zrtp", "fallback": "rtp"}
# The sealrtp.conf of end points without a section: what pjsip.conf or sip.conf says, and no more.
NATIVE = "[general]\noffer = none\naccept = none\n"


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("alice", Media.SDES),
    Endpoint("bob", Media.SDES),
    Endpoint("carol", Media.CLEAR),
    Endpoint("dave", Media.CLEAR),
    Endpoint("erin", Media.OPTIMISTIC),
    Endpoint("frank", Media.SDES),
    Endpoint("phone1", Media.SDES, registers=True),
    Endpoint("phone2", Media.SDES, registers=True),
    Endpoint("phone3", Media.CLEAR, registers=True),
    Endpoint("phone4", Media.CLEAR, registers=True),
)


@dataclass(frozen=True)
class Site:
    """Where a PBX lives: what its SIP configuration needs besides the endpoints."""

    address: str
    sip_port: int
    contacts: Mapping[str, int]
    password: str
    context: str = "test"
    # The RTP engine of endpoints with DTLS; Asterisk's own when empty.
    rtp_engine: str = ""
    # SIP over TLS (chan_pjsip): its port, 0 for none, and certificate and key as Asterisk sees them, "tls.pem" and "tls.key" there.
    tls_port: int = 0
    tls_directory: str = ""

    @property
    def contacts_address(self) -> str:
        """Where the endpoints with a fixed contact are."""
        return "127.0.0.1" if self.address == "0.0.0.0" else self.address


def engine_of(site: Site, endpoint: Endpoint) -> dict[str, str]:
    """The option that chooses the RTP engine; chan_pjsip and chan_sip call it alike."""
    return {"rtp_engine": site.rtp_engine} if site.rtp_engine and endpoint.media is Media.DTLS else {}


def section(name: str, options: Mapping[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in options.items()) + "\n"


def policy_sections(technology: str, endpoints: tuple[Endpoint, ...]) -> str:
    """The sections of sealrtp.conf for those end points that have one; `technology` is that of their channels' names."""
    wanted = {endpoint.name: {**POLICY_OF.get(endpoint.media, {}), **endpoint.policy} for endpoint in endpoints}
    return "".join(section(f"{technology}/{name}", options) for name, options in wanted.items() if options)


PJSIP_MEDIA: Mapping[Media, Mapping[str, str]] = {
    Media.CLEAR: {"media_encryption": "no"},
    Media.ZRTP: {"media_encryption": "no"},
    Media.SDES: {"media_encryption": "sdes"},
    Media.OPTIMISTIC: {"media_encryption": "sdes", "media_encryption_optimistic": "yes"},
    Media.DTLS: {"media_encryption": "dtls", "dtls_verify": "fingerprint", "dtls_setup": "actpass", "dtls_auto_generate_cert": "yes",
                 "rtcp_mux": "yes"},
}


def pjsip_conf(site: Site, endpoints: tuple[Endpoint, ...]) -> str:
    """pjsip.conf for these endpoints."""
    parts = [
        section("global", {"type": "global", "endpoint_identifier_order": "username,ip", "user_agent": "PBX under test"}),
        section("transport-udp", {"type": "transport", "protocol": "udp", "bind": f"{site.address}:{site.sip_port}"}),
    ]
    if site.tls_port:
        parts.append(section("transport-tls", {
            "type": "transport", "protocol": "tls", "bind": f"{site.address}:{site.tls_port}", "method": "tlsv1_2",
            "cert_file": f"{site.tls_directory}/tls.pem", "priv_key_file": f"{site.tls_directory}/tls.key"}))
    for endpoint in endpoints:
        options = {
            "type": "endpoint", "context": site.context, "transport": "transport-udp", "disallow": "all", "allow": "ulaw",
            "aors": endpoint.name, "direct_media": "no", "rewrite_contact": "yes" if endpoint.registers else "no",
            "allow_transfer": "yes", "rtp_symmetric": "yes" if endpoint.registers else "no",
            **PJSIP_MEDIA[endpoint.media], **engine_of(site, endpoint),
        }
        if site.address != "0.0.0.0":
            options |= {"media_address": site.address, "bind_rtp_to_media_address": "yes"}
        aor = {"type": "aor", "max_contacts": "1", "remove_existing": "yes"}
        if endpoint.registers:
            options["auth"] = endpoint.name
            parts.append(section(endpoint.name, {"type": "auth", "auth_type": "userpass", "username": endpoint.name,
                                                 "password": site.password}))
        else:
            aor["contact"] = f"sip:{endpoint.name}@{site.contacts_address}:{site.contacts[endpoint.name]}"
        own = dict(endpoint.options.get("pjsip", {}))
        if "outbound_auth" in own:
            parts.append(section(own["outbound_auth"], {"type": "auth", "auth_type": "userpass", "username": endpoint.name,
                                                        "password": site.password}))
        parts.append(section(endpoint.name, options | own))
        parts.append(section(endpoint.name, aor))
    return "".join(parts)


SIP_MEDIA: Mapping[Media, Mapping[str, str]] = {
    Media.CLEAR: {"encryption": "no"},
    Media.ZRTP: {"encryption": "no"},
    Media.SDES: {"encryption": "yes"},
    Media.OPTIMISTIC: {"encryption": "no"},
    # Without rtcp_mux: with it chan_sip does not read the RTCP socket of a peer that does not multiplex.
    Media.DTLS: {"encryption": "yes", "dtlsenable": "yes", "dtlsverify": "fingerprint", "dtlssetup": "actpass", "dtlsautogeneratecert": "yes"},
}


def sip_conf(site: Site, endpoints: tuple[Endpoint, ...]) -> str:
    """sip.conf for these endpoints."""
    parts = [section("general", {
        "context": site.context, "allowguest": "no", "udpbindaddr": f"{site.address}:{site.sip_port}", "tcpenable": "no",
        "transport": "udp", "directmedia": "no", "disallow": "all", "allow": "ulaw", "allowtransfer": "yes",
        "srvlookup": "no", "alwaysauthreject": "yes", "nat": "force_rport", "useragent": "PBX under test",
        "session-timers": "refuse",
    })]
    for endpoint in endpoints:
        options = {"type": "friend", "context": site.context, **SIP_MEDIA[endpoint.media], **engine_of(site, endpoint)}
        if endpoint.registers:
            options |= {"host": "dynamic", "secret": site.password}
        else:
            options |= {"host": site.contacts_address, "port": str(site.contacts[endpoint.name])}
        parts.append(section(endpoint.name, options | dict(endpoint.options.get("sip", {}))))
    return "".join(parts)
