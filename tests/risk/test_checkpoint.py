"""What was written down, restored and folded on is what was folded from the beginning, with the same quotes."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from risk import evolve
from risk.answered import AnsweredIntents
from risk.checkpoint import SHAPE, Frame, StateLoader, capture, context_of
from risk.known import Decided, KnownIds, Verdict
from risk.recall import needs_terms, recall_terms
from risk.state import RiskState, opening_state
from signalbox.checkpoints import Frames, parts_of
from signalbox.messages import (
    CommissionBooked,
    Contingency,
    Decision,
    FillCorrected,
    IntentApproved,
    IntentDenied,
    ListPart,
    OrderAccepted,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderIntent,
    OrderRejected,
    OrderStatus,
)

from tests.risk.conftest import ACCOUNT, VENUE

ACCOUNT_KEY = (VENUE, ACCOUNT)
SHAPES = {
    1: "6e9aa285354ef48ae6b79dbc1a1ac258ab8a11a2d3382669eda852e9c219e03e",
    2: "5c2a1a9b0dfa22045ee0843fd73249161e91cd1f0668f4b462e4be5fb2f9b5c5",
    3: "04820106fd60e8ba7ac463cf5aeb0f9c9d377aa4f906a4d7f0cd1e8b50a6f6a3",
    4: "3d81b938ff73152163bbb5ac18fd00a66ce1fc0d58a36ad94cadded0131195f9",
    5: "104a191effe5869b44d930fb2790fc0054557f0b3664d031ae2ddfb88a16bbb1",
    6: "0eb80b779b45375dd9b907388e44bf4cb93a1c7e0a41fbef3447bec671542066",
}

Log = list[tuple[int, Decision | OrderEvent]]


@pytest.fixture(autouse=True, scope="module")
def _few_places() -> Iterator[None]:
    """Ten times as many as the longest history here has intents: thousands of states with 65,536 empty ones each are
    written down below.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AnsweredIntents.__init__, "__defaults__", (1024,))
        yield


def history(world: Any, seed: int) -> tuple[Any, Log]:
    """A random day: orders, denials, fills, corrections, ends, rejections that were none, orders placed elsewhere."""
    chance, w, log = random.Random(seed), world(limits={"open_orders_max": 6}), []
    first_event, first_decide = w.event, w.decide

    def event(message: OrderEvent) -> Any:
        first_event(message)
        log.append((w.sequence, message))
        return w

    def decide(intent: Any, **options: Any) -> Decision:
        decision: Decision = first_decide(intent, **options)
        log.append((w.sequence, decision))
        return decision

    w.event, w.decide = event, decide
    if chance.random() < 0.9:
        w.ready(positions=(w.held("SPY", "7"), w.held("MSFT", "-3")))
    orders: list[OrderIntent] = []
    for _ in range(chance.randint(0, 35)):
        w.later(chance.choice([0, 1, 20, 50]))
        step = chance.randint(0, 10)
        if step <= 2 or not orders:
            limit = chance.choice([None, "100", "101"])
            order = w.order(chance.choice(["BUY", "SELL"]), str(chance.randint(1, 1100)), limit)
            if isinstance(w.decide(order, by=chance.choice(["alice", "bob"])), IntentApproved):
                orders.append(order)
                if chance.random() < 0.8:
                    w.created(order)
            continue
        order = chance.choice(orders)
        quantity = chance.randint(1, 20)
        if step == 3:
            status = chance.choice([None, OrderStatus.CANCELED])
            w.fill(order, str(quantity), str(chance.choice([0, 5])), str(chance.randint(90, 110)), status)
        elif step == 4:
            w.event(OrderRejected(**w._of(order.id, OrderStatus.REJECTED), reason="no"))
        elif step == 5:
            w.event(OrderAccepted(**w._of(order.id, OrderStatus.NEW), venue_order_id="7"))
        elif step == 6:
            w.event(OrderExpired(**w._of(order.id, OrderStatus.EXPIRED), reason="late"))
        elif step == 7:
            foreign = w.order("SELL", str(quantity), chance.choice([None, "99"]), id=f"external-{quantity}")
            w.created(foreign).fill(foreign, str(quantity), "0")
            orders.append(foreign)
        elif step == 8:
            booked = [
                message for _, message in log if hasattr(message, "fill") and not isinstance(message, FillCorrected)
            ]
            if booked:
                before = chance.choice(booked).fill
                fill = msgspec.structs.replace(before, revision=2, quantity=Decimal(quantity))
                values = w._of(before.order_id, OrderStatus.PARTIALLY_FILLED)
                corrected = FillCorrected(
                    **values, fill=fill, replaced=before, cumulative_quantity=Decimal(9), leaves_quantity=Decimal(4)
                )
                w.event(corrected)
        elif step == 10:
            w.decide(w.modify(order.id, str(quantity), chance.choice([None, "99"])))
            if chance.random() < 0.7:
                w.pending_replace(order, str(quantity))
            if chance.random() < 0.5:
                chance.choice([w.replaced, w.replace_rejected])(order)
        else:
            w.cancel(order.id)
            w.event(chance.choice([_denied, _fee])(w, order))
    return w, log


def _denied(w: Any, order: OrderIntent) -> OrderEvent:
    return OrderDenied(**w._of(order.id, OrderStatus.DENIED), reason="unknown")


def _fee(w: Any, order: OrderIntent) -> OrderEvent:
    return CommissionBooked(
        **w._of(order.id, OrderStatus.FILLED), execution_id="x", revision=1, commission=Decimal(1), currency="USD"
    )


def observed(w: Any, seed: int) -> RiskState:
    """A state that has heard what a new process hears before it folds, or not."""
    state = opening_state(w.state.desk)
    chance = random.Random(seed)
    for symbol, seen in w.state.instruments.items():
        if chance.random() < 0.7:
            state.instruments[symbol] = seen
    for symbol, quote in w.state.quotes.items():
        if chance.random() < 0.7:
            state.quotes[symbol] = quote
    if chance.random() < 0.5:
        state.accounts = dict(w.state.accounts)
    return state


def fold(state: RiskState, log: Log, after: int = 0, up_to: int = 2**62) -> RiskState:
    """Fold the messages behind `after`, looking up what is remembered no more."""
    for sequence, message in log:
        if not after < sequence <= up_to:
            continue
        if isinstance(message, IntentApproved | IntentDenied):
            evolve.fold_decision(state, message)
            continue
        if needs_terms(state, message):
            before = [each for at, each in log if at < sequence and isinstance(each, OrderEvent)]
            recall_terms(state, [each for each in before if each.order_id == message.order_id])
        evolve.fold_order_event(state, sequence, message)  # type: ignore[arg-type]
    return state


def read_again(state: RiskState, begin: RiskState) -> RiskState:
    """What a process that has observed `begin` makes of what was written down."""
    loader, frames = StateLoader(), Frames()
    for part in parts_of(capture(state, 3, 4)):
        for frame in frames.add(part):
            loader.take(frame)
    loader.finish()
    how_far = loader.restore(begin)
    assert (how_far.last_decision, how_far.messages) == (3, 4)
    return begin


def comparable(state: RiskState) -> dict[str, Any]:
    """All that is remembered, field by field: a new field is compared as soon as there is one."""
    found = {each.name: getattr(state, each.name) for each in fields(state)}
    found["refused"] = list(state.refused.items())
    for books in state.books.values():  # of names that have let nothing through for a minute nothing is to be known
        books.approvals_by_name = {
            name: lately
            for name, lately in books.approvals_by_name.items()
            if books.approvals and books.approvals[-1] - lately[-1] < evolve.RATE_WINDOW
        }
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_at_every_message_a_checkpoint_and_the_rest_is_the_fold_of_all(world: Any, seed: int) -> None:
    w, log = history(world, seed)
    whole = comparable(fold(observed(w, seed), log))
    for cut in (0, *(sequence for sequence, _ in log)):
        before = fold(observed(w, seed), log, up_to=cut)
        again = read_again(before, observed(w, seed))
        assert comparable(again) == comparable(before)
        assert comparable(fold(again, log, after=cut)) == whole


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_decisions_behind_a_checkpoint_that_are_in_it_are_not_folded_twice(world: Any, seed: int) -> None:
    """Decisions are folded when they are made, so a checkpoint has those that follow its last order event."""
    w, log = history(world, seed)
    whole = comparable(fold(observed(w, seed), log))
    cut = 0
    for sequence, message in log:
        if isinstance(message, OrderEvent):
            cut = sequence
        again = read_again(fold(observed(w, seed), log, up_to=sequence), observed(w, seed))
        assert comparable(fold(again, log, after=cut)) == whole


def test_what_is_made_later_is_as_it_was_captured(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    frames = capture(w.state, 3, 4)
    before = deepcopy(w.state)
    w.created(order).fill(order, "4", "6")
    loader = StateLoader()
    for frame in frames:
        loader.take(frame)
    loader.finish()
    again = opening_state(w.state.desk)
    again.instruments, again.quotes, again.accounts = before.instruments, before.quotes, before.accounts
    loader.restore(again)
    assert (again.orders, again.books, again.in_flight) == (before.orders, before.books, {order.id})


@pytest.mark.parametrize("left_out", range(6))
def test_frames_of_which_one_is_missing_are_no_state(world: Any, left_out: int) -> None:
    w = world().ready()
    w.decide(w.order())
    frames = list(capture(w.state, 3, 4))
    assert len(frames) == 6
    loader = StateLoader()
    for number, frame in enumerate(frames):
        if number != left_out:
            loader.take(frame)
    with pytest.raises(ValueError, match="not all"):
        loader.finish()


def test_an_order_that_was_rejected_long_ago_counts_again_when_it_works(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evolve, "REFUSED_MAX", 2)
    w, events = world().ready(), []
    first = w.event
    w.event = lambda event: (events.append(event), first(event))[1]
    orders = [w.order(quantity=str(number)) for number in range(1, 6)]
    for order in orders:
        w.decide(order)
        w.created(order)
        w.event(OrderRejected(**w._of(order.id, OrderStatus.REJECTED), reason="no"))
    assert len(w.state.refused) == 2
    accepted = OrderAccepted(**w._of(orders[0].id, OrderStatus.NEW), venue_order_id="7")
    assert needs_terms(w.state, accepted)
    recall_terms(w.state, [event for event in events if event.order_id == orders[0].id])
    w.event(accepted)
    assert w.state.orders[orders[0].id].open_quantity == 1
    assert w.state.orders[orders[0].id].price == 100
    assert not needs_terms(w.state, OrderAccepted(**w._of("never", OrderStatus.NEW), venue_order_id="8"))


def test_fills_that_the_venues_figures_contain_are_not_restored(world: Any) -> None:
    w = world().ready()
    order = w.order()
    w.decide(order)
    w.later(1).created(order).fill(order, "4", "6")
    assert w.state.books[ACCOUNT_KEY].unconfirmed_fills
    begin = opening_state(w.state.desk)
    w.later(1).account()
    begin.accounts = dict(w.state.accounts)
    before = fold(opening_state(w.state.desk), [])
    before.books = deepcopy(w.state.books)
    before.books[ACCOUNT_KEY].unconfirmed_fills.append((w.now - timedelta(seconds=1), Decimal(1)))
    assert not read_again(before, begin).books[ACCOUNT_KEY].unconfirmed_fills


def test_of_too_many_unconfirmed_fills_the_oldest_count_as_one(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolve, "UNCONFIRMED_FILLS_MAX", 2)
    w = world().ready()
    order = w.order()
    w.decide(order)
    w.created(order)
    for left in (8, 6, 4, 2):
        w.later(1).fill(order, "2", str(left))
    kept = w.state.books[ACCOUNT_KEY].unconfirmed_fills
    assert [value for _, value in kept] == [600, 200]
    assert kept[0][0] == w.now - timedelta(seconds=1)


def test_known_ids_say_what_a_dictionary_says() -> None:
    known = KnownIds()
    known.decide("a", Verdict.APPROVED, 7)
    known.decide("a", Verdict.DENIED, 9)
    known.decide("b", Verdict.DENIED, 8)
    known.finish("a", OrderStatus.FILLED)
    known.finish("v/x/external-1", OrderStatus.CANCELED)
    assert (known.decided("a"), known.decided("b")) == (Decided(Verdict.APPROVED, 7), Decided(Verdict.DENIED, 8))
    assert (known.finished("a"), known.finished("b")) == (OrderStatus.FILLED, None)
    assert known.decided("v/x/external-1") is None
    assert "v/x/external-1" in known
    assert "c" not in known
    known.unfinish("a")
    known.unfinish("never")
    assert (known.finished("a"), known.decided("a"), known.decided_count) == (None, Decided(Verdict.APPROVED, 7), 2)
    assert "never" not in known


def test_what_the_fold_takes_from_the_desk_file_is_the_context(world: Any) -> None:
    one, same = context_of(world().state.desk), context_of(world(limits={"open_orders_max": 9}).state.desk)
    collar = context_of(world(limits={"price_collar_fraction": Decimal("0.07")}).state.desk)
    rates = context_of(world(desk={"fx_rates": {"HKD": Decimal("0.1")}}).state.desk)
    assert one == same
    assert len({one, collar, rates}) == 3


def test_what_was_sent_with_an_entry_is_counted_on_from_where_it_was(world: Any) -> None:
    w = world().ready()
    entry, stop = w.order("BUY", "100", None, id="b.entry"), w.order("SELL", "60", None, id="b.stop")
    exits = {"group": 1, "quantity": Decimal(60), "contingency": Contingency.OUO, "attached_to": "b.entry"}
    w.created(entry, part=ListPart(list_id="b", leg="entry", attaches=("stop",)))
    w.created(stop, part=ListPart(list_id="b", leg="stop", **exits))
    w.fill(entry, "40", "60")
    again = read_again(w.state, opening_state(w.state.desk))
    assert again.groups == w.state.groups
    group = again.groups["b.1"]
    assert (group.is_attached, group.left, group.given, group.entered) == (True, 40, 60, 40)


def test_the_shape_is_that_of_its_version() -> None:
    """A new shape needs a new version: add a line here, and let the old ones stand."""
    words = [*Verdict, *OrderStatus]
    schema = json.dumps([msgspec.json.schema(Frame), words], sort_keys=True)
    assert SHAPES.get(SHAPE) == hashlib.sha256(schema.encode()).hexdigest()
    assert max(SHAPES) == SHAPE
