"""How options that have gone are told from positions alone: only where just one thing can have happened."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from gateway_ibkr.facts import ExecutionSeen, VenueContract
from gateway_ibkr.settling import is_gone, settle, settled_as
from gateway_ibkr.state import OwnState, State, fold_report, state_of
from signalbox.messages import PositionHeld, Side, VenueFill, VenueSnapshot

CALL, PUT, OTHER = "SPY 240315C00450000", "SPY 240315P00460000", "SPY 240315C00440000"
BEFORE, AFTER = datetime(2024, 3, 14, 20, 0, tzinfo=UTC), datetime(2024, 3, 18, 8, 0, tzinfo=UTC)


def holding(**held: int) -> State:
    state = state_of("DU1", OwnState(11))
    state.own.positions = {name.replace("_", " "): Decimal(quantity) for name, quantity in held.items()}
    return state


def at(state: State, stated: dict[str, int], when: datetime) -> list[tuple[str, Side, Decimal, Decimal]]:
    told = settle(state, {name: Decimal(quantity) for name, quantity in stated.items()}, when)
    fills = [each.fill for each in told if isinstance(each, VenueFill)]
    return [(fill.symbol, fill.side, fill.quantity, fill.price) for fill in fills]


def key(symbol: str) -> str:
    return symbol.replace(" ", "_")


@pytest.mark.parametrize(
    ("symbol", "held", "shares", "side", "strike"),
    [
        (CALL, 2, 200, "BUY", 450),
        (CALL, -2, -200, "SELL", 450),
        (PUT, 2, -200, "SELL", 460),
        (PUT, -2, 200, "BUY", 460),
    ],
)
@pytest.mark.parametrize("when", [BEFORE, AFTER], ids=["early", "at expiry"])
def test_the_shares_tell_exercise_and_assignment(
    symbol: str, held: int, shares: int, side: str, strike: int, when: datetime
) -> None:
    state = holding(**{key(symbol): held, "SPY": 50})
    told = at(state, {"SPY": 50 + shares}, when)
    assert told == [
        (symbol, Side.SELL if held > 0 else Side.BUY, Decimal(2), Decimal(0)),
        ("SPY", Side(side), Decimal(200), Decimal(strike)),
    ]
    assert {name: quantity for name, quantity in state.own.positions.items() if quantity} == {"SPY": 50 + shares}
    assert at(state, {"SPY": 50 + shares}, when) == []


def test_no_shares_mean_that_what_has_expired_has_lapsed() -> None:
    assert at(holding(**{key(CALL): 1}), {}, AFTER) == [(CALL, Side.SELL, Decimal(1), Decimal(0))]


def test_what_has_not_expired_does_not_go_without_its_shares() -> None:
    """Somebody traded it, or moved it to another account: an execution may still come."""
    assert at(holding(**{key(CALL): 1}), {}, BEFORE) == []
    assert at(holding(**{key(CALL): 1}), {"SPY": 50}, BEFORE) == []


def test_what_two_things_explain_is_not_booked() -> None:
    """A bought call and a bought put, both gone, no shares: both lapsed, or both were exercised."""
    assert at(holding(**{key(CALL): 1, key(PUT): 1}), {}, AFTER) == []
    assert at(holding(**{key(CALL): 1, key(OTHER): 1}), {"SPY": 100}, AFTER) == []


def test_of_several_those_are_exercised_that_make_the_shares() -> None:
    told = at(holding(**{key(CALL): -1, key(PUT): 2}), {"SPY": -200}, AFTER)
    assert (CALL, Side.BUY, Decimal(1), Decimal(0)) in told
    assert [each for each in told if each[0] == "SPY"] == [("SPY", Side.SELL, Decimal(200), Decimal(460))]


@pytest.mark.parametrize(
    ("held", "stated"),
    [({"SPY1 240315C00450000": 1}, {}), ({"SPY": 100}, {}), ({CALL: 1}, {CALL: 2}), ({CALL: 1}, {CALL: -1})],
    ids=["an adjusted one", "shares", "more of it", "turned"],
)
def test_nothing_else_is_taken_for_a_settlement(held: dict[str, int], stated: dict[str, int]) -> None:
    state = holding(**{key(name): quantity for name, quantity in held.items()})
    assert at(state, stated, AFTER) == []
    assert not is_gone(state, {name: Decimal(quantity) for name, quantity in stated.items()})


def test_more_than_can_be_told_apart_are_left() -> None:
    many = {f"SPY_240315C00{strike}000": 1 for strike in range(440, 449)}
    assert at(holding(**many), {}, AFTER) == []


def execution(name: str, side: str, shares: float, price: float, security_type: str = "OPT") -> ExecutionSeen:
    contract = VenueContract(con_id=1, symbol="SPY", security_type=security_type, currency="USD", multiplier="100")
    terms: dict[str, Any] = {"order_number": 0, "client_id": 0, "perm_id": 9, "account": "DU1", "reference": ""}
    return ExecutionSeen(execution_id=name, contract=contract, side=side, shares=shares, price=price, at=AFTER, **terms)


def test_an_execution_that_comes_after_all_is_the_one_that_was_booked() -> None:
    state = holding(**{key(CALL): -2})
    at(state, {"SPY": -200}, AFTER)
    assert settled_as(state, execution("a.01", "BOT", 2, 0.0), CALL, Side.BUY)
    assert settled_as(state, execution("b.01", "SLD", 200, 450.0, "STK"), "SPY", Side.SELL)
    assert settled_as(state, execution("b.01", "SLD", 200, 450.0, "STK"), "SPY", Side.SELL)
    assert not settled_as(state, execution("c.01", "SLD", 200, 450.0, "STK"), "SPY", Side.SELL)
    assert not settled_as(state, execution("d.01", "SLD", 100, 451.0, "STK"), "SPY", Side.SELL)


def test_a_process_that_starts_anew_knows_what_it_had_settled_and_what_was_held() -> None:
    first, second = holding(**{key(CALL): -2}), state_of("DU1", OwnState(11))
    held = PositionHeld(symbol=CALL, quantity=Decimal(-2), average_price=Decimal(1), currency="USD")
    snapshot = VenueSnapshot(
        id="s", at=BEFORE, venue="ibkr", account="DU1", currency="USD", cash=Decimal(0), positions=(held,),
        open_orders=(), execution_ids=(),
    )  # fmt: skip
    told = settle(first, {"SPY": Decimal(-200)}, AFTER)
    for report in (snapshot, *told):
        fold_report(second, report)
    assert second.own.knows_positions
    assert settle(second, {"SPY": Decimal(-200)}, AFTER) == []
    assert settled_as(second, execution("a.01", "BOT", 2, 0.0), CALL, Side.BUY)
