"""The whole private configuration of one test PBX: nothing is taken from /etc/asterisk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pbx.endpoints import Endpoint, Site, pjsip_conf, policy_sections, section, sip_conf
from pbx.sounds import ON_HOLD, PLAYBACK, SPELLED

# What every PBX loads. An explicit list: start-up stays under a few seconds and nothing listens that nobody asked for.
COMMON = (
    "res_timing_timerfd", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb", "res_pjproject", "res_rtp_asterisk",
    "res_musiconhold", "res_security_log", "pbx_config", "codec_ulaw", "format_pcm", "bridge_simple", "bridge_native_rtp",
    "bridge_holding", "bridge_builtin_features", "app_dial", "app_echo", "app_playback", "app_record", "app_transfer",
    "app_verbose", "app_exec", "app_userevent", "app_mixmonitor", "func_channel", "func_callerid", "func_strings",
)
# What Asterisk 22 loads besides, so that calls are recorded by every means it has.
RECORDERS = (
    "app_chanspy", "app_confbridge", "bridge_softmix", "app_stasis", "res_http_websocket", "res_websocket_client", "res_stasis", "res_stasis_answer",
    "res_stasis_playback", "res_stasis_recording", "res_stasis_snoop", "res_ari", "res_ari_model", "res_ari_applications",
    "res_ari_bridges", "res_ari_channels", "res_ari_events", "res_ari_recordings", "chan_bridge_media",
)
DRIVERS: Mapping[str, tuple[str, ...]] = {
    "pjsip": (
        "res_pjsip", "res_pjsip_session", "res_pjsip_sdp_rtp", "res_pjsip_endpoint_identifier_user",
        "res_pjsip_endpoint_identifier_ip", "res_pjsip_authenticator_digest", "res_pjsip_outbound_authenticator_digest",
        "res_pjsip_registrar", "res_pjsip_caller_id", "res_pjsip_nat", "res_pjsip_refer", "res_pjsip_rfc3326",
        "res_pjsip_dtmf_info", "res_pjsip_empty_info", "res_pjsip_dlg_options", "res_pjsip_acl", "res_pjsip_diversion",
        "res_pjsip_logger", "res_pjsip_pubsub", "res_pjsip_header_funcs", "chan_pjsip",
    ),
    "sip": ("chan_sip",),
}
# Who does SRTP.
PROVIDERS: Mapping[str, tuple[str, ...]] = {"sealrtp": ("res_sealrtp",), "stock": ("res_srtp",), "none": ()}
# Our module that shows res_sealrtp the SDP of a channel driver.
SDP_MODULES: Mapping[str, str] = {"pjsip": "res_sealrtp_pjsip"}
# Channel technology in Dial() by driver.
TECHNOLOGY: Mapping[str, str] = {"pjsip": "PJSIP", "sip": "SIP"}
# Files whose absence Asterisk complains of at every start.
QUIET: Mapping[str, str] = {
    **dict.fromkeys(("features.conf", "ccss.conf", "udptl.conf", "stasis.conf"), "[general]\n"),
    "acl.conf": "; none\n",
    **dict.fromkeys(("cdr.conf", "cel.conf"), "[general]\nenable=no\n"),
    "pjproject.conf": "[startup]\ntype=startup\nlog_level=2\n",
    "indications.conf": "[general]\ncountry=us\n\n[us]\ndescription=United States\nringcadence=2000,4000\n"
                        "dial=350+440\nbusy=480+620/500,0/500\nring=440+480/2000,0/4000\ncongestion=480+620/250,0/250\n",
}


# Fields of the event by which the dialplan tells what it knows of the call's ZRTP.
ZRTP_TOLD = ",".join(["Channel: ${CHANNEL}", "Status: ${SEALRTP_STATUS}", *(
    f"{field}: ${{SEALRTP({field})}}" for field in ("method", "suite", "sas", "sas_verified", "peer_zid", "disclosure", "state"))])


def asterisk_conf(here: str, debug: int) -> str:
    """`here` is the run's directory as Asterisk sees it."""
    directories = {"astcachedir": "var/cache", "astetcdir": "etc", "astmoddir": "modules", "astvarlibdir": "var",
                   "astdbdir": "var", "astkeydir": "var", "astspooldir": "spool", "astrundir": "run", "astlogdir": "log"}
    text = "[directories]\n" + "".join(f"{key} => {here}/{value}\n" for key, value in directories.items())
    text += f"astdatadir => {here}/data\nastagidir => /usr/share/asterisk/agi-bin\n\n"
    return text + section("options", {"verbose": "3", "debug": str(debug), "nocolor": "yes", "dumpcore": "no",
                                      "hideconnect": "yes", "systemname": "sealrtp-test"})


def extensions_conf(here: str, driver: str, endpoints: tuple[Endpoint, ...], context: str) -> str:
    """The dialplan: the same extensions for every channel driver; an endpoint's name calls it."""
    technology = TECHNOLOGY[driver]
    extensions: dict[str, tuple[str, ...]] = {
        "echo": ("Answer()", "Echo()", "Hangup()"),
        "playback": ("Answer()", f"Playback({here}/sounds/playback)", "Hangup()"),
        # Early media: 183 with an answer in it, the call is never answered.
        "early": ("Progress()", f"Playback({here}/sounds/playback,noanswer)", "Hangup(16)"),
        # What the PBX heard: <run>/recordings/<user of From>.ulaw, up to the caller's hangup.
        "record": ("Answer()", f"Record({here}/recordings/${{CALLERID(num)}}.ulaw,0,0,kqx)", "Hangup()"),
        # Endless audio.
        "music": ("Answer()", "MusicOnHold()", "Hangup()"),
        "ring": ("Ringing()", "Wait(120)", "Hangup()"),
        # Answers and sends nothing.
        "hang": ("Answer()", "Wait(3600)", "Hangup()"),
        # Answers, then the PBX ends the call after a second.
        "hangup": ("Answer()", "Wait(1)", "Hangup(16)"),
        "busy": ("Hangup(17)",),
        # The dialplan has another policy for the call than its end point.
        "strictly": ("Set(SEALRTP(policy)=strict)", "Answer()", "Echo()", "Hangup()"),
        # ZRTP: what the dialplan knows once the call is secured, or is not; then echo.
        # A test compares the SAS and says so by a global variable.
        "zrtp": ("Answer()", "SealRTPWait(8)", f"UserEvent(Zrtp,{ZRTP_TOLD})",
                 'ExecIf($["${VERIFY_${CALLERID(num)}}" != ""]?SealRTPVerified(${VERIFY_${CALLERID(num)}}))', "Echo()", "Hangup()"),
        # The phone becomes one that trusts this PBX as a middle.
        "enrol": ("Set(SEALRTP(enrolment)=yes)", "Answer()", "SealRTPWait(8)", "MusicOnHold()", "Hangup()"),
        # Reads the SAS to the caller.
        "say-sas": ("Answer()", "SealRTPWait(8)", "SayAlpha(${SEALRTP(sas)})", "Hangup()"),
    }
    # Recorded before there are keys; the rest of RECORDERS comes by the manager and by ARI.
    recording = f"{here}/recordings/${{CALLERID(num)}}"
    extensions |= {
        "recorded-echo": (f"MixMonitor({recording}-before-mixed.ulaw,r({recording}-before.ulaw))", "Answer()", "Echo()", "Hangup()"),
        "announced-echo": ("Set(SEALRTP(recording)=yes)", "Answer()", "Echo()", "Hangup()"),
        "conference": ("Answer()", "Set(CONFBRIDGE(bridge,record_conference)=yes)",
                       f"Set(CONFBRIDGE(bridge,record_file)={recording}-conference.ulaw)", "Set(CONFBRIDGE(bridge,record_file_timestamp)=no)",
                       "Set(CONFBRIDGE(user,quiet)=yes)", "ConfBridge(${CALLERID(num)})", "Hangup()"),
        "recorded-dial": (f"MixMonitor({recording}-dial.ulaw)", f"Dial({technology}/refuse-dialled,30)", "Hangup()"),
        "application": ("Answer()", "Stasis(${CALLERID(num)})", "Hangup()"),
        "_spy-.": ("Answer()", f"ChanSpy({technology}/${{EXTEN:4}},qoES)", "Hangup()"),
    }
    for endpoint in endpoints:
        extensions[endpoint.name] = (f"Dial({technology}/{endpoint.name},30)", "Hangup()")
        if endpoint.policy.get("zrtp_mode") == "passthrough":
            # What the PBX can hear of such a call: <run>/recordings/<end point>.ulaw.
            extensions[f"recorded-{endpoint.name}"] = (f"MixMonitor({here}/recordings/{endpoint.name}.ulaw)",
                                                       *extensions[endpoint.name])
    text = f"[general]\nstatic=yes\nwriteprotect=yes\n\n[{context}]\n"
    for name, steps in extensions.items():
        text += f"exten => {name},1,{steps[0]}\n" + "".join(f" same => n,{step}\n" for step in steps[1:])
    return text


def modules_conf(modules: tuple[str, ...]) -> str:
    return "[modules]\nautoload=no\n" + "".join(f"load={module}.so\n" for module in modules)


def manager_conf(port: int, user: str, secret: str) -> str:
    return section("general", {"enabled": "yes", "webenabled": "no", "bindaddr": "127.0.0.1", "port": str(port)}) + section(
        user, {"secret": secret, "deny": "0.0.0.0/0.0.0.0", "permit": "127.0.0.1/255.255.255.255", "read": "all",
               "write": "all", "writetimeout": "5000"})


def write_configuration(directory: Path, files: Mapping[str, str]) -> None:
    """Writes the configuration files and the sounds of a run; `directory` is the run's directory as the host sees it."""
    for name in ("etc", "modules", "var", "var/cache", "spool", "spool/recording", "spool/monitor", "run", "log", "sounds", "moh",
                 "recordings"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = directory / "etc" / name
        path.touch(mode=0o600)
        path.write_text(text)
    (directory / "sounds/playback.ulaw").write_bytes(PLAYBACK)
    (directory / "moh/hold.ulaw").write_bytes(ON_HOLD)
    # Asterisk's data directory with what SayAlpha() says.
    spelled = directory / "data/sounds/en"
    for symbol, sound in SPELLED.items():
        path = spelled / ("digits" if symbol.isdigit() else "letters") / f"{symbol}.ulaw"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound)
    documentation = directory / "data/documentation"
    if not documentation.is_symlink():
        documentation.symlink_to("/usr/share/asterisk/documentation")


def configuration_files(here: str, driver: str, site: Site, endpoints: tuple[Endpoint, ...], modules: tuple[str, ...], *,
                        manager: str, http: tuple[int, str, str], rtp_ports: tuple[int, int], sealrtp_conf: str, debug: int) -> dict[str, str]:
    """Every file of etc/ by name. `here` is the run's directory as Asterisk sees it; `http` is ARI's port, user and secret."""
    http_port, ari_user, ari_secret = http
    levels = "notice,warning,error,security,verbose" + (",debug" if debug else "")
    return {
        "asterisk.conf": asterisk_conf(here, debug),
        "modules.conf": modules_conf(modules),
        "logger.conf": f"[general]\ndateformat=%F %T.%3q\n\n[logfiles]\nfull => {levels}\n",
        "manager.conf": manager,
        "rtp.conf": section("general", {"rtpstart": str(rtp_ports[0]), "rtpend": str(rtp_ports[1]), "icesupport": "no",
                                        "strictrtp": "yes"}),
        "extensions.conf": extensions_conf(here, driver, endpoints, site.context),
        "confbridge.conf": "[general]\n",
        "websocket_client.conf": "; none\n",
        "http.conf": section("general", {"enabled": "yes", "bindaddr": "127.0.0.1", "bindport": str(http_port)}),
        "ari.conf": section("general", {"enabled": "yes"}) + section(
            ari_user, {"type": "user", "read_only": "no", "password_format": "plain", "password": ari_secret}),
        "musiconhold.conf": section("default", {"mode": "files", "directory": f"{here}/moh"}),
        **QUIET,
        "sealrtp.conf": sealrtp_conf + policy_sections(TECHNOLOGY[driver], endpoints),
        **({"pjsip.conf": pjsip_conf(site, endpoints)} if driver == "pjsip" else {"sip.conf": sip_conf(site, endpoints)}),
    }
