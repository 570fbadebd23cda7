"""The matrix of policies and far ends, and what must come of each: written down from the rules of docs/policy.md, never asked of the product.

A row is one call. `Row.expected` follows from a few lines of Python here; rows of liars and of the trunk have theirs written out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SDES, DTLS, ZRTP = "sdes", "dtls", "zrtp"
AVP, SAVP, UDP_TLS = "RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVP"
# What a strict offer's m-line says when this method comes first.
PROFILE_OF = {ZRTP: AVP, DTLS: UDP_TLS, SDES: SAVP}

# The methods that a line of this profile can have; ZRTP is done in what SIP takes for clear.
WITHIN = {AVP: (SDES, DTLS, ZRTP), SAVP: (SDES, DTLS), UDP_TLS: (DTLS,)}

# What may come of a call, besides the name of a method.
CLEAR = "clear"
# The PBX answers 488, or sends no INVITE at all where it would call.
REFUSED = "488"
# The call is set up, nothing passes, and the PBX ends it and says why.
ENDED = "ended"
# The far end answers 488.
DECLINED = "declined"
NOT_CALLED = "not called"
SECURE = (SDES, DTLS, ZRTP)


# What holds without a line in sealrtp.conf, as docs/policy.md has it. on_failure is not written.
DEFAULTS = {"offer": "zrtp,dtls,sdes", "accept": "sdes,dtls,zrtp", "fallback": "rtp", "sdes_signalling": "tls", "on_failure": ""}


@dataclass(frozen=True)
class Policy:
    """The keys of sealrtp.conf that the matrix turns; lists as they stand there."""

    offer: str = "zrtp,dtls,sdes"
    accept: str = "sdes,dtls,zrtp"
    fallback: str = "rtp"
    sdes_signalling: str = "any"
    # Not written: a ZRTP exchange that fails ends the call only where nothing may be clear.
    on_failure: str = ""

    @property
    def offers(self) -> list[str]:
        return [] if self.offer == "none" else self.offer.split(",")

    @property
    def accepts(self) -> list[str]:
        return [] if self.accept == "none" else self.accept.split(",")

    @property
    def keys(self) -> dict[str, str]:
        """What the section says: what is not the default, so that the default is put to the test too."""
        return {key: getattr(self, key) for key, default in DEFAULTS.items() if getattr(self, key) != default}

    def without_sdes(self, methods: list[str], tls: bool) -> list[str]:
        """SDES hands its keys to everybody on the way, so it needs signalling that is encrypted, unless the policy says any."""
        return [method for method in methods if method != SDES or tls or self.sdes_signalling == "any"]

    @property
    def leaves_alone(self) -> bool:
        """Nothing offered and nothing accepted: chan_pjsip's own business."""
        return not self.offers and not self.accepts


@dataclass(frozen=True)
class Far:
    """A far end: what its offer carries, in which profile, and what it takes of ours."""

    name: str
    profile: str
    carries: tuple[str, ...] = ()
    # As a callee: what it answers to, first wins, by the profile of the offer.
    takes: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    # It takes an RTP/AVP offer without security too.
    takes_clear: bool = False


FARS = {far.name: far for far in (
    Far("sdes", SAVP, (SDES,), {AVP: (SDES,), SAVP: (SDES,)}),
    Far("dtls", UDP_TLS, (DTLS,), {AVP: (DTLS,), UDP_TLS: (DTLS,)}),
    Far("zrtp", AVP, (ZRTP,), {AVP: (ZRTP,)}, takes_clear=True),
    Far("all", AVP, (SDES, DTLS, ZRTP), {AVP: (DTLS, SDES, ZRTP), SAVP: (SDES,), UDP_TLS: (DTLS,)}, takes_clear=True),
    Far("none", AVP, (), {}, takes_clear=True),
)}


@dataclass(frozen=True)
class Row:
    """One call. `way` is "in" when the far end calls, "out" when the PBX does; `lie` names what a liar does (policy_far.py)."""

    name: str
    way: str
    policy: Policy
    far: str
    expected: str
    tls: bool = False
    lie: str = ""
    demo: bool = False
    # The suite that must be taken, where the row is about that.
    suite: str = ""

    @property
    def title(self) -> str:
        policy = self.policy
        order = f"accept={policy.accept}" if self.way == "in" else f"offer={policy.offer}"
        return f"{order} {policy.fallback}" + ("" if policy.sdes_signalling == "any" else f" SDES over TLS, {'TLS' if self.tls else 'UDP'}")


def expected_in(policy: Policy, far: Far, tls: bool) -> str:
    """What must come of the far end's call: the first method of `accept` that its offer carries."""
    if not policy.leaves_alone:
        for method in policy.without_sdes(policy.accepts, tls):
            if method in far.carries:
                return method
    # A secure profile is never answered clear.
    if far.profile != AVP:
        return REFUSED
    if policy.fallback == "rtp":
        return CLEAR
    # ZRTP needs nothing of the SDP: the call waits for it, and nothing passes.
    return ENDED if ZRTP in policy.accepts else REFUSED


def expected_out(policy: Policy, far: Far, tls: bool) -> str:
    """What must come of the PBX's call: what the far end takes of what was offered, in the profile that it was offered in."""
    offered = policy.without_sdes(policy.offers, tls)
    strict = policy.fallback == "reject"
    if strict and not offered:
        return NOT_CALLED
    profile = PROFILE_OF[offered[0]] if strict else AVP
    offered = [method for method in offered if method in WITHIN[profile]]
    for method in far.takes.get(profile, ()):
        if method in offered:
            return method
    if profile != AVP or not far.takes_clear:
        return DECLINED
    # RTP/AVP in a strict offer means that ZRTP may still come.
    return ENDED if strict else CLEAR


def table() -> list[Row]:
    """Every row; their names are unique."""
    return [*crossed(), *over_tls(), *liars(), *trunk()]


def row(way: str, policy: Policy, far: str, tls: bool = False, demo: bool = False) -> Row:
    expected = (expected_in if way == "in" else expected_out)(policy, FARS[far], tls)
    order = (policy.accept if way == "in" else policy.offer).replace(",", "-")
    signalling = "" if policy.sdes_signalling == "any" and not tls else f"-{policy.sdes_signalling}-over-{'tls' if tls else 'udp'}"
    return Row(f"{way}-{order}-{policy.fallback}{signalling}-{far}", way, policy, far, expected, tls, demo=demo)


ACCEPTS = ("sdes,dtls,zrtp", "dtls,sdes,zrtp", "zrtp,dtls,sdes", "sdes", "dtls", "zrtp", "none")
OFFERS = ("zrtp,dtls,sdes", "sdes,dtls,zrtp", "dtls,sdes", "sdes", "dtls", "zrtp", "none")
# Rows of `make demo`: way, order, fallback, far end.
SHOWN = {("in", "sdes,dtls,zrtp", "rtp", far) for far in FARS} | {("in", "zrtp,dtls,sdes", "reject", far) for far in ("all", "none")} | {
    ("out", "zrtp,dtls,sdes", "rtp", far) for far in ("sdes", "zrtp", "none")} | {("out", "sdes", "reject", far) for far in ("sdes", "none")}


def crossed() -> list[Row]:
    """Orders by fallback by far end, in both directions, SDES anywhere."""
    rows = []
    for fallback in ("rtp", "reject"):
        for accept in ACCEPTS:
            # What we offer has no say in what we take.
            policy = Policy(accept=accept, fallback=fallback, offer="dtls" if accept in ("sdes", "dtls") else "zrtp,dtls,sdes")
            rows += [row("in", policy, far, demo=("in", accept, fallback, far) in SHOWN) for far in FARS]
        for offer in OFFERS:
            policy = Policy(offer=offer, fallback=fallback, accept="sdes" if offer in ("sdes", "dtls") else "sdes,dtls,zrtp")
            rows += [row("out", policy, far, demo=("out", offer, fallback, far) in SHOWN) for far in FARS]
    # Nothing at all: the SDP is not touched.
    untouched = Policy("none", "none")
    rows += [Row(f"untouched-in-{far}", "in", untouched, far, expected_in(untouched, FARS[far], False)) for far in ("sdes", "dtls", "all", "none")]
    return rows + [Row(f"untouched-out-{far}", "out", untouched, far, expected_out(untouched, FARS[far], False)) for far in ("all", "none")]


def over_tls() -> list[Row]:
    """sdes_signalling = tls: SDES over TLS, and neither offered nor taken over UDP."""
    rows = []
    for fallback in ("rtp", "reject"):
        both = Policy(fallback=fallback, sdes_signalling="tls")
        alone = Policy("sdes", "sdes", fallback, "tls")
        for tls in (False, True):
            rows += [row("in", both, far, tls) for far in ("sdes", "all")] + [row("out", both, far, tls) for far in ("sdes", "all")]
            rows += [row("in", alone, "sdes", tls), row("out", alone, "sdes", tls)]
    return rows


def liars() -> list[Row]:
    """Far ends that do not do what they say, or say what makes no sense: refused whatever the fallback, unless the row says otherwise."""
    rows = []
    for fallback in ("rtp", "reject"):
        strict = fallback == "reject"
        every = Policy(fallback=fallback)
        careful = Policy(fallback=fallback, on_failure="" if strict else "hangup")

        def liar(way: str, lie: str, policy: Policy, far: str, expected: str, short: str = fallback, demo: bool = False) -> None:
            rows.append(Row(f"{way}-liar-{short}-{lie}", way, policy, far, expected, lie=lie, demo=demo))

        liar("in", "short-key", every, "sdes", REFUSED)
        liar("in", "unknown-suite", every, "sdes", REFUSED)
        liar("in", "secure-profile-without-crypto", every, "sdes", REFUSED)
        liar("in", "dtls-profile-without-fingerprint", every, "dtls", REFUSED)
        liar("in", "fingerprint-of-another", every, "dtls", ENDED, demo=strict)
        liar("in", "wrong-zrtp-hash", careful, "zrtp", ENDED)
        # What cannot be used is as good as absent; the offer is opportunistic.
        liar("in", "short-key-in-clear-profile", Policy("zrtp,dtls,sdes", "sdes,dtls", fallback), "none", REFUSED if strict else CLEAR)
        sdes_first = Policy("sdes,dtls,zrtp", fallback=fallback)
        dtls_first = Policy("dtls,sdes", fallback=fallback)
        liar("out", "wrong-tag", sdes_first, "sdes", ENDED, demo=not strict)
        liar("out", "short-key", sdes_first, "sdes", ENDED)
        liar("out", "suite-not-offered", sdes_first, "sdes", ENDED)
        liar("out", "secure-profile-without-crypto", sdes_first, "sdes", ENDED)
        liar("out", "crypto-not-offered", Policy("dtls", fallback=fallback), "sdes", ENDED)
        liar("out", "fingerprint-of-another", dtls_first, "dtls", ENDED)
        liar("out", "passive-and-silent", dtls_first, "dtls", ENDED)
        liar("out", "setup-actpass", dtls_first, "dtls", ENDED)
        liar("out", "wrong-zrtp-hash", careful, "zrtp", ENDED)
    rows.append(Row("out-liar-reject-clear-answer", "out", Policy("sdes", fallback="reject"), "none", ENDED, lie="clear-answer"))
    return rows


CM80, CM256 = "AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80"
# The fifth of our a=crypto lines by default, which is the one that the trunk takes.
CM192 = "AES_192_CM_HMAC_SHA1_80"


def trunk() -> list[Row]:
    """A carrier's trunk: nine suites in RTP/AVP; RTP/SAVP and tag 5 to our RTP/AVP; no keys where there must be some."""
    tls_off = Policy("none", "none")
    return [
        *(Row(f"trunk-in-nine-suites-{fallback}", "in", Policy(fallback=fallback), "trunk", SDES, lie="nine-suites", suite=CM256)
          for fallback in ("rtp", "reject")),
        # SRTP is not switched on there and the trunk offers it all the same.
        Row("trunk-in-nine-suites-not-wanted", "in", tls_off, "trunk", CLEAR, lie="nine-suites"),
        Row("trunk-out-tag-5", "out", Policy("sdes"), "trunk", SDES, lie="tag-5", suite=CM192),
        Row("trunk-out-tag-5-strict", "out", Policy("sdes", fallback="reject"), "trunk", SDES, lie="tag-5", suite=CM192),
        Row("trunk-out-no-crypto-strict", "out", Policy("sdes", fallback="reject"), "trunk", ENDED, lie="clear-answer"),
        Row("trunk-in-no-crypto-strict", "in", Policy(accept="sdes", fallback="reject"), "trunk", REFUSED, lie="no-crypto"),
    ]
