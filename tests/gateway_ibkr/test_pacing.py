"""IBKR's limits, counted before they are broken."""

from __future__ import annotations

from gateway_ibkr.pacing import HistoryWindow, MessageWindow, instruments_max
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.floats(min_value=0, max_value=0.2), min_size=60, max_size=200))
def test_no_second_ever_has_more_than_45_messages(pauses: list[float]) -> None:
    window, now, sent = MessageWindow(), 0.0, []
    for pause in pauses:
        now += pause
        now += window.delay_seconds(now) + 1e-9
        assert window.delay_seconds(now) == 0.0
        window.note(now)
        sent.append(now)
    assert all(later - earlier >= 1.0 for earlier, later in zip(sent, sent[45:], strict=False))


def test_an_identical_request_waits_fifteen_seconds() -> None:
    window = HistoryWindow()
    window.note(100.0, 1, "x")
    assert window.delay_seconds(104.0, 1, "x") == 11.0
    assert window.delay_seconds(104.0, 1, "y") == 0.0
    assert window.delay_seconds(115.0, 1, "x") == 0.0


def test_a_sixth_request_of_one_contract_waits_two_seconds() -> None:
    window = HistoryWindow()
    for number in range(5):
        window.note(100.0, 1, str(number))
    assert window.delay_seconds(100.5, 1, "new") == 1.5
    assert window.delay_seconds(100.5, 2, "new") == 0.0


def test_lines_are_enough_for_fifty_instruments() -> None:
    assert instruments_max() == 50
