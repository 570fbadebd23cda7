"""The table of calls through FreeSWITCH, each a Scenario like those of the Asterisk table."""

from __future__ import annotations

from collections.abc import Callable

from calls.registry import Outcome, Scenario

from freeswitch.place import KIND, SwitchSite

CALLS: dict[str, Scenario] = {}


def add(name: str, title: str, run: Callable[[SwitchSite], Outcome], peer: str, **more: object) -> None:
    """Enters a call; `more` are fields of Scenario."""
    if name in CALLS:
        raise ValueError(f"two calls are named {name}")
    CALLS[name] = Scenario(name, title, run, peer, kinds=(KIND.name,), **more)  # type: ignore[arg-type]


def call(name: str, title: str, peer: str, **more: object) -> Callable[[Callable[[SwitchSite], Outcome]], Callable[[SwitchSite], Outcome]]:
    """Enters a function into the table."""

    def enter(run: Callable[[SwitchSite], Outcome]) -> Callable[[SwitchSite], Outcome]:
        add(name, title, run, peer, **more)
        return run

    return enter
