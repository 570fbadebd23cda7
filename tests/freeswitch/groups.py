"""Which calls can share one FreeSWITCH."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from calls.registry import Scenario

from freeswitch.place import KIND
from freeswitch.table_of_all import CALLS


@dataclass(frozen=True)
class Group:
    """Calls of one FreeSWITCH: "stock", where only flaws are looked at, or with our module; on loopback, or on the host's own address."""

    srtp: str
    place: str
    entries: tuple[Scenario, ...] = field(compare=False)

    @property
    def name(self) -> str:
        return f"{KIND.name}-{self.srtp}-{self.place}"


def groups(srtp: str, entries: Iterable[Scenario] | None = None) -> list[Group]:
    chosen = [entry for entry in (CALLS.values() if entries is None else entries) if srtp != "stock" or entry.flaw_of_stock]
    places = dict.fromkeys(entry.place for entry in chosen)
    return [Group(srtp, place, tuple(entry for entry in chosen if entry.place == place)) for place in places]


@lru_cache
def cases() -> list[tuple[Group, Scenario]]:
    return [(group, entry) for srtp in ("sealrtp", "stock") for group in groups(srtp) for entry in group.entries]
