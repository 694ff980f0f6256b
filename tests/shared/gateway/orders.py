"""An order of the desk and what is claimed of it, for the tests of what every gateway does with one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from signalbox.gateway import ledger
from signalbox.gateway.state import AnyState, State
from signalbox.messages import (
    CancelOrder,
    LedgerClaimed,
    ModifyOrder,
    Order,
    OrderType,
    Side,
    SubmitOrder,
    TradingMode,
    TradingState,
)

AT = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)
VENUE, ACCOUNT = "moon", "M1"


def switched(mode: TradingMode = TradingMode.ACTIVE, reason: str = "as ever", by: str = "olga") -> TradingState:
    return TradingState(id=f"trading-state/{mode.value}", at=AT, mode=mode, reason=reason, by=by)


def order_of(order_id: str = "o-1", **terms: Any) -> Order:
    values: dict[str, Any] = {
        "order_id": order_id,
        "intent_id": order_id,
        "venue": VENUE,
        "account": ACCOUNT,
        "symbol": "SPY",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": OrderType.MARKET,
    }
    return Order(**values | terms)


def submission(order_id: str = "o-1", seconds: float = 30, **terms: Any) -> SubmitOrder:
    order = order_of(order_id, **terms)
    return SubmitOrder(id=f"command/{order_id}/0", at=AT, order=order, deadline=AT + timedelta(seconds=seconds))


def cancel_of(order_id: str = "o-1", revision: int = 1) -> CancelOrder:
    return CancelOrder(
        id=f"command/{order_id}/{revision}", at=AT, venue=VENUE, account=ACCOUNT, order_id=order_id, venue_order_id=""
    )


def change_of(order_id: str = "o-1", revision: int = 1, seconds: float = 30, **terms: Any) -> ModifyOrder:
    return ModifyOrder(
        id=f"command/{order_id}/{revision}",
        at=AT,
        venue=VENUE,
        account=ACCOUNT,
        order_id=order_id,
        venue_order_id="their-5",
        order=order_of(order_id, **terms),
        revision=revision,
        deadline=AT + timedelta(seconds=seconds),
    )


def claim_of(number: int = 5, order_id: str = "o-1", at: datetime = AT, **terms: Any) -> LedgerClaimed:
    return ledger.claimed(VENUE, submission(order_id, **terms), number, at, f"their-{number}")


def empty_state() -> AnyState:
    return State(VENUE, ACCOUNT, None, lambda claim, wall_seconds: None)
