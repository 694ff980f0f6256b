"""Whatever anybody wants and whatever goes wrong: at rest every promise is kept; and a campaign sees it if one is not.

More of it: `python -m tests.desk_in_process.campaign --seeds 1000`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from oms import list_standing, lists
from oms.state import AccountBook

from tests.desk_in_process.campaign import COUNTED, one

SEEDS = (*range(1, 81), 91, 102, 273)
"""The last three went wrong once."""
SABOTAGED_SEEDS_MAX = 60
"""Of so many the first that sees it is enough."""


def test_at_rest_every_promise_is_kept() -> None:
    total: Counter[str] = Counter()
    for seed in SEEDS:
        campaign, wrong = one(seed)
        assert wrong == [], "\n".join([f"seed {seed}", *campaign.story])
        total += campaign.counts
    happened = {name: total[name] for name in COUNTED}
    assert happened.pop("losses") == happened.pop("doubles") == 0
    assert min(happened.values()) > 0, happened


def test_the_same_seed_is_the_same_campaign() -> None:
    first, again = one(7)[0], one(7)[0]
    assert first.desk.trade.stored == again.desk.trade.stored
    assert first.story == again.story


# ------------------------------------------------------------------------------------------------------- sabotaged


def without_dedupe(patch: pytest.MonkeyPatch) -> None:
    """A fill is booked each time that it is told."""
    patch.setattr(AccountBook, "find_execution", lambda *_: None)


def without_oco(patch: pytest.MonkeyPatch) -> None:
    """What has filled takes nothing away: neither the OMS nor IBKR, which is told of no group, cancels the others."""
    for leg in lists.Leg:
        patch.setitem(lists.JOINT, (leg, lists.Need.NONE), lists.Act.KEEP)
    patch.setattr("desk_in_process.venue.group_of", lambda _: ("", 0))


def without_size(patch: pytest.MonkeyPatch) -> None:
    """As soon as an entry has filled at all, its exits are for the whole of its order."""
    given_out = lists._of_what_has_filled

    def whole(known: Any, plan: Any, now: Any) -> Iterator[Any]:
        if now.entry is not None and now.entry.filled_quantity:
            entry = replace(now.entry, filled_quantity=now.entry.order.quantity)
            yield from given_out(known, plan, lists.Standing(entry, now.groups))

    real = list_standing.promised

    def promised(known: Any, plan: Any, entry: Any, *rest: Any, **withdrawn: Any) -> Any:
        if entry is not None and entry.filled_quantity:
            entry = replace(entry, filled_quantity=plan.quantity)
        return real(known, plan, entry, *rest, **withdrawn)

    patch.setattr(lists, "_of_what_has_filled", whole)
    patch.setattr(list_standing, "_less_what_was_taken_back", lambda groups, _: groups)
    patch.setattr(list_standing, "promised", promised)


SABOTAGES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "dedupe": (without_dedupe, "double: the fill"),
    "oco": (without_oco, "orphan"),
    "size": (without_size, "orphan"),
}


@pytest.mark.parametrize("guard", SABOTAGES)
def test_a_campaign_sees_which_guard_is_missing(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take_out, seen = SABOTAGES[guard]
    take_out(monkeypatch)
    for seed in range(1, SABOTAGED_SEEDS_MAX):
        _, wrong = one(seed)
        if any(seen in each for each in wrong):
            return
    raise AssertionError(f"nobody has seen in {SABOTAGED_SEEDS_MAX} campaigns that {guard} is missing")
