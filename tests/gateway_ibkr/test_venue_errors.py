"""The table of error codes."""

from __future__ import annotations

import pytest
from gateway_ibkr.venue_errors import Treatment, connect_advice, is_no_data, problem_of, sentence


@pytest.mark.parametrize("code", [399, 404, 10349, 2104, 2106, 2158, 2109, 2199])
def test_what_informs_ends_no_order(code: int) -> None:
    assert problem_of(code).treatment is Treatment.INFORMATIONAL


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
        (321, "Read-Only"),
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
