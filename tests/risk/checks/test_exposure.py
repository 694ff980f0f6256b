"""What an account's positions come to together: at the limit, just past it, with nothing known; what only reduces."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk.limits import limit_use
from risk.rules import with_limits
from risk.state import ZERO
from risk.sums import moved
from signalbox.account_groups import AccountGroup
from signalbox.desk import Venue
from signalbox.messages import (
    BooksSeen,
    IntentApproved,
    IntentDenied,
    LinkStatus,
    ModifyIntent,
    PositionSeen,
    SumsSeen,
    VenueLink,
)

from tests.risk.conftest import ACCOUNT, VENUE
from tests.risk.test_scopes import version

OTHER = "DU7654321"
TWO = {"venues": {VENUE: Venue(accounts=(ACCOUNT, OTHER))}}


def names(decision: Any) -> list[str]:
    also = decision.also_failed if isinstance(decision, IntentDenied) else ()
    return [*(check.name for check in decision.checks), *also]


def decided(w: Any, order: Any) -> list[str]:
    """What fails."""
    return names(w.decide(order))


# ------------------------------------------------------------------------------------------------- open positions


def test_as_many_positions_as_are_allowed_and_no_more(world: Any, check: Any) -> None:
    w = world(limits={"open_positions_max": 1}).ready()
    assert decided(w, w.order(quantity="1")) == []
    denied = w.decide(w.order(symbol="AAPL", quantity="1", limit="50"))
    assert names(denied) == ["open_positions"]
    assert denied.reason == (
        f"account {ACCOUNT} holds or opens 1 positions, and 1 are allowed: close one, or add to one of them"
    )
    found = check(denied, "open_positions")
    assert (found.limit, found.observed) == ("1", "2")
    assert denied.would_pass.quantity is None


def test_one_more_order_of_a_position_that_is_open_opens_no_other(world: Any) -> None:
    w = world(limits={"open_positions_max": 1}).ready()
    assert decided(w, w.order(quantity="1")) == []
    assert decided(w, w.order(quantity="1")) == []


def test_what_is_cancelled_or_closed_is_no_position(world: Any) -> None:
    w = world(limits={"open_positions_max": 1}).ready()
    order = w.order(quantity="1")
    assert decided(w, order) == []
    w.created(order).canceled(order)
    bought = w.order(symbol="AAPL", quantity="1", limit="50")
    assert decided(w, bought) == []
    w.created(bought).fill(bought, "1", "0", "50")
    assert decided(w, w.order(quantity="1")) == ["open_positions"]
    sold = w.order("SELL", "1", "50", symbol="AAPL")
    assert decided(w, sold) == []
    w.created(sold).fill(sold, "1", "0", "50")
    assert decided(w, w.order(quantity="1")) == []


def test_an_account_that_holds_more_than_it_may_can_close(world: Any) -> None:
    w = world(limits={"open_positions_max": 1})
    w.ready(positions=(w.held("SPY", "10"), w.held("AAPL", "5", "50")))
    assert decided(w, w.order("SELL", "10")) == []


# -------------------------------------------------------------------------------------------------- entries


def test_a_symbol_that_is_held_or_being_opened_is_not_entered_again(world: Any) -> None:
    w = world(limits={"entries_per_position_max": 1}).ready(positions=())
    order = w.order(quantity="10")
    assert decided(w, order) == []
    assert decided(w, w.order(quantity="1")) == ["entries_per_position"]
    w.created(order).fill(order, "10", "0")
    denied = w.decide(w.order("SELL", "15"))
    assert names(denied) == ["entries_per_position"]
    assert "SPY is held or being opened in account DU1234567" in denied.reason
    assert denied.would_pass.quantity == 10
    assert decided(w, w.order("SELL", "10")) == []
    assert decided(w, w.order(symbol="AAPL", quantity="1", limit="50")) == []


def test_a_change_of_an_entry_is_no_other_one_and_one_that_turns_a_position_round_is(world: Any) -> None:
    w = world(limits={"entries_per_position_max": 1}).ready()
    order = w.order(quantity="10", limit="99")
    assert decided(w, order) == []
    w.created(order).accepted(order).fill(order, "4", "6", "99")
    assert decided(w, w.modify(order.id, "12", "98")) == []
    held = world(limits={"entries_per_position_max": 1})
    held.ready(positions=(held.held("SPY", "10"),))
    sale = held.order("SELL", "10", "101")
    assert decided(held, sale) == []
    held.created(sale).accepted(sale)
    assert decided(held, held.modify(sale.id, "11")) == ["entries_per_position"]
    assert decided(held, held.modify(sale.id, None, "102")) == []


# ---------------------------------------------------------------------------------------- parts of what it is worth


@pytest.mark.parametrize(
    ("limit", "least", "name"),
    [
        ("position_equity_fraction_max", "0.1", "position_equity_fraction"),
        ("leverage_max", "0.1", "leverage"),
        ("net_exposure_max", "1000", "net_exposure"),
        ("exposure_equity_fraction_max", "0.1", "desk_exposure"),
    ],
)
def test_a_part_of_the_account_is_at_its_limit_and_past_it(world: Any, limit: str, least: str, name: str) -> None:
    def ready(**said: Any) -> Any:
        return world(limits={limit: Decimal(least)}).ready().account(net_liquidation=Decimal(10_000), **said)

    w = ready()
    assert decided(w, w.order(quantity="10")) == []
    assert decided(w, w.order(quantity="1")) == [name]
    w = ready()
    denied = w.decide(w.order(quantity="11"))
    assert names(denied) == [name]
    assert denied.would_pass.quantity == 10
    assert decided(w, w.order("SELL", "10", "100")) == []
    if limit != "net_exposure_max":
        for said in ({"currency": "HKD"}, *({"net_liquidation": Decimal(worth)} for worth in ("0", "-5", "NaN"))):
            w = world(limits={limit: Decimal(least)}).ready().account(**said)
            assert decided(w, w.order(quantity="1")) == [name], said
    assert decided(world().ready(), w.order(quantity="1")) == []


def test_what_only_reduces_passes_whatever_is_held(world: Any) -> None:
    least = Decimal("0.0001")
    w = world(
        limits={
            "position_equity_fraction_max": least,
            "leverage_max": least,
            "net_exposure_max": least,
            "exposure_equity_fraction_max": least,
        }
    )
    w.ready(positions=(w.held("SPY", "10"), w.held("AAPL", "-5", "50")))
    assert decided(w, w.order("SELL", "10")) == []
    assert decided(w, w.order("BUY", "5", "50", symbol="AAPL")) == []
    assert decided(w, w.order("SELL", "1")) == [
        "position_equity_fraction", "net_exposure", "leverage", "desk_exposure",
    ]  # fmt: skip


def test_long_and_short_are_held_against_each_other(world: Any, check: Any) -> None:
    w = world(limits={"net_exposure_max": Decimal(1000)}).ready(positions=())
    sale = w.order("SELL", "20", "50", symbol="AAPL")
    assert decided(w, sale) == []
    assert decided(w, w.order("BUY", "11")) == ["net_exposure"], "a sale that has not filled covers nothing"
    w.created(sale).fill(sale, "20", "0", "50").quote("AAPL", "50", "50")
    denied = w.decide(w.order("BUY", "21"))
    assert names(denied) == ["net_exposure"]
    assert check(denied, "net_exposure").observed == "1100"
    assert decided(w, w.order("BUY", "20")) == []


def test_a_change_counts_by_what_it_adds(world: Any) -> None:
    w = world(limits={"net_exposure_max": Decimal(1000)}).ready()
    order = w.order(quantity="10", limit="90")
    assert decided(w, order) == []
    w.created(order).accepted(order)
    assert decided(w, w.modify(order.id, None, "100")) == []
    w = world(limits={"net_exposure_max": Decimal(1000)}).ready()
    assert decided(w, w.order(quantity="1", limit="100")) == []
    order = w.order(quantity="10", limit="90")
    assert decided(w, order) == []
    w.created(order).accepted(order)
    assert decided(w, w.modify(order.id, None, "90.01")) == ["net_exposure"]


def test_a_position_without_a_price_leaves_nobody_to_say(world: Any) -> None:
    w = world(limits={"net_exposure_max": Decimal(100_000), "leverage_max": Decimal(5)}, desk={"fx_rates": {}})
    w.ready(positions=(w.held("0700.HK", "100", "300", "HKD"),))
    assert {"net_exposure", "leverage"} <= set(names(w.decide(w.order(quantity="1"))))


# ------------------------------------------------------------------------------------------------- the whole desk


def together(world: Any) -> Any:
    """Two accounts, which may hold 10 % of both, worth 20,000 together."""
    w = world(limits={"exposure_equity_fraction_max": Decimal("0.1")}, desk=TWO).ready()
    w.account(net_liquidation=Decimal(10_000)).adopt(account=OTHER)
    return w.account(account=OTHER, net_liquidation=Decimal(10_000))


def order_of(w: Any, quantity: str, **terms: Any) -> Any:
    return w.order(quantity=quantity, **{"account": ACCOUNT, **terms})


def test_accounts_count_together(world: Any, check: Any) -> None:
    w = together(world)
    assert decided(w, order_of(w, "20")) == []
    w = together(world)
    denied = w.decide(order_of(w, "21"))
    assert names(denied) == ["desk_exposure"]
    assert "the desk could hold 2,100.00 USD at all venues together, and is worth 20,000.00 USD" in denied.reason
    assert denied.would_pass.quantity == 20
    assert check(denied, "desk_exposure").source.count("STATE:9") == 2


def test_what_another_account_holds_counts(world: Any) -> None:
    w = world(limits={"exposure_equity_fraction_max": Decimal("0.1")}, desk=TWO).ready()
    w.account(net_liquidation=Decimal(10_000)).account(account=OTHER, net_liquidation=Decimal(10_000))
    w.adopt(account=OTHER, positions=(w.held("SPY", "15"),)).quote("SPY", "100", "100")
    assert decided(w, order_of(w, "6")) == ["desk_exposure"]
    assert decided(w, order_of(w, "5")) == []


@pytest.mark.parametrize(
    "what", ["no figures", "old", "ahead", "no number", "other money", "no books", "no rate", "no price"]
)
def test_of_an_account_that_is_not_known_the_desk_is_not(world: Any, what: str) -> None:
    w = world(limits={"exposure_equity_fraction_max": Decimal("0.1"), "account_age_seconds_max": 60}, desk=TWO)
    w.ready()
    if what != "no figures":
        w.account(account=OTHER)
    if what == "no price":
        w.adopt(account=OTHER, positions=(w.held("0700.HK", "100", "300", "HKD"),))
    elif what != "no books":
        w.adopt(account=OTHER, currency="EUR" if what == "no rate" else "USD")
    if what == "no rate":
        w.account(account=OTHER, currency="EUR")
    if what == "old":
        w.later(61).account().link().quote("SPY", "99.99", "100")
    if what == "ahead":
        w.account(account=OTHER, at=w.now + timedelta(seconds=31))
    if what == "no number":
        w.account(account=OTHER, net_liquidation=Decimal("NaN"))
    if what == "other money":
        w.account(account=OTHER, currency="EUR")
    denied = w.decide(order_of(w, "1"))
    assert names(denied) == ["desk_exposure"]
    assert f"account {OTHER} at {VENUE} can not be valued" in denied.reason


def test_an_account_of_another_currency_counts_at_the_stated_rate(world: Any) -> None:
    w = world(
        limits={"exposure_equity_fraction_max": Decimal("0.1")}, desk={**TWO, "fx_rates": {"EUR": Decimal("1.5")}}
    ).ready()
    w.account(net_liquidation=Decimal(5000))
    w.adopt(account=OTHER, currency="EUR").account(account=OTHER, currency="EUR", net_liquidation=Decimal(10_000))
    assert decided(w, order_of(w, "20")) == []
    w.account(net_liquidation=Decimal(4999))
    assert decided(w, order_of(w, "1")) == ["desk_exposure"]
    w.account(net_liquidation=Decimal(6999), rates={"EUR": Decimal("1.4")})
    assert decided(w, order_of(w, "1")) == ["desk_exposure"], "its venue's word goes before the desk file's"
    w.account(net_liquidation=Decimal(7000), rates={"EUR": Decimal("1.4")})
    assert decided(w, order_of(w, "1")) == []


def test_an_order_for_a_group_is_not_held_against_the_whole_desk(world: Any) -> None:
    groups = (AccountGroup(venue=VENUE, name="all", accounts=(ACCOUNT, OTHER)),)
    w = world(limits={"exposure_equity_fraction_max": Decimal("0.1")}, desk={**TWO, "groups": groups}).ready()
    w.adopt(account=OTHER).account(account=OTHER)
    w.take(VenueLink(id="beat", at=w.now, venue=VENUE, account=OTHER, status=LinkStatus.READY))
    denied = w.decide(w.order(quantity="2", group="all"))
    assert set(names(denied)) == {"desk_exposure"}
    assert "send it to each account by itself" in denied.reason
    assert denied.checks[0].observed == f"{ACCOUNT}: unknown"


# --------------------------------------------------------------------------------------------- use, lists, histories


def test_what_of_each_is_used(world: Any) -> None:
    limits = {
        "open_positions_max": 4,
        "position_equity_fraction_max": Decimal("0.1"),
        "net_exposure_max": Decimal(10_000),
        "leverage_max": Decimal(2),
    }
    w = world(limits=limits)
    w.ready(positions=(w.held("SPY", "40"), w.held("AAPL", "-40", "50"))).account(net_liquidation=Decimal(100_000))
    w.quote("SPY", "100", "100").quote("AAPL", "50", "50")
    found = limit_use(w.state, (VENUE, ACCOUNT), w.now)
    assert {name: found[name] for name in limits} == {
        "open_positions_max": 0.5,
        "position_equity_fraction_max": 0.4,
        "net_exposure_max": 0.2,
        "leverage_max": 0.03,
    }


def test_while_the_books_are_not_taken_over_nothing_is_opened(world: Any) -> None:
    w = world(limits={"open_positions_max": 4, "entries_per_position_max": 1})
    w.instrument("SPY").account().link()
    assert {"open_positions", "entries_per_position"} <= set(names(w.decide(w.order())))


def test_what_an_entry_moves_counts_for_what_follows_it() -> None:
    books = BooksSeen(sums=SumsSeen(positions=2, long_value=Decimal(50), short_value=Decimal(-10)))
    after = PositionSeen(quantity=Decimal(1), selling_quantity=Decimal(1))
    found = moved(books, PositionSeen(), after, (ZERO, ZERO, ZERO), (Decimal(100), ZERO, Decimal(30)))
    assert found.sums == SumsSeen(positions=3, long_value=Decimal(150), short_value=Decimal(-80))
    assert moved(found, after, PositionSeen(), (Decimal(100), ZERO, Decimal(30)), (ZERO, ZERO, ZERO)) == books


def test_nobody_looks_at_what_is_not_stated(world: Any) -> None:
    w = world().ready()
    assert w.decide(w.order()).basis.books.sums is None
    w = world(limits={"net_exposure_max": Decimal(1)}).ready()
    decision = w.decide(w.order())
    assert decision.basis.books.sums is not None
    w.state.rules = with_limits(w.state.rules, version(w, desk={"leverage_max": Decimal(1)}))
    assert w.decide(w.order()).basis.books.sums is not None


NET, COUNT = Decimal(120_000), 2


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_history_leads_past_these_limits(two_currencies: Any, steps: Any, data: Any) -> None:
    """Positions never; what is net long or short not by an order that opens."""
    part = Decimal("0.2")
    limits = {
        "open_positions_max": COUNT,
        "net_exposure_max": NET,
        "position_equity_fraction_max": part,
        "leverage_max": Decimal("0.25"),
    }
    w = two_currencies(limits={**limits, "open_orders_max": 50})
    decide = w.decide

    def watched(intent: Any) -> Any:
        decision = decide(intent)
        if isinstance(decision, IntentApproved) and decision.basis is not None:
            seen = decision.basis.order
            terms = seen.terms if isinstance(intent, ModifyIntent) and seen is not None else intent
            sums = w.state.books[VENUE, ACCOUNT].sums
            held = w.state.books[VENUE, ACCOUNT].holdings[terms.symbol]
            if terms.side.sign > 0 and held.quantity + held.buying_quantity > 0:
                assert sums.long_value <= NET
            if terms.side.sign < 0 and held.quantity - held.selling_quantity < 0:
                assert sums.short_value <= NET
        return decision

    w.decide = watched

    def within() -> None:
        books = w.state.books[VENUE, ACCOUNT]
        assert books.sums.positions <= COUNT
        assert all(held.worst_value <= part * 1_000_000 for held in books.holdings.values())
        assert books.worst_value <= 250_000

    drawn = [step for step in data.draw(steps) if step[0] != "quote"]
    w.walk([_at_the_market(step) for step in drawn], within)


def _at_the_market(step: Any) -> Any:
    if step[0] == "order" and step[3] is not None:
        return (*step[:3], str(max(Decimal(step[3]), Decimal(100))), step[4])
    return step
