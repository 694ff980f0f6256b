"""The parameters of a REST request: what is taken, what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulators.dydx.rest_pages import page_of
from simulators.dydx.rest_query import Query, RefusedQueryError, children, parent_of
from simulators.dydx.shapes import text


def refusal(query: Query) -> str:
    with pytest.raises(RefusedQueryError) as caught:
        query.check()
    return str(caught.value)


@given(st.text(max_size=20))
def test_no_text_breaks_a_check(value: str) -> None:
    names = ("limit", "page", "createdBeforeOrAtHeight", "createdBeforeOrAt", "side", "subaccountNumber", "address")
    query = Query({}, dict.fromkeys(names, value))
    query.limit()
    query.page()
    query.height("createdBeforeOrAtHeight")
    query.time("createdBeforeOrAt")
    query.choice("side", ("BUY", "SELL"))
    query.subaccount_number()
    query.address()
    assert refusal(query)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    query = Query({}, {"limit": "0", "page": "0"})
    query.limit()
    query.page()
    assert refusal(query).count("must be") == 2


def test_a_time_without_a_zone_is_utc() -> None:
    query = Query({}, {"fromISO": "2026-03-10T14:30:00", "toISO": "2026-03-10T14:30:00 00:00"})
    assert query.time("fromISO") == query.time("toISO")  # an unescaped plus sign came as a space
    query.check()


@given(st.integers(0, 128_000 - 1))
def test_a_child_belongs_to_its_parent(number: int) -> None:
    assert number in children(parent_of(number))


@given(st.lists(st.integers()), st.integers(1, 5))
def test_pages_hold_every_result_once(results: list[int], limit: int) -> None:
    pages = [page_of(results, limit, number).items for number in range(1, len(results) // limit + 2)]
    assert [each for page in pages for each in page] == results[::-1]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12))
def test_a_number_is_written_exactly_and_without_needless_zeros(number: Decimal) -> None:
    written = text(number)
    assert Decimal(written) == number
    assert "E" not in written
    assert not ("." in written and written.endswith("0"))
