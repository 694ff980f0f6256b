"""The counters of what a client may ask, at their edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from simulators.tws.pacing import HistoryPacing, MessagePacing, Pace

NOW = datetime(2024, 3, 5, 15, 0, tzinfo=UTC)


def test_fifty_messages_a_second_are_fine_and_the_51st_is_told_once() -> None:
    pacing = MessagePacing()
    assert {pacing.message(10.0) for _ in range(50)} == {Pace.FINE}
    assert pacing.message(10.5) is Pace.TOO_FAST
    assert pacing.text() == "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"
    assert pacing.message(10.6) is Pace.FINE


def test_a_new_second_starts_a_new_count() -> None:
    pacing = MessagePacing()
    assert {pacing.message(second + n / 60) for second in range(5) for n in range(45)} == {Pace.FINE}


def test_the_third_second_that_is_too_fast_is_the_last() -> None:
    pacing = MessagePacing()
    verdicts = [pacing.message(float(second)) for second in (1, 2, 3) for _ in range(51)]
    assert [verdict for verdict in verdicts if verdict is not Pace.FINE] == [
        Pace.TOO_FAST,
        Pace.TOO_FAST,
        Pace.DISCONNECT,
    ]


def test_what_piled_up_while_we_did_not_read_is_not_the_clients_haste() -> None:
    pacing = MessagePacing()
    assert {pacing.message(10.0, late_seconds=1.0) for _ in range(100)} == {Pace.FINE}
    assert pacing.message(10.0, late_seconds=1.0) is Pace.TOO_FAST


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_an_identical_request_is_fine_after_15_seconds() -> None:
    pacing = HistoryPacing()
    assert pacing.history(at(0), "AAPL", "same", 60)
    assert not pacing.history(at(14.9), "AAPL", "same", 60)
    assert not pacing.history(at(15), "AAPL", "same", 60)  # the refused one counted
    assert pacing.history(at(30), "AAPL", "same", 60)


def test_the_sixth_request_for_a_contract_in_two_seconds_is_refused() -> None:
    pacing = HistoryPacing()
    assert all(pacing.history(at(0), "AAPL", str(number), 60) for number in range(5))
    assert not pacing.history(at(1.9), "AAPL", "another", 60)
    assert pacing.history(at(1.9), "MSFT", "another contract", 60)
    assert pacing.history(at(4), "AAPL", "later", 60)


def test_sixty_requests_for_small_bars_in_ten_minutes_and_no_more() -> None:
    pacing = HistoryPacing()
    assert all(pacing.history(at(number * 5), "AAPL", str(number), 30) for number in range(60))
    assert not pacing.history(at(500), "AAPL", "one more", 30)
    assert pacing.history(at(500), "AAPL", "of larger bars", 60)
    assert pacing.history(at(601 + 500), "AAPL", "later", 30)


def test_sixty_requests_for_live_bars_in_ten_minutes_and_no_more() -> None:
    pacing = HistoryPacing()
    assert all(pacing.live_bars(at(0)) for _ in range(60))
    assert not pacing.live_bars(at(599))
    assert pacing.live_bars(at(601))
