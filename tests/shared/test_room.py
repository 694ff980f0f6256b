"""Room: each stream has a part of the store that no other can take; what an order needs is refused, never dropped."""

from __future__ import annotations

import pytest
from signalbox.errors import ConfigurationError
from signalbox.room import (
    MEBIBYTE,
    NEEDED_BY_ORDERS,
    SHARES_PERMILLE,
    STORE_BYTES_MIN,
    StreamRoom,
    fullest,
    room_of,
    shown_bytes,
    store_bytes_of,
    stream_bytes_max,
)
from signalbox.streams import STREAMS


def test_each_stream_has_a_part() -> None:
    assert {stream.name for stream in STREAMS} <= SHARES_PERMILLE.keys()
    assert all(part > 0 for part in SHARES_PERMILLE.values())


@pytest.mark.parametrize("store_bytes", [STORE_BYTES_MIN, STORE_BYTES_MIN + 999, 20 * 1024 * MEBIBYTE, 10**15 + 7])
def test_all_parts_together_fit_into_the_store(store_bytes: int) -> None:
    assert sum(stream_bytes_max(name, store_bytes) for name in SHARES_PERMILLE) < store_bytes


def test_what_an_order_needs_is_refused_and_never_dropped() -> None:
    kept = {stream.name for stream in STREAMS if stream.refuse_when_full}
    assert kept == set(NEEDED_BY_ORDERS)


def test_the_books_have_the_largest_part() -> None:
    assert max(SHARES_PERMILLE, key=SHARES_PERMILLE.__getitem__) == "TRADE"


def test_smallest_store_has_room_for_a_largest_message_in_what_an_order_needs() -> None:
    assert min(stream_bytes_max(name, STORE_BYTES_MIN) for name in NEEDED_BY_ORDERS) > MEBIBYTE


def test_store_is_what_nats_grants_divided_by_its_copies() -> None:
    assert store_bytes_of(900 * MEBIBYTE, 1, None) == 900 * MEBIBYTE
    assert store_bytes_of(900 * MEBIBYTE, 3, None) == 300 * MEBIBYTE


def test_store_is_what_is_wanted_where_nats_grants_it() -> None:
    assert store_bytes_of(900 * MEBIBYTE, 3, 100 * MEBIBYTE) == 100 * MEBIBYTE
    assert store_bytes_of(-1, 1, 100 * MEBIBYTE) == 100 * MEBIBYTE


@pytest.mark.parametrize(
    ("limit_bytes", "copies", "wanted_bytes", "said"),
    [
        (
            900 * MEBIBYTE,
            3,
            301 * MEBIBYTE,
            "--store is 301.0 MiB, but NATS lets the desk store 300.0 MiB for each of 3",
        ),
        (-1, 1, None, "NATS sets no limit"),
        (63 * MEBIBYTE, 1, None, "the desk needs 64.0 MiB at least"),
        (900 * MEBIBYTE, 1, 1, "the streams would have 1 bytes"),
    ],
)
def test_store_that_can_not_be_says_why(limit_bytes: int, copies: int, wanted_bytes: int | None, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        store_bytes_of(limit_bytes, copies, wanted_bytes)


def test_fullest_is_among_what_an_order_needs() -> None:
    rooms = [StreamRoom("BARS", 100, 100), StreamRoom("TRADE", 1, 10), StreamRoom("LEDGER", 2, 10)]
    assert fullest(rooms) == StreamRoom("LEDGER", 2, 10)
    assert fullest(rooms[:1]) is None


def test_stream_without_a_bound_is_never_full() -> None:
    assert room_of("TRADE", {"bytes": 5}, {"max_bytes": -1}) == StreamRoom("TRADE", 5, 0)
    assert StreamRoom("TRADE", 5, 0).used == 0


@pytest.mark.parametrize(("count", "text"), [(5, "5 bytes"), (2048, "2.0 KiB"), (3 * 1024 * MEBIBYTE, "3.0 GiB")])
def test_bytes_are_shown_for_people(count: int, text: str) -> None:
    assert shown_bytes(count) == text
