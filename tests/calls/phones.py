"""Real phones from Debian, without a sound card: linphonec (stdin) and baresip (ctrl_tcp), their sound in files."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import time
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from late import PATIENCE, Late
from pbx.sounds import FRAME_BYTES, encode_ulaw

from calls.audio import decode
from calls.registry import Skipped

# Of the 20 ms frames; phones drop or stretch a few at the start.
ENOUGH = 0.85
# How often a phone says what it has to say: longer than any call, since baresip hangs up when its file ends.
TIMES = 4
# Where Debian puts baresip's modules.
BARESIP_MODULES = (Path("/usr/lib/baresip/modules"), *Path("/usr/lib").glob("*/baresip/modules"))


def write_wav(path: Path, ulaw: bytes) -> None:
    """8 kHz, 16 bit, mono."""
    samples = decode(ulaw)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def read_wav(path: Path) -> bytes:
    """The samples of a recording as u-law bytes; its header may be unfinished, so only its fixed 44 bytes are skipped."""
    data = path.read_bytes()[44:]
    return bytes(encode_ulaw(sample) for (sample,) in struct.iter_unpack("<h", data[:len(data) // 2 * 2]))


def frames_heard(sent: bytes, recording: bytes) -> int:
    """How many of the 20 ms frames of `sent` a recording holds, at whatever place: phones cut and stretch."""
    return sum(sent[at:at + FRAME_BYTES] in recording for at in range(0, len(sent), FRAME_BYTES))


def share_heard(sent: bytes, recording: bytes) -> float:
    """The share (0 to 1) of them."""
    return frames_heard(sent, recording) / (len(sent) // FRAME_BYTES)


def is_heard(sent: bytes, recording: bytes, seconds: float) -> bool:
    """Whether a recording has enough of `sent` for so many seconds, whichever they are."""
    return frames_heard(sent, recording) >= 50 * seconds * ENOUGH


def wait_heard(seconds: float, *lines: tuple[bytes, Callable[[], bytes]]) -> None:
    """Waits until so many seconds of each sound are in what is heard at the other end; at most PATIENCE seconds, since require_heard() tells."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not all(is_heard(sent, heard(), seconds) for sent, heard in lines):
        time.sleep(0.5)


def require_heard(sent: bytes, recording: bytes, seconds: float, who: str = "it") -> float:
    """How much of so many seconds of the sound is in a recording. Raises Late when it is not enough."""
    share = min(1.0, frames_heard(sent, recording) / (50 * seconds))
    if share < ENOUGH:
        raise Late(f"of {seconds:g} s of the sound {who} heard {share:.0%}")
    return share


def host_address() -> str:
    """An IPv4 address of this host that is not loopback: baresip does not bind to lo. Packets to it stay on lo all the same."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent by this: it asks for the route.
            probe.connect(("203.0.113.1", 9))
        except OSError as error:
            raise Skipped("this host has no address but loopback, and baresip does not bind to that") from error
        return probe.getsockname()[0]


class Program:
    """A phone's process with a home of its own, ended by its pid."""

    program = ""
    # Seconds it is given to end by itself; baresip often does not.
    patience = 5.0
    package = ""

    def __init__(self, home: Path, say: bytes) -> None:
        if not shutil.which(self.program):
            raise Skipped(f"{self.program} is not installed (Debian package {self.package})")
        self.home = home
        # linphonec looks for its files there, and complains without it.
        (home / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        write_wav(home / "say.wav", say * TIMES)
        self.process: subprocess.Popen[str] | None = None

    def run(self, argv: list[str]) -> None:
        self.output = open(self.home / "output", "w")
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=self.output, stderr=subprocess.STDOUT, text=True,
                                        cwd=self.home, env={"HOME": str(self.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"})

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            try:
                self.quit()
                self.process.wait(self.patience)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
        self.output.close()

    def quit(self) -> None:
        raise NotImplementedError

    def call(self, uri: str) -> None:
        raise NotImplementedError

    def hang_up(self) -> None:
        raise NotImplementedError

    def hold(self) -> None:
        raise NotImplementedError

    def resume(self) -> None:
        raise NotImplementedError

    def heard(self) -> bytes:
        raise NotImplementedError

    def text(self) -> str:
        """What the phone has printed so far."""
        return (self.home / "output").read_text(errors="replace")

    def wait_text(self, what: str, timeout: float = PATIENCE) -> None:
        self.wait_more(what, 0, timeout)

    def wait_more(self, what: str, than: int, timeout: float = PATIENCE) -> None:
        """Waits until it has said so more often than so many times. Raises Late."""
        until = time.monotonic() + timeout
        while self.text().count(what) <= than:
            assert self.process is not None and self.process.poll() is None, f"{self.program} ended by itself: {self.text()[-300:]}"
            if time.monotonic() > until:
                raise Late(f"{self.program} did not say {what!r} in {timeout:g} s: {self.text()[-300:]}")
            time.sleep(0.1)


LINPHONE_RC = """[sip]
sip_port={sip}
sip_tcp_port=0
sip_tls_port={tls}
verify_server_certs=0
verify_server_cn=0
use_ipv6=0
ipv6_migration_done=1
contact="{user}" <sip:{user}@{address}>
media_encryption={encryption}
media_encryption_mandatory={mandatory}
{options}default_proxy=-1
guess_hostname=0
[net]
firewall_policy=1
nat_address={address}
[rtp]
audio_rtp_port={rtp}
video_rtp_port={video_rtp}
audio_adaptive_jitt_comp_enabled=0
[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1
"""


# A camera that shows a picture; nothing is displayed.
LINPHONE_VIDEO = """[video]
enabled=1
capture=1
display=0
device=StaticImage: Static picture
automatically_initiate=1
automatically_accept=1
[video_codec_0]
mime=VP8
rate=90000
enabled=1
"""


class Linphone(Program):
    """linphonec with u-law. `encryption` is "srtp" (SDES), "dtls" (with an RSA certificate and a handshake for RTCP of its own) or
    "zrtp"; not `mandatory`: it speaks clear until there are keys. With `video` it shows a picture too, in VP8, from the RTP port plus 4.
    `tls` is the port of SIP over TLS; it believes every certificate. `options` are more lines of [sip] in its configuration."""

    program, package = "linphonec", "linphone-cli"

    def __init__(self, home: Path, say: bytes, *, user: str, address: str, sip: int, rtp: int, answer: bool = False,
                 encryption: str = "srtp", mandatory: bool = True, video: bool = False, tls: int = 0,
                 options: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(home, say)
        (home / "rc").write_text(LINPHONE_RC.format(
            sip=sip, tls=tls, user=user, address=address, rtp=rtp, encryption=encryption, mandatory=int(mandatory),
            video_rtp=rtp + 4, options="".join(f"{key}={value}\n" for key, value in options.items()))
            + (LINPHONE_VIDEO if video else ""))
        self.run(["linphonec", *(["-C"] if video else []), "-c", str(home / "rc"), "-d", "6", "-l", str(home / "log")])
        self.wait_text("linphonec>")
        self.command("soundcard use files")
        self.wait_text("Using wav files")
        self.command(f"play {home / 'say.wav'}")
        self.command(f"record {home / 'heard.wav'}")
        if answer:
            self.command("autoanswer enable")
            self.wait_text("Auto answer enabled")

    def command(self, line: str) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def call(self, uri: str) -> None:
        self.ask(f"call {uri}", "Media streams established")

    def start_call(self, uri: str) -> None:
        """Calls, and does not wait for an answer."""
        self.command(f"call {uri}")

    def hang_up(self) -> None:
        self.ask("terminate", "ended")

    def hold(self) -> None:
        self.ask("pause", "is now paused")

    def resume(self) -> None:
        self.ask("resume", "Media streams established")

    def ask(self, line: str, answer: str, timeout: float = PATIENCE) -> None:
        """A command, and what it says then once more than before."""
        before = self.text().count(answer)
        self.command(line)
        self.wait_more(answer, before, timeout)

    def quit(self) -> None:
        self.command("quit")

    def heard(self) -> bytes:
        path = self.home / "heard.wav"
        return read_wav(path) if path.exists() else b""


# snd_path is its own directory, where it runs: longer paths are cut off.
BARESIP_CONFIG = """poll_method epoll
sip_listen {address}:{sip}
sip_verify_server no
audio_source aufile,{home}/say.wav
audio_alert nil
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports {rtp}-{rtp_last}
module_path {modules}
snd_path .
module g711.so
module aufile.so
module sndfile.so
module {encryption}.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


class Baresip(Program):
    """baresip with u-law and `encryption`: "srtp-mand" (SDES), "dtls_srtp" or "". SIP is over UDP or TLS, where it believes every
    certificate; sndfile writes down what it hears."""

    program, package = "baresip", "baresip"
    patience = 1.5

    def __init__(self, home: Path, say: bytes, *, user: str, address: str, pbx_port: int, sip: int, rtp: tuple[int, int], control: int,
                 answer: bool = False, encryption: str = "srtp-mand", transport: str = "udp") -> None:
        super().__init__(home, say)
        # The module of SDES when there is no encryption: it does nothing by itself.
        module = "dtls_srtp" if encryption == "dtls_srtp" else "srtp"
        modules = next((path for path in BARESIP_MODULES if (path / f"{module}.so").exists()), None)
        if modules is None:
            raise Skipped(f"baresip has no module {module}.so here")
        (home / "config").write_text(BARESIP_CONFIG.format(address=address, sip=sip, home=home, rtp=rtp[0], rtp_last=rtp[1],
                                                           modules=modules, control=control, encryption=module))
        (home / "accounts").write_text(f"<sip:{user}@{address}:{pbx_port};transport={transport}>;regint=0;"
                                       f"{f'mediaenc={encryption};' if encryption else ''}audio_codecs=PCMU/8000/1{';answermode=auto' if answer else ''}\n")
        (home / "contacts").write_text("")
        self.run(["baresip", "-f", str(home), "-4", "-v"])
        self.control = self.connect(control)

    def connect(self, port: int) -> socket.socket:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), PATIENCE)
            except OSError as error:
                assert self.process is not None and self.process.poll() is None, f"baresip ended by itself: {self.text()[-300:]}"
                if time.monotonic() > until:
                    raise Late(f"baresip does not listen after {PATIENCE:g} s") from error
                time.sleep(0.1)

    def command(self, name: str, parameters: str = "") -> None:
        """A command over ctrl_tcp: JSON in a netstring."""
        message = json.dumps({"command": name, "params": parameters, "token": "calls"})
        self.control.sendall(f"{len(message)}:{message},".encode())

    def call(self, uri: str) -> None:
        self.command("dial", uri)
        self.wait_text("Call established")

    def hang_up(self) -> None:
        self.command("hangup")

    def hold(self) -> None:
        self.command("hold")

    def resume(self) -> None:
        self.command("resume")

    def quit(self) -> None:
        self.command("quit")
        self.control.close()

    def heard(self) -> bytes:
        return b"".join(read_wav(path) for path in sorted(self.home.glob("dump-*-dec.wav")))

    def suite(self) -> str:
        """What it says its media is secured by."""
        _, found, rest = self.text().partition("SRTP is Enabled (cryptosuite=")
        return rest.split(")")[0] if found else ""
