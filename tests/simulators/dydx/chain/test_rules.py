"""The chain's pure rules: nonces, rate limits, margin, fees, funding, signatures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from hypothesis import given
from hypothesis import strategies as st
from signalbox.messages import Liquidity, Side
from simulators.dydx.accounts import TIMESTAMPS_KEPT_MAX, Account, use_sequence
from simulators.dydx.fees import FeeSchedule, fee_of
from simulators.dydx.funding import HOURS_AT_ONCE_MAX, hours_between, payment_of, rate_estimate
from simulators.dydx.interest import NONE, Interest, initial_fraction, scaled_ppm
from simulators.dydx.margin import Requirements, is_allowed, stateful_orders_max
from simulators.dydx.markets import MARKET_OF_TICKER
from simulators.dydx.orders import order_uuid
from simulators.dydx.queries import signed_bytes
from simulators.dydx.rate_limits import SHORT_TERM_LIMITS, STATEFUL_LIMITS, RateLimiter
from simulators.dydx.records import ChainFill
from simulators.dydx.refusals import Code, RefusedError
from simulators.dydx.subaccounts import Subaccount
from simulators.dydx.transactions import address_of, is_address

NOW_MS = 1_800_000_000_000
WINDOW_MS = 30_000
AT = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"


def fill(side: Side, size: str, price: str, number: int = 0, at: datetime = AT) -> ChainFill:
    return ChainFill(
        id=str(number),
        order_id="",
        address=ADDRESS,
        subaccount_number=0,
        ticker="BTC-USD",
        side=side,
        liquidity=Liquidity.TAKER,
        size=Decimal(size),
        price=Decimal(price),
        fee=Decimal(0),
        created_at=at,
        created_at_height=1,
    )


# ------------------------------------------------------------------------------------------------------------ nonces


def test_a_sequence_counts_up() -> None:
    account = use_sequence(Account(address=ADDRESS, number=0), 0, NOW_MS, WINDOW_MS)
    assert account.sequence == 1
    with pytest.raises(RefusedError, match="expected 1, got 0"):
        use_sequence(account, 0, NOW_MS, WINDOW_MS)


def test_twenty_timestamps_are_kept_and_only_larger_ones_push_the_smallest_out() -> None:
    account = Account(address=ADDRESS, number=0)
    for each in range(TIMESTAMPS_KEPT_MAX):
        account = use_sequence(account, NOW_MS + 2 * each, NOW_MS, WINDOW_MS)
    with pytest.raises(RefusedError, match="rejected"):
        use_sequence(account, NOW_MS - 1, NOW_MS, WINDOW_MS)
    account = use_sequence(account, NOW_MS + 1, NOW_MS, WINDOW_MS)
    assert len(account.timestamps) == TIMESTAMPS_KEPT_MAX
    with pytest.raises(RefusedError, match="rejected"):
        use_sequence(account, NOW_MS, NOW_MS, WINDOW_MS)


@given(st.lists(st.integers(NOW_MS - WINDOW_MS, NOW_MS + WINDOW_MS), max_size=60))
def test_no_timestamp_is_taken_twice(sequences: list[int]) -> None:
    account, taken = Account(address=ADDRESS, number=0), []
    for sequence in sequences:
        try:
            account = use_sequence(account, sequence, NOW_MS, WINDOW_MS)
        except RefusedError:
            continue
        taken.append(sequence)
    assert len(set(taken)) == len(taken)
    assert account.sequence == 0


# -------------------------------------------------------------------------------------------------------- rate limits


@pytest.mark.parametrize(
    ("limits", "blocks", "each_block", "taken"),
    [
        (STATEFUL_LIMITS, 1, 5, 2),
        (STATEFUL_LIMITS, 99, 1, 20),
        (SHORT_TERM_LIMITS, 5, 900, 4000),
    ],
)
def test_attempts_above_a_limit_are_refused(limits: tuple, blocks: int, each_block: int, taken: int) -> None:  # type: ignore[type-arg]
    limiter, count, refused = RateLimiter("test", limits), 0, 0
    for height in range(blocks):
        for _ in range(each_block):
            try:
                limiter.attempt(ADDRESS, height)
            except RefusedError:
                refused += 1
            else:
                count += 1
    assert (count, refused) == (taken, blocks * each_block - taken)


def test_limits_are_by_address_and_end_with_their_blocks() -> None:
    limiter = RateLimiter("test", STATEFUL_LIMITS)
    for _ in range(2):
        limiter.attempt("a", 1)
        limiter.attempt("b", 1)
    with pytest.raises(RefusedError) as caught:
        limiter.attempt("a", 1)
    assert caught.value.code is Code.BLOCK_RATE_LIMIT_EXCEEDED
    limiter.attempt("a", 2)


# -------------------------------------------------------------------------------------------------- margin and tiers


def needs(equity: int, initial: int, maintenance: int) -> Requirements:
    return Requirements(Decimal(equity), Decimal(initial), Decimal(maintenance))


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        (needs(100, 0, 0), needs(100, 100, 60), True),
        (needs(100, 0, 0), needs(100, 101, 60), False),
        (needs(50, 100, 60), needs(50, 90, 54), True),
        (needs(50, 100, 60), needs(50, 100, 60), False),
        (needs(50, 100, 60), needs(40, 90, 54), False),
    ],
)
def test_a_subaccount_may_only_get_safer_below_its_margin(
    before: Requirements, after: Requirements, allowed: bool
) -> None:
    assert is_allowed(before, after) is allowed


CAPS = Interest(lower_cap=Decimal(2_000_000), upper_cap=Decimal(5_000_000))


@pytest.mark.parametrize(
    ("open_notional", "ppm"),
    [
        ("0", 100_000),
        ("2000000", 100_000),
        ("2000000.01", 100_000),
        ("3500000", 550_000),
        ("4500000", 850_000),
        ("4999999.99", 999_999),
        ("5000000", 1_000_000),
        ("9000000", 1_000_000),
    ],
)
def test_the_initial_margin_grows_from_the_lower_cap_to_all_of_the_value(open_notional: str, ppm: int) -> None:
    assert scaled_ppm(100_000, Decimal(open_notional), CAPS) == ppm
    assert scaled_ppm(100_000, Decimal(open_notional), NONE) == 100_000


def test_the_larger_of_scaled_margin_and_leverage_counts() -> None:
    base, notional = Decimal("0.1"), Decimal(3_500_000)
    assert initial_fraction(base, notional, CAPS, 0) == Decimal("0.55")
    assert initial_fraction(base, notional, CAPS, 500_000) == Decimal("0.55")
    assert initial_fraction(base, notional, CAPS, 600_000) == Decimal("0.6")
    assert initial_fraction(base, notional, NONE, 50_000) == base


def test_equity_says_how_many_stateful_orders_there_may_be() -> None:
    amounts = ("-5", "19.99", "20", "100", "1000", "10000", "100000")
    assert [stateful_orders_max(Decimal(each)) for each in amounts] == [0, 0, 4, 8, 10, 100, 200]


# ------------------------------------------------------------------------------------------------------------- money


def test_fees_round_up_to_a_millionth_and_so_do_rebates() -> None:
    assert fee_of(Decimal("1.000001"), 500) == Decimal("0.000501")
    assert fee_of(Decimal("1.000001"), -110) == Decimal("-0.000110")


def test_volume_of_thirty_days_lowers_the_fee() -> None:
    schedule = FeeSchedule()
    assert schedule.fee(ADDRESS, Liquidity.TAKER, Decimal(1000), AT) == Decimal("0.5")
    schedule.add_fill(fill(Side.BUY, "10", "100000"))
    assert schedule.fee(ADDRESS, Liquidity.TAKER, Decimal(1000), AT) == Decimal("0.45")
    assert schedule.fee(ADDRESS, Liquidity.TAKER, Decimal(1000), AT + timedelta(days=31)) == Decimal("0.5")


def test_longs_pay_a_positive_rate_and_shorts_receive_it() -> None:
    assert payment_of(Decimal("0.1"), Decimal(100_000), Decimal("0.0000125")) == Decimal("-0.125")
    assert payment_of(Decimal("-0.1"), Decimal(100_000), Decimal("0.0000125")) == Decimal("0.125")


def test_a_premium_raises_the_rate_to_its_clamp() -> None:
    market = MARKET_OF_TICKER["BTC-USD"]
    flat = rate_estimate(Decimal(100), Decimal(100), market)
    assert flat == Decimal("0.0000125")
    assert rate_estimate(Decimal(101), Decimal(100), market) > flat > rate_estimate(Decimal(99), Decimal(100), market)
    assert rate_estimate(Decimal(900), Decimal(100), market) == Decimal("0.006")


def test_every_full_hour_is_funded_once() -> None:
    end = AT + timedelta(hours=3)
    assert [each.hour for each in hours_between(AT, end)] == [15, 16, 17]
    assert hours_between(AT.replace(minute=0), AT) == []
    assert len(hours_between(AT, AT + timedelta(days=90))) == HOURS_AT_ONCE_MAX


def test_a_fill_through_zero_closes_one_position_and_opens_another() -> None:
    subaccount = Subaccount(ADDRESS, 0)
    for number, (side, size, price) in enumerate(
        ((Side.BUY, "1", "100"), (Side.BUY, "1", "110"), (Side.SELL, "3", "120"))
    ):
        subaccount.add_fill(fill(side, size, price, number))
    (closed,) = subaccount.closed
    assert (closed.entry_price, closed.exit_price, closed.realized_pnl) == (105, 120, 30)
    assert (closed.size, closed.max_size, closed.sum_open, closed.sum_close) == (0, 2, 2, 2)
    assert closed.closed_at == AT
    assert (subaccount.open["BTC-USD"].size, subaccount.open["BTC-USD"].entry_price) == (-1, 120)
    assert subaccount.usdc == 150


# -------------------------------------------------------------------------------------------------------- identities


def test_ids_and_addresses_are_the_clients() -> None:
    key = KeyPair.from_mnemonic("abandon " * 11 + "about")
    assert address_of(key.public_key_bytes) == Wallet(key, 0, 0).address == ADDRESS
    assert is_address(ADDRESS)
    assert not is_address(ADDRESS[:-1] + "y")
    assert not is_address("cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4")
    assert order_uuid(ADDRESS, 0, 1, 0, 0) == "aef8d77e-1a73-51b7-88d5-a6dce9cff0b7"


@pytest.mark.parametrize(("number", "written"), [(0, b"\x02"), (1, b"\x02\x01"), (-256, b"\x03\x01\x00")])
def test_whole_numbers_are_written_with_a_sign_byte(number: int, written: bytes) -> None:
    assert signed_bytes(number) == written
