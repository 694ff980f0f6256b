"""A state that was written down and read again, and then folded on, is the state that was folded from the beginning."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oms.checkpoint import SHAPE, Frame, StateLoader, capture
from oms.evolve import let_orders_leave
from oms.recall import forget_recalled
from oms.state import AccountBook, Keep, State
from signalbox.checkpoints import Frames, parts_of
from signalbox.messages import OrderType, Side

from tests.oms.forgetful import EVERYTHING, LITTLE, ForgetfulDesk, fold, settle_late
from tests.oms.test_forgetting import forgetful, histories, money, take_all

SHAPES = {
    1: "2362eb1f8f766a7d048df7125727e478bac489b0dbc9bc9d483fb5013e3f8878",
    2: "88758378a98ab52a248d957dcbdc967efd6bdce27b935094b9d70ef88a0ea280",
    3: "1de715b6d02ec5b2efdfbcad75bad8bc5bc801ec6b60519d07037a9a16dcb286",
    4: "efbc438dbc80eda0f411f76edcea1af5e57929ff889e215c0e9f618e1b8fa8c1",
    5: "72bb04388d9a75c4dd52672d3df97ca1244a4982a8af049503991178beb783cd",
    6: "a486a96462cac42be80f1d11af3dd8c5a3fe4f8ca8891588a271f12affe1e081",
    7: "a79507e137ddc9b8588bbaa51054dc95691ddcf3bc35816251c82cdd9d47411e",
    8: "52175134d3cc7b4ec925961cb8246f21d5e15d3880ede2019072c3f273d63d6e",
    9: "9aa010ddfa4be20ffb852539cf0bbc0d84c3d9cea4c3642fe70e798030163be4",
    10: "19fb17441cef145e7bc56257ca65a03f9bd791bb4468c4e1b336b0892bd6ca39",
    11: "a6ad0ad910622255e7dd279cc4d4bd8230ea5acdebe4a5b2929b5ed0b87b5abf",
}


def read_again(state: State) -> State:
    """What the next process makes of what this one writes down."""
    _, made = capture(state)
    loader, frames = StateLoader(state.keep), Frames()
    for part in parts_of(made):
        for frame in frames.add(part):
            loader.take(frame)
    frames.end()
    loader.finish()
    return loader.state


def comparable(state: State) -> dict[str, Any]:
    """All that is remembered, field by field: a new field is compared as soon as there is one."""
    forget_recalled(state)
    let_orders_leave(state)
    found = {each.name: getattr(state, each.name) for each in fields(State) if each.name != "instruments"}
    found["working_stops"] = {key: stops for key, stops in state.working_stops.items() if stops}
    found["ended"] = list(state.ended)
    return found


@given(data=st.data(), keep=st.sampled_from([LITTLE, Keep(3, 3, 2, 2), EVERYTHING]))
@settings(max_examples=150)
def test_at_every_event_a_checkpoint_and_the_rest_is_the_fold_of_all(
    make: Any, data: st.DataObject, keep: Keep
) -> None:
    desk = ForgetfulDesk(State(keep=keep))
    take_all(desk, data.draw(histories(make, length_max=25)))
    whole = fold(State(keep=keep), desk.trade)
    for sequence in range(len(desk.log) + 1):
        before = fold(State(keep=keep), desk.trade, end=sequence)
        again = read_again(before)
        assert comparable(again) == comparable(before)
        assert comparable(fold(again, desk.trade, begin=sequence)) == comparable(whole)


@given(data=st.data())
@settings(max_examples=100)
def test_a_desk_that_begins_with_a_checkpoint_goes_on_as_the_one_before(make: Any, data: st.DataObject) -> None:
    incoming = data.draw(histories(make))
    stays, begins = forgetful(), forgetful()
    for number, message in enumerate(incoming):
        take_all(stays, [message])
        take_all(begins, [message])
        if number % 3 == 0:
            instruments = begins.state.instruments
            begins.state = read_again(begins.state)
            begins.state.instruments = instruments
        assert (begins.log[-2:], begins.refused) == (stays.log[-2:], stays.refused)
    for each in (stays, begins):
        settle_late(each.state, each.trade)
    for account, book in stays.state.accounts.items():
        assert money(begins.state.accounts[account]) == money(book)


def test_what_is_made_later_is_as_it_was_captured(make: Any) -> None:
    desk = forgetful().run(make.snapshot(), make.approved(), make.approved("o-2", 2), make.fill())
    before = comparable(read_again(desk.state))
    _, made = capture(desk.state)
    desk.run(
        make.fill("60", execution_id="e2"), make.fill("5", order_id="o-2", execution_id="e3"), make.approved("o-3", 3)
    )
    loader = StateLoader(LITTLE)
    for frame in made:
        loader.take(frame)
    found = comparable(loader.state)
    for each in (found, before):  # fingerprints may be newer
        del each["left"]
        assert isinstance(each["accounts"]["ibkr", "DU1"], AccountBook)
        del each["accounts"]["ibkr", "DU1"].left._prints[:]
        del each["accounts"]["ibkr", "DU1"].left._numbers[:]
    assert found == before


def test_working_stops_are_known_again(make: Any) -> None:
    stop = make.approved(order_type=OrderType.STOP, stop_price=9)
    desk = forgetful().run(make.snapshot(), stop, make.accepted())
    assert read_again(desk.state).working_stops == {("ibkr", "DU1", "AAPL"): {"o-1"}}


@pytest.mark.parametrize("left_out", range(5))
def test_frames_of_which_one_is_missing_are_no_state(make: Any, left_out: int) -> None:
    desk = forgetful().run(make.snapshot(), make.approved(), make.fill())
    frames = list(capture(desk.state)[1])
    loader = StateLoader(LITTLE)
    assert len(frames) == 5
    with pytest.raises((ValueError, KeyError)):  # noqa: PT012  # whichever of them notices
        for number, frame in enumerate(frames):
            if number != left_out:
                loader.take(frame)
        loader.finish()


def test_a_stop_that_works_later_is_taken_for_no_protection(make: Any) -> None:
    terms = {"order_type": OrderType.STOP, "stop_price": Decimal(9), "not_before": make.at + timedelta(hours=1)}
    desk = make.desk().run(make.approved("s", 6, side=Side.SELL, **terms), make.accepted("s", "9001", seconds=3))
    assert not any(desk.state.working_stops.values())
    assert not any(read_again(desk.state).working_stops.values())


def test_the_shape_is_that_of_its_version() -> None:
    """A new shape needs a new version: add a line here, and let the old ones stand."""
    schema = msgspec.json.schema(Frame)
    digest = hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()
    assert SHAPES.get(SHAPE) == digest
    assert max(SHAPES) == SHAPE
