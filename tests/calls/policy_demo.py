"""The short form of the policy matrix in `make demo`: a table, one line per policy and far end."""

from __future__ import annotations

from pathlib import Path

from calls.calls_policy import KIND, Placed, place_all, running
from calls.policy_matrix import CLEAR, DECLINED, ENDED, NOT_CALLED, REFUSED, Row, table

FORMAT = "{verdict:7} {order:24} {fallback:8} {who:26} {expected:34} {suite:24} {sent:>4} to, {received:>4} from {seconds:5.1f} s  {why}"
IN_WORDS = {CLEAR: "clear, as the policy allows", REFUSED: "488, no call", ENDED: "nothing passes, the call ends", DECLINED: "488 by the far end",
            NOT_CALLED: "no INVITE"}


def rows(only: list[str]) -> list[Row]:
    return [row for row in table() if row.demo and (not only or any(part in f"policy-{row.name}" for part in only))]


def tell(placed: Placed) -> None:
    row, outcome = placed.row, placed.outcome
    order = f"accept={row.policy.accept}" if row.way == "in" else f"offer={row.policy.offer}"
    who = f"{'from' if row.way == 'in' else 'to'} a far end with {row.far if not row.lie else row.lie}"
    print(FORMAT.format(verdict="FAIL" if placed.error else "PASS", order=order, fallback=row.policy.fallback, who=who,
                        expected=IN_WORDS.get(row.expected, row.expected.upper()), suite=outcome.suite if outcome else "",
                        sent=outcome.sent if outcome else 0, received=outcome.received if outcome else 0, seconds=placed.seconds,
                        why=str(placed.error).splitlines()[0] if placed.error else ""), flush=True)


def place_rows(directory: Path, only: list[str]) -> tuple[int, int]:
    """Places the calls of the table; how many, and how many failed."""
    wanted = rows(only)
    if not wanted:
        return 0, 0
    print(f"# {KIND.title}: one policy, {len(wanted)} of the {len(table())} calls of its matrix", flush=True)
    failed = 0

    def told(placed: Placed) -> None:
        nonlocal failed
        failed += placed.error is not None
        tell(placed)

    with running(directory, wanted) as site:
        place_all(wanted, site, told)
    return len(wanted), failed
