"""Names of accounts at dYdX: read exactly, and a typing mistake in the address is found."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from signalbox.subaccounts import Subaccount, parse_subaccount

# Of the test phrase in BIP-39, and of two modules of the chain (published).
ADDRESSES = (
    "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz",
    "dydx1v88c3xv9xyv3eetdx0tvcmq7ung3dywp5upwc6",
    "dydx18tkxrnrkqc2t0lr3zxr5g6a4hdvqksylxqje4r",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("number", [0, 1, 127])
def test_a_name_is_read_and_written_the_same(address: str, number: int) -> None:
    found = parse_subaccount(f"{address}-{number}")
    assert found == Subaccount(address, number)
    assert str(found) == f"{address}-{number}"


@given(
    address=st.sampled_from(ADDRESSES),
    place=st.integers(5, 42),
    letter=st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l"),
)
def test_one_wrong_letter_is_found(address: str, place: int, letter: str) -> None:
    assume(address[place] != letter)
    with pytest.raises(ValueError, match="checksum"):
        parse_subaccount(f"{address[:place]}{letter}{address[place + 1 :]}-0")


@pytest.mark.parametrize(
    "text",
    [
        "", "-", "-0", "0", "DU1234567", ADDRESSES[0], f"{ADDRESSES[0]}-", f"{ADDRESSES[0]}-00", f"{ADDRESSES[0]}--1",
        f"{ADDRESSES[0]}-0 ", f"{ADDRESSES[0].upper()}-0", f"{ADDRESSES[0]}/0",
        "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4-0",
    ],
)  # fmt: skip
def test_what_is_no_such_name_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"dydx1\.\.\.-0"):
        parse_subaccount(text)


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"account|number|address"):
        parse_subaccount(text)
