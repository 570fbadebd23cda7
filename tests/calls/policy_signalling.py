"""Signalling of the policy matrix: one call between a far end and the PBX, by the scripted user agent over UDP or TLS."""

from __future__ import annotations

from types import SimpleNamespace

from calls.sip import Call, Phone
from calls.sip_tls import TlsPhone
from calls.site import Site


def failed_to_call(event: object, user: str) -> bool:
    """Whether an OriginateResponse tells that the PBX's call to this end point has come to nothing."""
    return event["Response"] == "Failure" and f"PJSIP/{user}" in event["Channel"]  # type: ignore[index]


class Signalling:
    """The SIP side of a far end, who is the end point `user` to the PBX."""

    def __init__(self, site: Site, user: str, tls: bool) -> None:
        self.site, self.user, self.tls = site, user, tls
        pbx = site.pbx
        self.phone: Phone
        if tls:
            etc = pbx.workdir / "etc"
            self.phone = TlsPhone(user, (site.address, pbx.ports.sips), etc / "tls.pem", etc / "tls.key", site.address)
        else:
            self.phone = Phone(user, (site.address, pbx.sip_port), 0, site.address)
        self.call: Call | None = None
        self.start = len(pbx.manager.events)

    def close(self) -> None:
        self.phone.close()

    # --- the far end calls ---

    def invite(self, extension: str, body: str) -> SimpleNamespace:
        """The PBX's final answer: status and body."""
        self.call = self.phone.call(extension, body)
        final = self.call.wait_final(20)
        return SimpleNamespace(status=final.status, body=final.body)

    # --- the PBX calls ---

    def let_call(self) -> None:
        """The PBX calls the far end and echoes."""
        uri = f"sip:{self.user}@{self.phone.address}{self.phone.parameters}"
        self.site.pbx.manager.action("Originate", Channel=f"PJSIP/{self.user}/{uri}", Application="Echo", Async="true", Timeout="15000",
                                     CallerID="matrix <matrix>")

    def wait_offer(self) -> str:
        self.call = self.phone.wait_call(15)
        return self.call.remote_sdp

    def answer(self, body: str) -> None:
        assert self.call is not None
        self.call.answer(body)

    def decline(self) -> None:
        assert self.call is not None
        self.call.answer("", 488, "Not Acceptable Here")

    def wait_failure(self) -> None:
        """The PBX has given up its call."""
        self.site.pbx.manager.wait_event("OriginateResponse", lambda event: failed_to_call(event, self.user), timeout=15, start=self.start)

    @property
    def was_called(self) -> bool:
        return bool(self.phone.incoming)

    # --- both ---

    def wait_end(self, timeout: float) -> str:
        """The PBX ends the call: the reason that its BYE (or CANCEL) gives."""
        assert self.call is not None
        return self.call.wait_end(timeout).get("reason")

    @property
    def ended(self) -> bool:
        return self.call is not None and self.call.ended

    def bye(self) -> None:
        assert self.call is not None
        self.call.bye()
