"""Which limits hold for an order: the tightest of its scopes, told by name; what nobody states denies."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from risk.decide import decide_again, explain
from risk.rules import rules_of, with_limits
from risk.scopes import LimitBook, resolve
from signalbox import messages
from signalbox.desk import Limits
from signalbox.instruments import parse_symbol
from signalbox.limits import LIMITS, name_of, of_desk_file, tables, words
from signalbox.messages import Decision, IntentApproved, IntentDenied, LimitsByScope, LimitsSet

VENUE, ACCOUNT = "ibkr", "DU1234567"


def stated(**limits: str | int) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in limits.items()}


def version(w: Any, number: int = 1, **scopes: Any) -> LimitsSet:
    """The desk file's limits, with what `scopes` state."""
    desk = scopes.pop("desk", {})
    whole = of_desk_file(w.state.desk.limits)
    limits = replace(whole, desk={**whole.desk, **desk}, **scopes)
    return LimitsSet(
        id=f"limits/{number}",
        at=w.now,
        version=number,
        limits=limits,
        by="olga",
        reason="try it",
        desk_file=name_of(w.state.desk.limits),
    )


def holding(world: Any, **scopes: Any) -> Any:
    """A desk that trades under such limits."""
    w = world().ready()
    w.state.rules = with_limits(w.state.rules, version(w, **scopes))
    return w


TEN = stated(order_quantity_max=10)
SCOPES: dict[str, dict[str, Any]] = {
    "venue:ibkr": {"venue": {"ibkr": TEN}},
    "account:DU1234567": {"account": {ACCOUNT: TEN}},
    "asset_class:STOCK": {"asset_class": {"STOCK": TEN}},
    "strategy:momentum": {"strategy": {"momentum": TEN}},
    "symbol:SPY": {"symbol": {"SPY": TEN}},
}


@pytest.mark.parametrize("scope", SCOPES)
def test_the_tightest_scope_decides_and_the_decision_says_which(world: Any, scope: str) -> None:
    w = holding(world, **SCOPES[scope])
    passed = w.decide(w.order(quantity="10", strategy="momentum"))
    denied = w.decide(w.order(quantity="11", strategy="momentum"))
    assert isinstance(passed, IntentApproved)
    assert isinstance(denied, IntentDenied)
    assert denied.reason == f"the order is for 11; one order may be for 10 at most (the limit of {scope})"
    [check] = denied.checks
    assert (check.name, check.limit, check.scope) == ("order_quantity", "10", scope)
    assert denied.basis is not None
    assert denied.basis.limits_version == 1


@pytest.mark.parametrize(
    "scopes",
    [
        {"venue": {"dydx": TEN}},
        {"account": {"DU7654321": TEN}},
        {"asset_class": {"OPTION": TEN}},
        {"strategy": {"momentum": TEN, "": TEN}},
        {"symbol": {"AAPL": TEN}},
    ],
)
def test_what_is_of_another_scope_does_not_hold(world: Any, scopes: Any) -> None:
    w = holding(world, **scopes)
    assert isinstance(w.decide(w.order(quantity="11")), IntentApproved)


def test_of_the_desk_itself_the_scope_is_told_and_the_sentence_is_short(world: Any) -> None:
    w = holding(world, desk=stated(order_quantity_max=5))
    denied = w.decide(w.order(quantity="6"))
    assert (denied.reason, denied.checks[0].scope) == ("the order is for 6; one order may be for 5 at most", "desk")


def test_before_operators_have_set_any_nothing_of_a_decision_is_another(world: Any) -> None:
    w = world().ready()
    denied = w.decide(w.order(quantity="1001"))
    assert (denied.checks[0].scope, denied.basis.limits_version) == ("", 0)
    assert w.state.rules.version == rules_of(w.state.desk).version == w.state.rules.file_version


def test_a_limit_that_no_scope_states_denies(world: Any) -> None:
    w = holding(world)
    whole = w.state.rules.limits.limits
    for name in LIMITS:
        desk = {limit: value for limit, value in whole.desk.items() if limit != name}
        w.state.rules = with_limits(w.state.rules, replace(version(w), limits=LimitsByScope(desk=desk)))
        decision = w.decide(w.order(quantity="1"))
        if name == "intents_per_minute_per_name_max" or LIMITS[name].is_optional:  # half of all; nothing is bounded
            assert isinstance(decision, IntentApproved)
            continue
        [told] = [check for check in decision.checks if check.name == "limits_stated"]
        assert told.reason.startswith(f"no scope that it is in states {name}, or this version of risk does not know it")
        assert (told.observed, told.source) == (f"not {name}", "limits:1")


def test_one_that_only_its_account_states_holds_for_that(world: Any) -> None:
    w = holding(world, account={ACCOUNT: stated(order_quantity_max=10)})
    desk = {limit: value for limit, value in w.state.rules.limits.limits.desk.items() if limit != "order_quantity_max"}
    only = replace(w.state.rules.limits.limits, desk=desk)
    w.state.rules = with_limits(w.state.rules, replace(w.state.rules.limits, limits=only))
    assert isinstance(w.decide(w.order(quantity="10")), IntentApproved)
    assert "no scope" not in w.decide(w.order(quantity="11")).reason


def test_what_one_strategy_states_lets_nobody_else_through(world: Any) -> None:
    """Nor after an order of that strategy, which is like the next one but for that."""
    name = "price_age_seconds_max"
    w = holding(world, strategy={"momentum": stated(price_age_seconds_max=5)})
    made = w.state.rules.limits
    desk = {limit: value for limit, value in made.limits.desk.items() if limit != name}
    w.state.rules = with_limits(w.state.rules, replace(made, limits=replace(made.limits, desk=desk)))
    assert isinstance(w.decide(w.order(strategy="momentum")), IntentApproved)
    assert f"no scope that it is in states {name}" in w.decide(w.order()).reason


def test_a_limit_of_a_later_version_of_risk_denies(world: Any) -> None:
    w = holding(world, desk=stated(weekly_loss_max=5))
    assert "states weekly_loss_max, or this version of risk does not know it" in w.decide(w.order()).reason


def test_ages_collars_and_rates_go_by_scope_too(world: Any) -> None:
    w = holding(
        world,
        symbol={"SPY": stated(price_collar_fraction="0.01", price_age_seconds_max=5)},
        venue={VENUE: stated(intents_per_minute_max=2)},
    )
    assert "1.00% through" in w.decide(w.order(limit="103")).reason
    assert isinstance(w.decide(w.order()), IntentApproved)
    assert isinstance(w.decide(w.order()), IntentApproved)
    assert (
        w.decide(w.order()).reason == "this would be order 3 within a minute; 2 are allowed (the limit of venue:ibkr)"
    )
    w.later(6)
    assert "at most 5 s are trusted (the limit of symbol:SPY)" in " ".join(
        check.reason for check in w.decide(w.order()).checks
    )


def test_a_decision_under_a_version_is_explained_and_made_again_with_it(world: Any) -> None:
    w = holding(world, symbol={"SPY": TEN})
    denied = w.decide(w.order(quantity="11"))
    again = messages.decode(messages.encode(denied), Decision)
    assert decide_again(w.state.rules, again) == denied
    assert decide_again(rules_of(w.state.desk), again) != denied
    [told] = [check for check in explain(w.state.rules, denied) if check.name == "order_notional"]
    assert told.scope == "desk"


def test_a_desk_file_that_is_changed_since_holds_too_where_it_is_tighter(world: Any) -> None:
    w = holding(world, desk=stated(order_quantity_max=20))
    narrow = replace(w.state.desk, limits=replace(w.state.desk.limits, order_quantity_max=Decimal(3)))
    rules = with_limits(rules_of(narrow), w.state.rules.limits)
    assert rules.is_file_changed
    assert not w.state.rules.is_file_changed
    found = rules.limits_for(VENUE, ACCOUNT, "SPY", "")
    assert (found.limits.order_quantity_max, found.decided_by["order_quantity_max"]) == (3, "desk-file")
    assert rules.stated.desk["order_quantity_max"] == 3
    assert rules.version != w.state.rules.version


def test_another_version_has_rules_of_another_name(world: Any) -> None:
    w = holding(world)
    names = {with_limits(w.state.rules, version(w, number, **some)).version for number, some in ((1, {}), (2, {}))}
    names |= {with_limits(w.state.rules, version(w, 1, symbol={"SPY": TEN})).version, w.state.rules.file_version}
    assert len(names) == 4


def test_what_is_reserved_goes_by_the_collar_of_its_scope(world: Any) -> None:
    w = holding(world, symbol={"SPY": stated(price_collar_fraction="0.01")})
    w.decide(w.order(quantity="1", limit=None, order_type="MARKET"))
    [order] = w.state.orders.values()
    quote = w.state.quotes[VENUE, "SPY"].message
    assert order.price == quote.ask * Decimal("1.01")


NUMBERS = st.integers(1, 9).map(Decimal)
TABLES = st.dictionaries(st.sampled_from(sorted(LIMITS)), NUMBERS, max_size=6)


@given(st.lists(TABLES, min_size=1, max_size=5))
def test_nothing_that_a_scope_states_is_ever_exceeded(holds: list[dict[str, Decimal]]) -> None:
    found = resolve([(str(number), each) for number, each in enumerate(holds)])
    for name in LIMITS:
        said = [each[name] for each in holds if name in each]
        if said:
            tightest = max(said) if LIMITS[name].is_minimum else min(said)
            assert getattr(found.limits, name) == tightest
            assert holds[int(found.decided_by[name])][name] == tightest
        elif LIMITS[name].is_optional:
            assert getattr(found.limits, name) is None
            assert name in found.unstated
            assert name not in found.missing
        elif name != "intents_per_minute_per_name_max":
            assert name in found.missing


def test_what_is_remembered_of_a_book_is_bounded(world: Any) -> None:
    w = world().ready()
    book = LimitBook(w.state.desk, version(w, **SCOPES["strategy:momentum"]).limits, with_file=False)
    for number in range(1000):
        found = book.of(f"v{number}", f"a{number}", f"S{number}", f"strategy {number}")
    assert found is book.of("", "", "", "")
    assert len(book._found) == 1


def test_words_of_a_scope() -> None:
    limits = LimitsByScope(desk=TEN, asset_class={"OPTION": TEN}, symbol={"SPY": TEN})
    assert [words(scope, name) for scope, name, _ in tables(limits)] == ["desk", "asset_class:OPTION", "symbol:SPY"]
    assert Limits.__struct_fields__ == tuple(LIMITS)


def test_a_desk_file_that_states_no_optional_limit_has_the_name_that_its_rules_had_before(world: Any) -> None:
    desk = world().state.desk
    before = {name: getattr(desk.limits, name) for name in LIMITS if not LIMITS[name].is_optional}
    allowed = sorted((line.venue, parse_symbol(line.symbol).canonical) for line in desk.instruments)
    rest = (sorted(desk.venues.items()), allowed, sorted(desk.fx_rates.items()), desk.nats.room_used_fraction_max)
    assert rules_of(desk).version == sha256(msgspec.json.encode((before, *rest))).hexdigest()[:16]
