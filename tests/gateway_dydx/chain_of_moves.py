"""A chain that keeps orders, loses and delays what is sent to it, and a gateway that may die at any line: in memory.

For `test_moving.py`. One order is changed; `World.turn` lets one thing happen. The gateway is the real pure core:
`moving` over `state`, rebuilt from its ledger and reports after each death.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gateway_dydx import moving
from gateway_dydx.facts import OrderSeen
from gateway_dydx.state import OwnState, State, Tracked, claim_filled, fold_report, remember_fill, state_of
from gateway_dydx.versions import Stage, Version
from msgspec.structs import replace
from signalbox.gateway import reports
from signalbox.gateway.state import Standing, fold_ledger, track
from signalbox.messages import (
    Attempt,
    Fill,
    LedgerChangeClaimed,
    LedgerClaimed,
    Order,
    OrderType,
    Report,
    Side,
    TimeInForce,
)

AT = datetime(2024, 3, 5, tzinfo=UTC)
SEQUENCE_SECONDS = 10
DEADLINE_SECONDS = 60


def terms(**changes: object) -> Order:
    """A GTC limit order for 10."""
    order = Order(
        order_id="o-1", intent_id="o-1", venue="dydx", account="a-0", symbol="BTC-USD", side=Side.SELL,
        quantity=Decimal(10), order_type=OrderType.LIMIT, limit_price=Decimal(100), time_in_force=TimeInForce.GTC,
    )  # fmt: skip
    return replace(order, **changes)


def stop(**changes: object) -> Order:
    """A reduce-only stop for 10."""
    new = {"order_type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(90), "reduce_only": True}
    return terms(**new | changes)


def report_order(report: Report) -> str:
    return type(report).__name__


@dataclass
class Kept:
    """One order on the chain."""

    id: str
    size: Decimal
    filled: Decimal = Decimal(0)
    works: bool = True


@dataclass
class World:
    before: Order
    after: Order
    chain: dict[str, Kept] = field(default_factory=dict)
    pending: list[tuple[int, str, Order | None]] = field(default_factory=list)
    """What was signed, and until when it can come: (second, the venue's id, None = a cancel)."""
    fills: list[tuple[str, Decimal]] = field(default_factory=list)
    stored: list[Report] = field(default_factory=list)
    cancels: bool = False
    second: int = 0
    revision: int = 1
    works_max: int = 0
    deaths: int = 0

    def __post_init__(self) -> None:
        self.ledger = [
            LedgerClaimed(
                id="c", at=AT, venue="dydx", order=self.before, attempt_id="1", venue_order_id="v-1", good_til_block=0
            )
        ]
        self.chain["v-1"] = Kept("v-1", self.before.quantity)
        self.start()

    # ------------------------------------------------------------------------------------------------- the gateway

    def start(self) -> None:
        """A process that knows what is written down."""
        self.state: State = state_of("a-0", OwnState(height=100 + self.second))
        self.tracked: Tracked = track(self.state, self.ledger[0], 1)
        self.tracked.standing, self.tracked.seen = Standing.SENT, True
        for entry in self.ledger[1:]:
            fold_ledger(self.state, entry, 2)
        for report in self.stored:
            fold_report(self.state, report)
        if self.cancels:
            self.tracked.cancel_command = "command/o-1/2"
        moving.resume(self.state, float(self.second))

    @property
    def now(self) -> datetime:
        return AT + timedelta(seconds=self.second)

    def begin(self) -> None:
        """Claim the change; it is not sent yet."""
        move = moving.begun(self.tracked, self.after, 2, 3, lambda number: f"v-{number}")
        entry = LedgerChangeClaimed(
            id="m", at=AT, venue="dydx", order=self.after, revision=self.revision,
            attempts=tuple(Attempt(attempt_id=str(n), venue_order_id=f"v-{n}") for n in (1, 2, 3)),
            deadline=self.now + timedelta(seconds=DEADLINE_SECONDS),
        )  # fmt: skip
        self.ledger.append(entry)
        fold_ledger(self.state, entry, 2)
        moving.claimed(self.tracked, move)

    def send_first(self, fate: str = "heard") -> None:
        """What `Moves.begin` sends."""
        move = self.tracked.own.move
        assert move is not None
        if moving.places_first(self.before):
            self.send(move.new, replace(self.after, quantity=self.after.quantity - self.tracked.filled), fate)
            if move.new.stage is Stage.NEVER:
                self.tell(reports.not_replaced(self.state, self.tracked, self.now, "7", "refused"))
                moving.given_up(self.tracked)
        else:
            self.send(move.first, None, fate)

    def go_on(self, fate: str = "heard") -> None:
        """What `Moving` does at a block."""
        self.state.own.height += moving.AGAIN_BLOCKS
        step = moving.next_step(self.state, self.tracked, self.now)
        if step is not None:
            self.send(step.version, step.order, fate)

    def send(self, version: Version, order: Order | None, fate: str) -> None:
        move = self.tracked.own.move
        assert move is not None
        version.tried_at, move.signed_seconds = self.state.own.height, float(self.second)
        if fate not in ("lost", "refused"):
            self.pending.append((self.second + SEQUENCE_SECONDS, version.venue_order_id, order))
        if order is not None:
            version.stage = Stage.NEVER if fate == "refused" else Stage.SENT
            version.refused = "refused" if fate == "refused" else ""
        if fate == "death":
            self.die()

    def die(self) -> None:
        self.deaths += 1
        self.start()

    def ask(self) -> None:
        """Complete answers of the venue: fills first."""
        for number, (key, size) in enumerate(self.fills):
            fill = Fill(
                execution_id=f"f-{number}", revision=0, order_id="o-1", symbol="BTC-USD", side=Side.SELL,
                quantity=size, price=Decimal(100), at=AT,
            )  # fmt: skip
            remember_fill(self.state, self.tracked, fill, 1, key)
            self.tell(reports.filled(self.state, fill, key))
        moving.resume(self.state, float(self.second))
        seen = {
            key: OrderSeen(id=key, status="OPEN" if kept.works else "CANCELED", total_filled=kept.filled)
            for key, kept in self.chain.items()
        }
        for key, order in seen.items():
            claim_filled(self.tracked, key, order.total_filled or Decimal(0))
        shown = moving.Shown(seen, frozenset({"v-1", "v-2", "v-3"} - seen.keys()), {}, 10**9)
        found = moving.take(self.state, self.tracked, shown, self.now, float(self.second), SEQUENCE_SECONDS)
        self.tell(found)

    def tell(self, made: object) -> None:
        self.stored += list(made)  # type: ignore[call-overload]

    def kinds(self) -> list[str]:
        return [name for name in map(report_order, self.stored) if name != "VenueFill"]

    # --------------------------------------------------------------------------------------------------- the venue

    def block(self) -> None:
        """What was sent comes on the chain, in its order."""
        for until, key, order in self.pending:
            if until < self.second:
                continue
            if order is None and key in self.chain:
                self.chain[key].works = False
            elif order is not None and key not in self.chain:
                self.chain[key] = Kept(key, order.quantity)
        self.pending = []
        self.works_max = max(self.works_max, sum(kept.works for kept in self.chain.values()))

    def fill(self, size: int) -> None:
        """The market takes what works, up to `size`."""
        for kept in self.chain.values():
            taken = min(Decimal(size), kept.size - kept.filled)
            if kept.works and taken > 0:
                kept.filled += taken
                kept.works = kept.filled < kept.size
                self.fills.append((kept.id, taken))
                return

    def pass_(self, seconds: int) -> None:
        self.second += seconds

    @property
    def filled(self) -> Decimal:
        return sum((size for _, size in self.fills), Decimal(0))

    @property
    def working(self) -> list[Kept]:
        return [kept for kept in self.chain.values() if kept.works]

    def settle(self) -> None:
        """Let it come to an end, without faults."""
        for _ in range(40):
            self.block()
            self.ask()
            self.go_on()
            self.pass_(5)
            if self.tracked.own.move is None and not self.pending and not moving.question(self.tracked):
                return
        raise AssertionError(f"never settled: {self.tracked.own.move}")
