"""The whole private configuration of one test FreeSWITCH, as one freeswitch.xml; nothing of the installed configuration is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from pbx.ports import Ports
from pbx.sounds import ON_HOLD, PLAYBACK

from freeswitch.users import CALLED, CALLERS, USERS

CONTEXT = "test"
PASSWORD = "sealrtp"


def element(name: str, attributes: Mapping[str, object], content: Iterable[str] | None = None) -> str:
    shown = "".join(f" {key}={quoteattr(str(value))}" for key, value in attributes.items())
    return f"<{name}{shown}/>\n" if content is None else f"<{name}{shown}>\n{''.join(content)}</{name}>\n"


def params(values: Mapping[str, object]) -> list[str]:
    return [element("param", {"name": name, "value": value}) for name, value in values.items()]


def configuration(name: str, *content: str) -> str:
    return element("configuration", {"name": name}, content)


def settings(name: str, values: Mapping[str, object]) -> str:
    return configuration(name, element("settings", {}, params(values)))


def freeswitch_xml(directory: Path, *, ports: Ports, address: str, modules: Sequence[str], sealrtp_conf: str, debug: bool,
                   profile: Mapping[str, object], rtp: tuple[int, int]) -> str:
    """freeswitch.xml. `sealrtp_conf` is our module's configuration element, "" on stock; `profile` are settings of the SIP profile beyond these;
    `rtp` are the first and the last port of media."""
    first, last = rtp
    sections = {
        "configuration": [
            configuration("modules.conf", element("modules", {}, [element("load", {"module": module}) for module in modules])),
            settings("switch.conf", {"rtp-start-port": first, "rtp-end-port": last, "max-sessions": 2000, "sessions-per-second": 500,
                                     "loglevel": "debug" if debug else "info", "colorize-console": "false", "dump-cores": "no",
                                     "core-db-name": directory / "db/core.db"}),
            settings("event_socket.conf", {"nat-map": "false", "listen-ip": "127.0.0.1", "listen-port": ports.manager, "password": PASSWORD}),
            configuration("console.conf", element("mappings", {}, []), element("settings", {}, [])),
            configuration("logfile.conf", element("settings", {}, params({"rotate-on-hup": "false"})), element("profiles", {}, [
                element("profile", {"name": "default"}, [
                    element("settings", {}, params({"logfile": directory / "log/freeswitch.log"})),
                    element("mappings", {}, [element("map", {"name": "all", "value": "console,debug,info,notice,warning,err,crit,alert"})])])])),
            configuration("acl.conf", element("network-lists", {}, [])),
            configuration("timezones.conf", element("timezones", {}, [])),
            configuration("conference.conf", element("profiles", {}, [element("profile", {"name": "default"}, params({
                "rate": 8000, "interval": 20, "energy-level": 0, "comfort-noise": "false"}))])),
            configuration("sofia.conf", element("global_settings", {}, params({"log-level": 0, "debug-presence": 0})),
                          element("profiles", {}, [sofia_profile(directory, ports, address, profile)])),
            sealrtp_conf,
        ],
        "dialplan": [element("context", {"name": CONTEXT}, dialplan(directory, ports, address))],
        "directory": [element("domain", {"name": address}, [element("groups", {}, [element("group", {"name": "all"}, [element("users", {}, [
            element("user", {"id": user.name}, [
                element("params", {}, params({"password": PASSWORD})),
                element("variables", {}, [element("variable", {"name": "user_context", "value": CONTEXT})] + (
                    [element("variable", {"name": "sealrtp_policy", "value": user.policy})] if user.policy else []))])
            for user in USERS.values() if user.registers])])])])],
    }
    # A variable of every channel that has none of its own.
    on_hold = element("X-PRE-PROCESS", {"cmd": "set", "data": f"hold_music={directory}/sounds/hold.PCMU"})
    return '<?xml version="1.0"?>\n' + element("document", {"type": "freeswitch/xml"}, [on_hold] + [
        element("section", {"name": name}, content) for name, content in sections.items()])


def sofia_profile(directory: Path, ports: Ports, address: str, more: Mapping[str, object]) -> str:
    values: dict[str, object] = {
        "sip-ip": address, "rtp-ip": address, "sip-port": ports.sip, "context": CONTEXT, "dialplan": "XML", "auth-calls": "false",
        "accept-blind-reg": "false", "inbound-codec-prefs": "PCMU", "outbound-codec-prefs": "PCMU", "inbound-codec-negotiation": "generous",
        "inbound-late-negotiation": "true", "rtp-timer-name": "soft", "manage-presence": "false",
        "dtmf-type": "rfc2833", "rfc2833-pt": 101, "user-agent-string": "PBX under test", "apply-nat-acl": "none", "nonce-ttl": 60,
        "rtcp-audio-interval-msec": 2000,
        "tls": "true", "tls-only": "false", "tls-bind-params": "transport=tls", "tls-sip-port": ports.sips, "tls-cert-dir": f"{directory}/tls",
        "tls-verify-policy": "none", "tls-version": "tlsv1.2", "challenge-realm": "auto_from", "pass-callee-id": "false",
        # So that a scripted end knows the UUID of its channel.
        "inbound-use-callid-as-uuid": "true", "outbound-use-uuid-as-callid": "true", **more,
    }
    return element("profile", {"name": "internal"}, [element("settings", {}, params(values))])


def dialplan(directory: Path, ports: Ports, address: str) -> list[str]:
    """The context's extensions. The first tells who calls by the user of From, which the profile believes here, and gives the call its policy."""
    sounds = directory / "sounds"
    by_user = [extension(f"policy of {user.name}", [f"set:sealrtp_policy={user.policy}", *(f"set:{one}" for one in user.variables if name in CALLERS)],
                         who=user.name) for name, user in USERS.items() if user.policy and not user.registers]
    fixed: dict[str, Sequence[str]] = {
        "echo": ("answer", "echo"),
        "playback": ("answer", f"playback:{sounds}/playback.PCMU", "hangup"),
        # Early media: 183 with an answer in it, the call is never answered.
        "early": ("pre_answer", f"playback:{sounds}/playback.PCMU", "hangup"),
        # Endless audio.
        "music": ("answer", f"endless_playback:{sounds}/hold.PCMU"),
        "hang": ("answer", "sleep:3600000"),
        "hangup": ("answer", "sleep:1000", "hangup"),
        "ring": ("ring_ready", "sleep:120000"),
        "park": ("answer", "park"),
        # What the PBX heard: <run>/recordings/<user of From>.wav, up to the caller's hangup.
        "record": ("answer", f"record:{directory}/recordings/${{caller_id_number}}.wav 60 0 0"),
        # Recorded while it is echoed.
        "recorded-echo": ("answer", f"record_session:{directory}/recordings/${{caller_id_number}}.wav", "echo"),
        # What was dialled, as the PBX heard it: the variable "digits".
        "dtmf": ("answer", f"read:2 2 {sounds}/hold.PCMU digits 10000 #", "park"),
        # As docs/freeswitch.md has it, but for spelling the string.
        "compare": ("answer", "sealrtp_wait:10", "play_and_get_digits:1 1 3 10000 # silence_stream://250 silence_stream://250 same 1",
                    "transfer:compared-${same}"),
        "compared-1": ("sealrtp_verify:yes", "echo"),
        # Waits for security, and says in variables what came of it.
        "wait": ("answer", "sealrtp_wait:8", "echo"),
    }
    # Another PBX, whose address a test puts into a global variable, and a user of its.
    fixed["far-(.+)"] = ("bridge:[sealrtp_policy=zrtp]sofia/internal/$1@${far}",)
    called = [extension(name, [f"bridge:{dial_string(name, ports, address)}"], number=name) for name in CALLED]
    return [*by_user, *(extension(name, actions, number=name) for name, actions in fixed.items()), *called]


def contact_port(name: str, ports: Ports) -> int:
    """Where this phone listens for calls."""
    return ports.contact(list(CALLED).index(name))


def dial_string(name: str, ports: Ports, address: str) -> str:
    """What bridge and originate take to call a phone."""
    user = CALLED[name]
    variables = ",".join([f"sealrtp_policy={user.policy}"] * bool(user.policy) + list(user.variables))
    return f"{f'[{variables}]' if variables else ''}sofia/internal/{name}@{address}:{contact_port(name, ports)}"


def extension(name: str, actions: Sequence[str], *, number: str = "", who: str = "") -> str:
    """An extension by the dialled number; or, by the caller, one after which the dialplan goes on: a caller "secure-7" is "secure", too."""
    condition = {"field": "destination_number", "expression": f"^{number}$"} if number else {"field": "caller_id_number", "expression": f"^{who}(-.*)?$"}
    shown = [element("action", dict(zip(("application", "data"), action.split(":", 1)))) for action in actions]
    return element("extension", {"name": name, **({} if number else {"continue": "true"})}, [element("condition", condition, shown)])


def write_configuration(directory: Path, xml: str) -> None:
    """Writes a run's directory with its configuration and sounds."""
    for name in ("conf", "log", "db", "run", "mod", "sounds", "recordings", "storage", "cache", "temp", "scripts", "grammar", "htdocs", "tls"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    path = directory / "conf/freeswitch.xml"
    path.touch(mode=0o600)
    path.write_text(xml)
    (directory / "sounds/playback.PCMU").write_bytes(PLAYBACK)
    (directory / "sounds/hold.PCMU").write_bytes(ON_HOLD)
