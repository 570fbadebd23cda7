"""Who calls and is called in the tests, and by which policy; stock FreeSWITCH is told the same in its own variables where it has any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pbx.endpoints import Media

from calls.algorithms import SETS

# Phones of each sort that may be called; a call takes one for itself.
CALLEES = 6
# What stock needs to know to offer SDES and nothing else; our module hears of it too, and must not mind.
STOCK_SDES = ("rtp_secure_media=mandatory:AES_CM_128_HMAC_SHA1_80",)

# What recording may be, and by which methods it is tried.
RECORDING = ("disclose", "allow", "refuse")
METHODS: Mapping[str, Media] = {"sdes": Media.SDES, "dtls": Media.DTLS, "zrtp": Media.ZRTP}

# The policies of sealrtp.conf.xml. SIP is over UDP here, so SDES keys are allowed anywhere.
RULES: Mapping[str, Mapping[str, str]] = {
    "sdes": {"offer": "sdes", "accept": "sdes", "fallback": "reject", "sdes_signalling": "any"},
    "dtls": {"offer": "dtls", "accept": "dtls", "fallback": "reject"},
    "zrtp": {"offer": "zrtp", "accept": "zrtp", "fallback": "reject"},
    "perhaps": {"offer": "zrtp,dtls,sdes", "accept": "sdes,dtls,zrtp", "fallback": "rtp", "sdes_signalling": "any"},
    "zrtp-perhaps": {"offer": "zrtp", "accept": "zrtp", "fallback": "rtp"},
    "any-method": {"offer": "zrtp,dtls,sdes", "accept": "sdes,dtls,zrtp", "fallback": "reject", "sdes_signalling": "any"},
    "tls-only": {"offer": "sdes", "accept": "sdes", "fallback": "reject", "sdes_signalling": "tls"},
    # One method each, and what becomes of recorders.
    **{f"{recording}-{method}": {"offer": method, "accept": method, "fallback": "reject", "sdes_signalling": "any", "recording": recording}
       for recording in RECORDING for method in METHODS},
    "refuse-perhaps": {"offer": "zrtp", "accept": "zrtp", "fallback": "rtp", "recording": "refuse"},
    # The two lines of a=crypto that SIPp reads.
    "sipp": {"offer": "sdes", "accept": "sdes", "fallback": "reject", "sdes_signalling": "any",
             "suites": "AES_CM_128_HMAC_SHA1_80,AES_CM_128_HMAC_SHA1_32"},
    **{f"zrtp-{label}": {"offer": "zrtp", "accept": "zrtp", "fallback": "reject", **algorithms.policy} for label, algorithms in SETS.items()},
    # Weak on purpose.
    "null-auth": {"offer": "sdes", "accept": "sdes", "fallback": "reject", "sdes_signalling": "any", "suites": "AES_CM_128_NULL_AUTH"},
}


@dataclass(frozen=True)
class User:
    """A user of SIP."""

    name: str
    media: Media
    # A policy of RULES; "" for none: left alone.
    policy: str = ""
    # More channel variables for its calls, "name=value".
    variables: tuple[str, ...] = field(default=())
    # Whether it is in the directory, with a password, and its policy there; else the dialplan knows it by its name.
    registers: bool = False

    @property
    def demands(self) -> bool:
        """Whether it has no clear media."""
        return bool(self.policy) and RULES[self.policy]["fallback"] == "reject"


POLICY_OF: Mapping[Media, str] = {Media.CLEAR: "", Media.SDES: "sdes", Media.DTLS: "dtls", Media.ZRTP: "zrtp"}
CALLED: Mapping[str, User] = {f"{media.value}{number}": User(f"{media.value}{number}", media, policy, STOCK_SDES if media is Media.SDES else ())
                              for media, policy in POLICY_OF.items() for number in range(CALLEES)} | {
    f"sipp{number}": User(f"sipp{number}", Media.OPTIMISTIC, "sipp", STOCK_SDES) for number in range(CALLEES)}
# Callers; nobody calls them, so any number of calls may share one.
CALLERS: Mapping[str, User] = {user.name: user for user in (
    User("secure", Media.SDES, "sdes"), User("plain", Media.CLEAR), User("fingerprinted", Media.DTLS, "dtls"),
    User("perhaps", Media.OPTIMISTIC, "perhaps"), User("zrtp", Media.ZRTP, "zrtp"),
    User("zrtp-perhaps", Media.CLEAR, "zrtp-perhaps"), User("any-method", Media.SDES, "any-method"), User("tls-only", Media.SDES, "tls-only"),
    *(User(f"{recording}-{method}", media, f"{recording}-{method}") for recording in RECORDING for method, media in METHODS.items()),
    User("refuse-perhaps", Media.CLEAR, "refuse-perhaps"), User("announced-zrtp", Media.ZRTP, "disclose-zrtp", ("sealrtp_recording=yes",)),
    *(User(f"zrtp-{label}", Media.ZRTP, f"zrtp-{label}") for label in SETS), User("weak", Media.SDES, "null-auth"), User("known", Media.SDES, "sdes", registers=True),
)}
USERS: Mapping[str, User] = {**CALLERS, **CALLED}


def sealrtp_conf(more: Mapping[str, Mapping[str, Mapping[str, str]]] | None = None) -> str:
    """The configuration element of sealrtp.conf: the policies, and sections of `more` by kind ("users", "gateways", "profiles", "settings")."""
    from freeswitch.configuration import configuration, element, params

    more = more or {}
    content = [element("settings", {}, params(more.get("settings", {}).get("", {})))]
    policies = {**RULES, **more.get("policies", {})}
    content.append(element("policies", {}, [element("policy", {"name": name}, params(rules)) for name, rules in policies.items()]))
    content += [element(kind, {}, [element(kind.removesuffix("s"), {"name": name}, params(rules)) for name, rules in sections.items()])
                for kind, sections in more.items() if kind in ("users", "gateways", "profiles")]
    return configuration("sealrtp.conf", *content)
