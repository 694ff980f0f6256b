"""Limits on what an account loses: what each measures, at the limit and just past it, and when it lets go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from risk.losing import note_decision, reached, standing
from risk.rules import with_limits
from risk.step import LossesLooked
from signalbox.messages import Decision, IntentApproved, IntentDenied, OrderType
from signalbox.sessions import ALWAYS, last_opening

from tests.risk.conftest import ACCOUNT, VENUE
from tests.risk.test_scopes import version

DENIED, APPROVED = IntentDenied, IntentApproved
NEXT_DAY = datetime(2024, 1, 3, 9, 0, tzinfo=UTC)  # 04:00 in New York


def reasons(decision: Decision) -> list[str]:
    also_failed = decision.also_failed if isinstance(decision, DENIED) else ()
    return [*(check.name for check in decision.checks), *also_failed]


def holding(world: Any, price: str = "100", quantity: str = "100", **limits: Any) -> Any:
    """A desk that holds SPY, bought at `price`, within such limits."""
    w = world(limits=limits).ready()
    order = w.order("BUY", quantity, price)
    assert isinstance(w.decide(order), APPROVED)
    return w.quote("SPY", price, price).created(order).fill(order, quantity, "0", price)


def sell(w: Any, quantity: str, price: str, **terms: Any) -> Any:
    """Sell at a price of the market."""
    w.quote("SPY", price, price)
    order = w.order("SELL", quantity, price, **terms)
    assert isinstance(w.decide(order), APPROVED)
    return w.created(order).fill(order, quantity, "0", price)


def buy(w: Any, quantity: str = "10", price: str = "100") -> Any:
    w.quote("SPY", price, price)
    order = w.order("BUY", quantity, price)
    decision = w.decide(order)
    if isinstance(decision, APPROVED):
        w.created(order).fill(order, quantity, "0", price)
    return decision


# --------------------------------------------------------------------------------------------------------- the day


def test_a_day_that_has_lost_its_limit_passes_and_just_past_it_nothing_opens(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(600))
    w.quote("SPY", "94", "94")
    assert isinstance(w.decide(w.order("BUY", "1", "94")), APPROVED)
    w.quote("SPY", "93.99", "93.99")
    denied = w.decide(w.order("BUY", "1", "94"))
    assert reasons(denied) == ["daily_loss"]
    assert denied.reason == (
        f"account {ACCOUNT} has lost 601.00 USD since its day began at 2024-01-02 09:00:00 UTC; 600.00 USD are "
        "allowed: until the next day begins only what reduces is let through"
    )
    [check] = denied.checks
    assert (check.limit, check.observed, check.source) == ("600", "601", f"TRADE:{w.state.folded_up_to}")


def test_the_example_of_the_documentation(world: Any) -> None:
    """Bought at 100 yesterday, at 102 when the day began: at 96 600 are lost today, and not 400."""
    w = holding(world, daily_loss_max=Decimal(600), price_age_seconds_max=100_000)
    w.quote("SPY", "102", "102").take(LossesLooked())
    w.now = NEXT_DAY - timedelta(seconds=1)
    w.take(LossesLooked())
    w.now = NEXT_DAY
    w.take(LossesLooked()).later(6 * 3600).account()
    w.quote("SPY", "96", "96")
    assert isinstance(w.decide(w.order("BUY", "1", "96")), APPROVED)
    w.quote("SPY", "95.99", "95.99")
    denied = w.decide(w.order("BUY", "1", "96"))
    assert reasons(denied) == ["daily_loss"]
    sell(w, "100", "95.99")
    w.quote("SPY", "103", "103")
    assert reasons(w.decide(w.order("BUY", "1", "103"))) == ["daily_loss"]
    [lost] = reached(w.state, w.now)
    assert (lost.venue, lost.account, lost.limit, lost.bound, lost.observed) == (
        VENUE, ACCOUNT, "daily_loss_max", 600, 601,
    )  # fmt: skip


def test_what_only_reduces_passes_whatever_was_lost(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(1), drawdown_max_fraction=Decimal("0.00001"), consecutive_losses_max=1)
    w.quote("SPY", "50", "50")
    assert reasons(w.decide(w.order("BUY", "1", "50"))) == ["daily_loss", "drawdown"]
    stop = w.order("SELL", "50", None, order_type=OrderType.STOP, stop_price=Decimal(49))
    assert isinstance(w.decide(stop), APPROVED)
    assert isinstance(w.decide(w.order("SELL", "50", "50")), APPROVED)
    denied = w.decide(w.order("SELL", "1", "50"))
    assert reasons(denied) == ["daily_loss", "drawdown"], "one more could turn the position round"


def test_a_smaller_order_that_only_reduces_would_have_passed(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(1))
    w.quote("SPY", "50", "50")
    denied = w.decide(w.order("SELL", "150", "50"))
    assert isinstance(denied, DENIED)
    assert denied.would_pass is not None
    assert denied.would_pass.quantity == 100


def test_a_day_that_is_up_never_fires_however_much_of_it_is_given_back(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(100))
    sell(w, "50", "120")
    for price in ("150", "121", "100", "99"):
        w.quote("SPY", price, price)
        assert isinstance(w.decide(w.order("BUY", "1", price)), APPROVED)


def test_it_stays_reached_when_it_is_won_back_until_the_next_day_begins(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500), price_age_seconds_max=100_000, account_age_seconds_max=100_000)
    w.quote("SPY", "94", "94")
    assert reasons(w.decide(w.order("BUY", "1", "94"))) == ["daily_loss"]
    w.later(60).quote("SPY", "101", "101")
    denied = w.decide(w.order("BUY", "1", "101"))
    assert reasons(denied) == ["daily_loss"]
    assert "has lost 600.00 USD (now -100.00 USD) since" in denied.reason
    gtc = {"time_in_force": "GTC"}
    w.now = NEXT_DAY - timedelta(microseconds=1)
    w.take(LossesLooked())
    assert reasons(w.decide(w.order("BUY", "1", "101", **gtc))) == ["daily_loss"]
    w.now = NEXT_DAY
    w.take(LossesLooked())
    assert isinstance(w.decide(w.order("BUY", "1", "101", **gtc)), APPROVED)


def test_an_operator_who_sets_a_higher_limit_lets_it_go(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500))
    w.quote("SPY", "94", "94")
    assert reasons(w.decide(w.order("BUY", "1", "94"))) == ["daily_loss"]
    w.state.rules = with_limits(w.state.rules, version(w, desk={"daily_loss_max": Decimal(600)}))
    assert isinstance(w.decide(w.order("BUY", "1", "94")), APPROVED)


def test_the_tightest_scope_says_how_much_and_is_told(world: Any) -> None:
    w = holding(world)
    w.state.rules = with_limits(
        w.state.rules,
        version(w, desk={"daily_loss_max": Decimal(900)}, account={ACCOUNT: {"daily_loss_max": Decimal(300)}}),
    )
    w.quote("SPY", "96", "96")
    denied = w.decide(w.order("BUY", "1", "96"))
    assert reasons(denied) == ["daily_loss"]
    assert denied.reason.endswith(f"(the limit of account:{ACCOUNT})")


def test_a_price_that_is_old_while_its_market_trades_denies_what_opens(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500))
    w.later(61).account().link().quote("AAPL", "49.99", "50")
    denied = w.decide(w.order("BUY", "1", "50", symbol="AAPL"))
    assert denied.reason == (
        f"what account {ACCOUNT} has lost is not known: SPY is held, and its price is 61 s old; only what reduces is "
        "let through"
    )
    w.quote("SPY", "100", "100")
    assert isinstance(w.decide(w.order("BUY", "1", "50", symbol="AAPL")), APPROVED)


def test_while_its_market_is_closed_the_last_price_stands(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500))
    w.now = datetime(2024, 1, 3, 2, 0, tzinfo=UTC)  # Hong Kong trades, New York does not
    w.account().link().quote("0700.HK", "299.8", "300")
    decision = w.decide(w.order("BUY", "100", "300", symbol="0700.HK"))
    assert "daily_loss" not in reasons(decision)


def test_a_position_without_any_price_denies_what_opens(world: Any) -> None:
    w = world(limits={"daily_loss_max": Decimal(500)})
    w.ready(positions=(w.held("MSFT", "10"),))
    denied = w.decide(w.order())
    assert denied.reason.startswith(
        f"what account {ACCOUNT} has lost is not known: MSFT is held, and ibkr has sent no price of it"
    )


def test_a_position_without_a_rate_denies_what_opens(world: Any) -> None:
    w = world(limits={"daily_loss_max": Decimal(500)})
    w.ready(positions=(w.held("0700.HK", "100", "300", "HKD"),))
    denied = w.decide(w.order())
    assert "daily_loss" in reasons(denied)
    assert denied.basis is not None
    assert denied.basis.books.losses is not None
    assert denied.basis.books.losses.unknown == "0700.HK can not be valued: a price or rate is missing"


def test_other_currencies_count_at_their_rate(world: Any) -> None:
    w = world(limits={"daily_loss_max": Decimal(500)}, desk={"fx_rates": {"HKD": Decimal("0.1")}})
    w.ready(positions=(w.held("0700.HK", "100", "300", "HKD"),))
    assert isinstance(w.decide(w.order()), APPROVED)
    w.quote("0700.HK", "249", "251")  # 49.9 HKD down of 299.9, of 100
    assert isinstance(w.decide(w.order()), APPROVED)
    w.quote("0700.HK", "249", "250")
    assert reasons(w.decide(w.order())) == ["daily_loss"]


def test_nobody_knows_what_a_day_has_lost_that_no_calendar_covers(world: Any) -> None:
    w = world(limits={"daily_loss_max": Decimal(500)})
    w.now = datetime(2090, 1, 3, 17, 0, tzinfo=UTC)
    w.ready()
    denied = w.decide(w.order())
    assert "daily_loss" in reasons(denied)
    assert denied.basis is not None
    assert denied.basis.books.losses is not None
    assert denied.basis.books.losses.unknown.startswith("the XNYS calendar covers")


def test_a_process_that_was_not_there_when_the_day_began_goes_by_the_last_decision(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500), price_age_seconds_max=100_000)
    assert isinstance(w.decide(w.order("BUY", "1", "100")), APPROVED)
    w.now = NEXT_DAY + timedelta(hours=6)
    w.account().quote("SPY", "94", "94")
    denied = w.decide(w.order("BUY", "1", "94"))
    assert reasons(denied) == ["daily_loss"], "600 since the last decision: how much of it today, nobody has seen"


def not_there(w: Any, price: str) -> Any:
    """The next day, of which this process has not seen the beginning."""
    w.now = NEXT_DAY + timedelta(hours=6)
    w.account().quote("SPY", price, price)
    return w.decide(w.order("BUY", "1", price))


def test_what_the_last_decision_saw_is_not_what_the_last_fill_left(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(100), price_age_seconds_max=100_000)
    w.quote("SPY", "105", "105")
    assert isinstance(w.decide(w.order("BUY", "1", "105")), APPROVED)
    assert reasons(not_there(w, "103")) == ["daily_loss"]


def test_of_what_others_have_opened_the_account_knows_what_it_was_before(world: Any) -> None:
    w = world(limits={"daily_loss_max": Decimal(500)}).ready()
    foreign = w.order("BUY", "100", "100", id="external-1")
    w.created(foreign).fill(foreign, "100", "0", "100")
    assert reasons(not_there(w, "94")) == ["daily_loss"]


def test_what_was_lost_the_day_before_is_not_of_this_day_where_nothing_is_held(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500))
    assert isinstance(w.decide(w.order("BUY", "1", "100")), APPROVED)
    stop = w.order("SELL", "100", "90", id="external-1")
    w.created(stop).fill(stop, "100", "0", "90")
    assert isinstance(not_there(w, "90"), APPROVED)
    assert standing(w.state, (VENUE, ACCOUNT), w.now).opening == -1000


def test_who_was_there_at_the_end_of_a_day_knows_how_the_next_begins(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500), price_age_seconds_max=100_000, account_age_seconds_max=100_000)
    w.quote("SPY", "94", "94")
    w.now = NEXT_DAY - timedelta(minutes=2)
    w.take(LossesLooked()).later(180)
    assert isinstance(w.decide(w.order("BUY", "1", "94", time_in_force="GTC")), APPROVED)


def test_a_clock_that_goes_back_lets_nothing_go(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500))
    w.quote("SPY", "94", "94")
    assert reasons(w.decide(w.order("BUY", "1", "94"))) == ["daily_loss"]
    w.now -= timedelta(days=4)  # a Friday
    w.account().quote("SPY", "94", "94")
    assert "daily_loss" in reasons(w.decide(w.order("BUY", "1", "94")))


def test_a_decision_that_stands_behind_what_it_had_not_seen_takes_nothing_back(world: Any) -> None:
    w = holding(world, daily_loss_max=Decimal(500), drawdown_max_fraction=Decimal("0.5"))
    w.quote("SPY", "94", "94")
    decision, losses = w.decide(w.order("BUY", "1", "94")), w.state.books[VENUE, ACCOUNT].losses
    assert decision.basis is not None
    seen = decision.basis.books.losses
    assert seen is not None
    earlier = replace(seen, pnl=Decimal(-5), lowest=Decimal(-5), peak=Decimal(-5))
    basis = replace(decision.basis, books=replace(decision.basis.books, losses=earlier))
    note_decision(w.state, replace(decision, basis=basis))
    assert (losses.lowest, losses.peak) == (-600, 0)


def test_a_day_at_dydx_is_utcs() -> None:
    at = datetime(2024, 1, 6, 0, 0, tzinfo=UTC)
    assert last_opening(ALWAYS, at) == at
    assert last_opening(ALWAYS, at - timedelta(microseconds=1)) == at - timedelta(days=1)


def test_a_day_in_new_york_lasts_over_night_and_over_the_weekend() -> None:
    friday = datetime(2024, 1, 5, 9, 0, tzinfo=UTC)
    assert last_opening("XNYS", friday) == friday
    assert last_opening("XNYS", datetime(2024, 1, 8, 8, 59, 59, tzinfo=UTC)) == friday
    assert last_opening("XNYS", datetime(2024, 1, 8, 9, 0, tzinfo=UTC)) == datetime(2024, 1, 8, 9, 0, tzinfo=UTC)


# ------------------------------------------------------------------------------------------------------- from the peak


def test_a_drawdown_passes_at_its_limit_and_not_just_past_it(world: Any) -> None:
    """2,000 up is the peak; 98,000 + 2,000 lost is what the account would be worth: a hundredth of it is 1,000."""
    w = holding(world, drawdown_max_fraction=Decimal("0.02"))
    w.quote("SPY", "120", "120")
    assert isinstance(w.decide(w.order("BUY", "1", "120")), APPROVED)
    w.account(net_liquidation=Decimal(98_000)).quote("SPY", "100", "100")
    assert isinstance(w.decide(w.order("BUY", "1", "100")), APPROVED)
    w.quote("SPY", "99.99", "99.99")
    denied = w.decide(w.order("BUY", "1", "100"))
    assert reasons(denied) == ["drawdown"]
    assert denied.reason == (
        f"account {ACCOUNT} has lost 2,001.00 USD since its peak, 2.00% of what it would be worth; 2.00% are allowed: "
        "until it is back within that only what reduces is let through"
    )
    [lost] = reached(w.state, w.now)
    assert (lost.limit, round(lost.observed, 5)) == ("drawdown_max_fraction", Decimal("0.02001"))


def test_the_peak_is_seen_between_decisions_and_stays_over_the_day(world: Any) -> None:
    w = holding(world, drawdown_max_fraction=Decimal("0.002"), price_age_seconds_max=100_000)
    w.quote("SPY", "130", "130").take(LossesLooked())
    w.now = NEXT_DAY + timedelta(hours=6)
    w.take(LossesLooked()).account().quote("SPY", "110", "110")
    assert isinstance(w.decide(w.order("BUY", "1", "110")), APPROVED)
    w.quote("SPY", "109", "109")
    assert reasons(w.decide(w.order("BUY", "1", "109"))) == ["drawdown"]


def test_without_what_the_account_is_worth_nothing_opens(world: Any) -> None:
    w = holding(world, drawdown_max_fraction=Decimal("0.5"))
    w.account(net_liquidation=Decimal("NaN"))
    assert "drawdown" in reasons(w.decide(w.order()))


def test_an_account_that_is_worth_nothing_has_lost_all(world: Any) -> None:
    w = holding(world, drawdown_max_fraction=Decimal("0.9"))
    w.quote("SPY", "99", "99").account(net_liquidation=Decimal(-500))
    assert "drawdown" in reasons(w.decide(w.order("BUY", "1", "99")))


# ------------------------------------------------------------------------------------------------------------- in a row


def test_after_so_many_losses_in_a_row_nothing_opens(world: Any) -> None:
    w = holding(world, quantity="10", consecutive_losses_max=2)
    sell(w, "10", "99")
    assert isinstance(buy(w), APPROVED)
    sell(w, "10", "99")
    denied = buy(w)
    assert reasons(denied) == ["consecutive_losses"]
    assert denied.reason == (
        f"account {ACCOUNT} has closed 2 positions in a row at a loss, and 2 are allowed: until its next day begins, "
        "or one is closed with a gain, only what reduces is let through"
    )


def test_how_many_fills_close_it_does_not_matter_and_a_gain_ends_the_row(world: Any) -> None:
    w = holding(world, quantity="10", consecutive_losses_max=2)
    sell(sell(sell(w, "4", "99"), "4", "98"), "2", "97")
    assert w.state.books[VENUE, ACCOUNT].losses.in_a_row == 1
    buy(w)
    sell(w, "10", "101")
    buy(w)
    sell(sell(w, "5", "90"), "5", "111")  # 50 lost, 55 won
    buy(w)
    sell(w, "10", "100")  # at cost: neither
    assert w.state.books[VENUE, ACCOUNT].losses.in_a_row == 0


def test_a_position_that_is_turned_round_was_closed(world: Any) -> None:
    w = holding(world, quantity="10", consecutive_losses_max=5)
    sell(w, "20", "99")
    assert w.state.books[VENUE, ACCOUNT].losses.in_a_row == 1
    assert isinstance(buy(w, "10", "101"), APPROVED)
    assert w.state.books[VENUE, ACCOUNT].losses.in_a_row == 2


def test_a_new_day_begins_a_new_row(world: Any) -> None:
    w = holding(world, quantity="10", consecutive_losses_max=1)
    sell(w, "10", "99")
    assert reasons(buy(w)) == ["consecutive_losses"]
    w.now = NEXT_DAY + timedelta(hours=6)
    w.account()
    assert isinstance(buy(w), APPROVED)
    sell(w, "10", "99")
    assert w.state.books[VENUE, ACCOUNT].losses.in_a_row == 1


# -------------------------------------------------------------------------------------------------------- after a stop


def stopped(w: Any, quantity: str, price: str) -> Any:
    stop = w.order("SELL", quantity, None, order_type=OrderType.STOP, stop_price=Decimal(price))
    assert isinstance(w.decide(stop), APPROVED)
    return w.created(stop, stop_price=Decimal(price)).quote("SPY", price, price).fill(stop, quantity, "0", price)


def test_after_a_stop_nothing_opens_in_the_symbol_for_so_long(world: Any) -> None:
    w = stopped(holding(world, cooldown_seconds_after_stop=50), "50", "99")
    w.later(49.999)
    denied = w.decide(w.order("BUY", "1", "99"))
    assert reasons(denied) == ["cooldown"]
    assert denied.reason == (
        "a stop has closed SPY at 2024-01-02 17:00:00 UTC: until 2024-01-02 17:00:50 UTC only what reduces is let "
        "through there"
    )
    assert isinstance(w.decide(w.order("BUY", "1", "50", symbol="AAPL")), APPROVED)
    assert isinstance(w.decide(w.order("SELL", "1", "99")), APPROVED)
    w.later(0.001)
    assert isinstance(w.decide(w.order("BUY", "1", "99")), APPROVED)


def test_a_stop_that_opens_and_a_limit_that_closes_begin_no_cooldown(world: Any) -> None:
    w = holding(world, cooldown_seconds_after_stop=50)
    stop = w.order("BUY", "1", None, order_type=OrderType.STOP, stop_price=Decimal(101))
    w.decide(stop)
    w.created(stop, stop_price=Decimal(101)).fill(stop, "1", "0", "101")
    sell(w, "50", "100")
    assert isinstance(w.decide(w.order("BUY", "1", "100")), APPROVED)


def test_the_longest_cooldown_is_the_tightest(world: Any) -> None:
    w = holding(world)
    seconds = {"cooldown_seconds_after_stop": Decimal(10)}
    longer = {"cooldown_seconds_after_stop": Decimal(40)}
    w.state.rules = with_limits(w.state.rules, version(w, desk=seconds, symbol={"SPY": longer}))
    stopped(w, "50", "99").later(39)
    assert reasons(w.decide(w.order("BUY", "1", "99"))) == ["cooldown"]
