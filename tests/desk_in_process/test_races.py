"""Stops and targets that race at a venue which keeps them as one group: whatever fills and comes in between, what is
held never turns round.

Their commands come to the venue one after the other, the market jumps in between as it likes, and the desk hears of
it late: a target may come when its stop has filled, which its venue does not cancel then, since it joins a group of
which nothing works. (IBKR; at dYdX the chain clamps what is reduce-only to what the account holds.)
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signalbox.messages import (
    Contingency,
    ListAlarmed,
    ListLeg,
    ModifyIntent,
    OrderIntent,
    OrderListIntent,
    OrderType,
    Side,
    TimeInForce,
)

from tests.desk_in_process.campaign import MARKETS, Campaign

(SPY,) = (market for market in MARKETS if market.symbol == "SPY")
QUANTITY = Decimal(30)
LOW, MIDDLE, HIGH = (Decimal(-30), Decimal(0), Decimal(30))
"""Where the stop is touched, where nothing is, and where the target is."""
STEPS = (
    "work",
    "work",
    "store",
    "store",
    "report",
    "report",
    "low",
    "middle",
    "high",
    "thin",
    "thick",
    "change",
    "dies",
)


class Race(Campaign):
    """A campaign in which happens what the test says; `turned` is the most that was ever held on the wrong side, and
    `too_many` the most that the orders of one leg were ever for beyond what was held."""

    def __init__(self) -> None:
        super().__init__(1)
        self.venue, self.size, self.changes = self.venues["ibkr"], Decimal(1000), 0
        self.at, self.turned, self.too_many = self.prices[SPY], Decimal(0), Decimal(0)

    def moves(self, by: Decimal) -> None:
        self.now += timedelta(milliseconds=1)
        self._price(SPY, self.at * (1000 + by) / 1000, self.size)

    def wants(self, intent: Any) -> None:
        """What is wanted is decided on, and nothing of it has come to the venue."""
        self.desk.want(intent, self.now, "alice")
        self._judge()
        while self.desk.take_decision(self.now):
            pass

    def step(self, what: str) -> None:
        self.now += timedelta(milliseconds=1)
        match what:
            case "work":
                self.venue.work(self.now)
            case "store":
                self._store_report(self.venue)
            case "report":
                self.desk.take_report(self.now)
            case "thin" | "thick":
                self.size = Decimal(4) if what == "thin" else Decimal(1000)
            case "change":
                self.changes += 1
                price = (self.at * (990 - Decimal(self.changes) / 10) / 1000).quantize(SPY.tick)
                self.wants(
                    ModifyIntent(
                        id=f"c{self.changes}",
                        at=self.now,
                        venue="ibkr",
                        symbol="SPY",
                        order_id="b.stop",
                        stop_price=price,
                    )
                )
            case "dies":
                self.desk.restart_oms(self.now)
            case _:
                self.moves({"low": LOW, "middle": MIDDLE, "high": HIGH}[what])
        held = self.venue.held("SPY")
        works: Counter[str] = Counter()
        for name, (leaves, _) in self.venue.standing().items():
            works[name.split(".")[1].split("-")[0]] += leaves  # type: ignore[assignment]
        del works["entry"]
        most = max(works.values(), default=Decimal(0))
        self.turned, self.too_many = max(self.turned, -held), max(self.too_many, most - held)

    def arrives(self) -> None:
        self._all_go_on()


def leg(name: str, side: str, kind: OrderType, **terms: Any) -> ListLeg:
    return ListLeg(name=name, side=Side(side), order_type=kind, **terms)


def exits(price: Decimal, quantity: Decimal | None) -> tuple[ListLeg, ...]:
    stop = leg("stop", "SELL", OrderType.STOP, stop_price=(price * (1000 - 10) / 1000).quantize(SPY.tick))
    target = leg("target", "SELL", OrderType.LIMIT, limit_price=(price * (1000 + 10) / 1000).quantize(SPY.tick))
    if quantity is None:
        return (stop, target)
    return tuple(ListLeg(**{name: getattr(each, name) for name in each.__struct_fields__} | {"quantity": quantity})
                 for each in (stop, target))  # fmt: skip


def list_of(race: Race, contingency: Contingency, legs: tuple[ListLeg, ...]) -> OrderListIntent:
    return OrderListIntent(id="b", at=race.now, venue="ibkr", symbol="SPY", contingency=contingency, legs=legs)


def entered(size: Decimal = Decimal(1000)) -> Race:
    """The entry of a bracket has filled, of which nothing could leave with it: its exits are about to be sent.

    Of less than it is for the market has so much for each price that is told: it fills in parts.
    """
    race = Race()
    race.size = size
    above = (race.at * (1000 + 1) / 1000).quantize(SPY.tick)
    lasting = TimeInForce.GTC  # longer than its exits, which are sent with no entry that outlives them
    entry = leg("entry", "BUY", OrderType.STOP, stop_price=above, quantity=QUANTITY, time_in_force=lasting)
    race.wants(list_of(race, Contingency.BRACKET, (entry, *exits(race.at, None))))
    race.arrives()
    race.moves(Decimal(2))
    while len(race.venue.waiting) < 2:
        race.step("store")
        race.step("report")
    return race


def held(contingency: Contingency) -> Race:
    """As many are held as a pair of exits is for, which is about to be sent."""
    race = Race()
    race.wants(OrderIntent(id="i", at=race.now, venue="ibkr", symbol="SPY", side=Side.BUY, quantity=QUANTITY,
                           order_type=OrderType.MARKET))  # fmt: skip
    race.arrives()
    race.wants(list_of(race, contingency, exits(race.at, QUANTITY)))
    return race


BEGUN = {
    "BRACKET": entered,
    "PARTS": lambda: entered(Decimal(4)),
    "OCO": lambda: held(Contingency.OCO),
    "OUO": lambda: held(Contingency.OUO),
}


def raced(kind: str, steps: list[str]) -> Race:
    race = BEGUN[kind]()
    for what in steps:
        race.step(what)
    return race


@pytest.mark.parametrize("kind", BEGUN)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=40))
@settings(max_examples=100, deadline=None)
def test_what_is_held_never_turns_round(kind: str, steps: list[str]) -> None:
    race = raced(kind, steps)
    assert (race.turned, race.too_many) == (0, 0), race.story
    assert race.settle() == []
    assert not [each for each in race.desk.trade.stored if isinstance(each, ListAlarmed)]
    assert race.venue.held("SPY") == 0


@pytest.mark.parametrize("kind", ["BRACKET", "OCO", "OUO"])
def test_a_target_that_comes_when_its_stop_has_filled_is_not_sent(kind: str) -> None:
    race = raced(kind, ["work", "low", "work", "high"])
    assert (race.turned, race.venue.held("SPY")) == (0, 0)
    assert race.venue.standing() == {}
    race.arrives()
    assert race.venue.standing() == {}, "and none is sent in its place"
    assert race.settle() == []


@pytest.mark.parametrize("kind", ["BRACKET", "OUO"])
def test_one_that_comes_when_its_stop_has_filled_in_part_is_sent_for_what_is_left(kind: str) -> None:
    race = raced(kind, ["work", "thin", "low", "work", "middle"])
    filled = QUANTITY - race.venue.held("SPY")
    assert (0 < filled < QUANTITY, race.too_many) == (True, 0)
    race.arrives()
    assert {quantity for quantity, _ in race.venue.standing().values()} == {QUANTITY - filled}
    assert len(race.venue.standing()) == 2
    assert race.settle() == []


@pytest.mark.parametrize("kind", ["BRACKET", "OUO"])
def test_a_stop_that_is_moved_when_its_target_has_filled_in_part_is_not_made_larger_again(kind: str) -> None:
    race = raced(kind, ["work", "work", "store", "store", "report", "report"])
    race.arrives()
    for what in ("change", "thin", "high", "work"):
        race.step(what)
    assert (0 < race.venue.held("SPY") < QUANTITY, race.too_many) == (True, 0)
    race.arrives()
    assert race.settle() == []
