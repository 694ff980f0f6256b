"""The table of error codes."""

from __future__ import annotations

import pytest
from gateway_ibkr.venue_errors import (
    HistoryVerdict,
    Treatment,
    connect_advice,
    history_sentence,
    history_verdict,
    is_no_data,
    problem_of,
    sentence,
)


@pytest.mark.parametrize("code", [399, 404, 10349, 2104, 2106, 2158, 2109, 2199])
def test_what_informs_ends_no_order(code: int) -> None:
    assert problem_of(code).treatment is Treatment.INFORMATIONAL


@pytest.mark.parametrize("code", [104, 105, 329, 10326, 10327])
def test_what_answers_a_change_leaves_the_order_as_it_was(code: int) -> None:
    assert problem_of(code).treatment is Treatment.MODIFY_FAILED


@pytest.mark.parametrize("code", [1, 999, 9999, 10999])
def test_an_unknown_code_means_ask(code: int) -> None:
    assert problem_of(code).treatment is Treatment.ASK


@pytest.mark.parametrize(
    ("code", "treatment"), [(1100, "LINK_LOST"), (2110, "LINK_LOST"), (1101, "LINK_RESTORED_DATA_LOST")]
)
def test_the_link_of_tws_to_ibkr_is_told_apart_from_ours(code: int, treatment: str) -> None:
    assert problem_of(code).treatment is Treatment(treatment)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (326, "SIGNALBOX_IBKR_ORDERS_CLIENT_ID"),
        (502, "SIGNALBOX_IBKR_PORT"),
        (200, "desk file"),
        (354, "market_data_type"),
        (203, "permissions"),
    ],
)
def test_a_common_failure_says_what_to_change(code: int, word: str) -> None:
    assert word in sentence(code, "the venue's text")


def test_no_data_and_too_many_requests_are_told_apart() -> None:
    assert is_no_data(162, "Historical Market Data Service error message:HMDS query returned no data: SPY")
    assert not is_no_data(
        162, "Historical Market Data Service error message:API historical data query cancelled: pacing violation"
    )


def test_bars_refused_for_haste_are_not_bars_refused_for_good() -> None:
    haste = "Invalid Real-time Query:Historical data request pacing violation"
    assert problem_of(420, haste).treatment is Treatment.SUBSCRIPTION
    assert problem_of(420, "Invalid Real-time Query:No market data permissions").treatment is Treatment.CONFIGURATION


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ConnectionRefusedError(), "start TWS or IB Gateway"),
        (TimeoutError(), "Trusted IPs"),
        (OSError("no route"), "SIGNALBOX_IBKR_HOST"),
        (EOFError(), "API is off"),
    ],
)
def test_a_connection_that_does_not_come_about_says_what_to_do(error: BaseException, word: str) -> None:
    assert word in connect_advice(error, "127.0.0.1", 4002)


HMDS = "Historical Market Data Service error message:"


@pytest.mark.parametrize(
    ("code", "text", "verdict"),
    [
        (162, "HMDS query returned no data: SPY@SMART Trades", "EMPTY"),
        (162, "Historical data request pacing violation", "PACED"),
        (100, "Max rate of messages per second has been exceeded", "PACED"),
        (162, "No market data permissions for ISLAND STK", "REFUSED"),
        (162, "Time length exceed max.", "REFUSED"),
        (200, "No security definition has been found for the request", "REFUSED"),
        (321, "Error validating request", "REFUSED"),
        (354, "Requested market data is not subscribed", "REFUSED"),
        (162, "HMDS query failed: the historical data farm is disconnected", "PASSING"),
        (162, "Trading TWS session is connected from a different IP address", "PASSING"),
        (162, "API historical data query cancelled: 7", "PASSING"),
        (162, "", "PASSING"),
        (366, "No historical data query found for ticker id:7", "PASSING"),
        (504, "Not connected", "PASSING"),
        (322, "Error processing request", "PASSING"),
        (9999, "what nobody has seen", "PASSING"),
    ],
)
def test_only_a_venue_that_says_so_has_no_bars(code: int, text: str, verdict: str) -> None:
    assert history_verdict(code, HMDS + text) is HistoryVerdict[verdict]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("HMDS query failed: the historical data farm is disconnected", "until IBKR's history farm answers"),
        ("Trading TWS session is connected from a different IP address", "log out there"),
        ("No market data permissions for ISLAND STK", "Client Portal"),
    ],
)
def test_why_history_was_not_told_is_the_venues_reason_and_not_another(text: str, word: str) -> None:
    told = history_sentence(162, HMDS + text)
    assert text in told
    assert word in told
    assert "too many requests" not in told


def test_read_only_says_that_it_is_on_and_where_to_change_it() -> None:
    text = "Error validating request.-'b7' : cause - The API interface is currently in Read-Only mode."
    told = sentence(321, text)
    assert "Read-Only API is on" in told
    assert "Global Configuration, API, Settings" in told
    assert "IB Gateway: Configure" in told
    assert "Read-Only API is on" not in sentence(321, "Error validating request.-'b7' : cause - Invalid account code.")
