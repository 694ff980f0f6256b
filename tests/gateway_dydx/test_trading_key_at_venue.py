"""A gateway that has a trading key and not the wallet's words: it trades, says why it can not, and moves no money."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.node.builder import Builder, TxOptions
from dydx_v4_client.node.message import add_authenticator, remove_authenticator, subaccount, transfer, withdraw
from dydx_v4_client.wallet import Wallet
from gateway_dydx.permissions import CANCEL, PLACE, Kind, config_of, trading_rule
from gateway_dydx.settings import USDC
from signalbox.messages import LinkStatus, OrderType, Side, VenueFill
from signalbox.settings import Secret

DIGITS = "11" * 32
KEY = Wallet(KeyPair.from_hex(DIGITS), 0, 0)
OWNER = KeyPair.from_mnemonic("abandon " * 11 + "about")
ADDRESS = Wallet(OWNER, 0, 0).address


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    return {
        "dydx_mnemonic": None,
        "dydx_trading_key": Secret(DIGITS),
        "retry_delay_seconds_max": 0.2,
        "reconcile_seconds": 0.5,
    }


def signed(desk: Any, key: Any, message: Any, authenticators: Iterable[int] = ()) -> Any:
    """Have the chain check a transaction that somebody has signed."""
    account = desk.venue.chain.state.accounts[ADDRESS]
    builder = Builder(desk.venue.chain.chain_id, USDC, memo="")
    selected = list(authenticators)
    options = TxOptions(selected, account.sequence, account.number) if selected else None
    fee = builder.fee(1_000_000, builder.coin(5_000))
    packed = builder.build(Wallet(key, account.number, account.sequence), message).body.messages
    built = builder.build_transaction(Wallet(key, account.number, account.sequence), packed, fee, options)
    return desk.venue.chain.check_tx(built.SerializeToString())


async def given(desk: Any, rule: tuple[Kind, bytes]) -> int:
    """Have the owner give the key an authenticator; its id once it is in a block."""
    before = desk.venue.chain.state.authenticator_next
    kind, config = rule
    assert signed(desk, OWNER, add_authenticator(ADDRESS, kind.value, config)).code == 0
    await desk.eventually(lambda: desk.venue.chain.state.authenticator_next > before, "the authenticator in a block")
    return int(before)


async def frozen_because(desk: Any, words: str) -> None:
    def says_so() -> bool:
        return bool(desk.links) and words in desk.links[-1].reason

    await desk.eventually(says_so, f"a link that says {words!r}; {desk.links[-3:]}")
    assert desk.status is LinkStatus.FROZEN


def resting(desk: Any) -> dict[str, Any]:
    return {"order_type": OrderType.LIMIT, "limit_price": desk.venue.price() - Decimal(5000)}


async def test_it_places_cancels_renews_and_stops_with_the_key_alone(desk: Any) -> None:
    id_ = await given(desk, trading_rule(KEY.public_key.key, 0))
    runtime = await desk.start()
    await desk.ready()
    assert runtime.details()["key"] == f"authenticator {id_}: places and cancels for sub-account 0"
    await desk.submit("m-1")
    await desk.has("m-1", "VenueAccepted", "VenueFill")
    await desk.submit("l-1", **resting(desk))
    await desk.has("l-1", "VenueAccepted")
    claim = await desk.claim_of("l-1")
    await desk.eventually(lambda: desk.venue.chain.height > claim.good_til_block + 5, "a renewal")
    await desk.cancel("l-1")
    await desk.has("l-1", "VenueCanceled")
    stop = {"order_type": OrderType.STOP, "side": Side.SELL, "stop_price": desk.venue.price() - Decimal(9000)}
    await desk.submit("s-1", **stop)
    await desk.has("s-1", "VenueAccepted")
    await desk.cancel("s-1")
    await desk.has("s-1", "VenueCanceled")
    fills = [each for each in await desk.reports("m-1") if isinstance(each, VenueFill)]
    assert sum(each.fill.quantity for each in fills) == Decimal("0.01")


async def test_the_key_can_not_move_money(desk: Any) -> None:
    id_ = await given(desk, trading_rule(KEY.public_key.key, 0))
    before = desk.venue.chain.subaccount(ADDRESS, 0)
    for message in (
        transfer(subaccount(ADDRESS, 0), subaccount(ADDRESS, 1), 0, 1_000_000),
        withdraw(subaccount(ADDRESS, 0), KEY.address, 0, 1_000_000),
        add_authenticator(ADDRESS, "SignatureVerification", KEY.public_key.key),
    ):
        verdict = signed(desk, KEY.key, message, [id_])
        assert (verdict.codespace, verdict.code) == ("accountplus", 104)
        assert "message types do not match" in verdict.log
        assert signed(desk, KEY.key, message).code != 0, "nor as if it were the owner's"
    await desk.blocks(2)
    assert desk.venue.chain.subaccount(ADDRESS, 0) == before


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (
            None,
            "the account has no authenticator for this trading key. Its owner gives it one with",
        ),
        (trading_rule(b"\x02" * 33, 0), "no authenticator for this trading key; it has 1 for other keys"),
        ((Kind.SIGNATURE, KEY.public_key.key), "lets the key send every message, transfers and withdrawals too"),
        (trading_rule(KEY.public_key.key, 7), "lets the key trade for sub-account 7 too"),
        (
            (
                Kind.ALL_OF,
                config_of([(Kind.SIGNATURE, KEY.public_key.key), (Kind.MESSAGES, f"{PLACE},{CANCEL}".encode())]),
            ),
            "lets the key trade for sub-account 1 too: it must have a SubaccountFilter for 0",
        ),
        (
            (
                Kind.ALL_OF,
                config_of(
                    [
                        (Kind.SIGNATURE, KEY.public_key.key),
                        (Kind.MESSAGES, PLACE.encode()),
                        (Kind.SUBACCOUNTS, b"0"),
                    ]
                ),
            ),
            f"does not let the key send {CANCEL} for sub-account 0",
        ),
    ],
    ids=["none", "another's", "everything", "another sub-account", "every sub-account", "no cancels"],
)
async def test_a_key_that_is_not_allowed_just_that_is_not_ready_and_says_why_until_it_is(
    desk: Any, rule: tuple[Kind, bytes] | None, words: str
) -> None:
    if rule is not None:
        await given(desk, rule)
    await desk.start()
    await frozen_because(desk, words)
    await desk.submit("waits")
    await desk.blocks(5)
    assert not desk.venue.orders(), "nothing is sent with it"
    await given(desk, trading_rule(KEY.public_key.key, 0))
    await desk.ready_now()
    await desk.has("waits", "VenueFill")


async def test_a_key_that_is_taken_away_while_it_trades_stops_the_link_and_is_taken_up_again(desk: Any) -> None:
    id_ = await given(desk, trading_rule(KEY.public_key.key, 0))
    await desk.start()
    await desk.ready()
    assert signed(desk, OWNER, remove_authenticator(ADDRESS, id_)).code == 0
    await frozen_because(desk, "no authenticator for this trading key")
    await given(desk, trading_rule(KEY.public_key.key, 0))
    await desk.ready_now()
    await desk.submit("m-1")
    await desk.has("m-1", "VenueFill")


async def test_an_order_that_the_chain_refuses_for_its_key_is_rejected_with_the_reason_and_stops_the_link(
    desk: Any,
) -> None:
    """Found out by the order itself: nobody has looked since the key was taken away."""
    desk.settings = desk.with_settings(reconcile_seconds=3600.0)
    id_ = await given(desk, trading_rule(KEY.public_key.key, 0))
    await desk.start()
    await desk.ready()
    await desk.venue.do("remove_authenticator", address=ADDRESS, id=id_)
    await desk.eventually(lambda: not desk.venue.chain.smart_accounts.has(ADDRESS, id_), "it is gone")
    await desk.submit("m-1")
    await desk.has("m-1", "VenueRejected")
    reason = (await desk.reports("m-1"))[-1].reason
    assert "Authenticator is not found (accountplus/1). The account's owner has removed" in reason
    await frozen_because(desk, "no authenticator for this trading key")


async def test_permissioned_keys_that_are_turned_off_by_governance_are_said_to_be(desk: Any) -> None:
    await given(desk, trading_rule(KEY.public_key.key, 0))
    await desk.start()
    await desk.ready()
    await desk.venue.do("smart_accounts", active=False)
    await frozen_because(desk, "permissioned keys are turned off on this chain")
    await desk.venue.do("smart_accounts", active=True)
    await desk.ready_now()


async def test_a_key_that_is_for_one_market_trades_there_and_says_so(desk: Any) -> None:
    btc = next(each.clob_pair_id for each in desk.venue.chain.markets if each.ticker == "BTC-USD")
    await given(desk, trading_rule(KEY.public_key.key, 0, [btc]))
    runtime = await desk.start()
    await desk.ready()
    assert runtime.details()["key"].endswith(f"in the markets {btc} alone (clob pair ids)")
    await desk.submit("b-1")
    await desk.has("b-1", "VenueFill")
    await desk.submit("e-1", symbol="ETH-USD")
    await desk.has("e-1", "VenueRejected")
    reason = (await desk.reports("e-1"))[-1].reason
    assert "not in whitelist" in reason
    assert "authenticator does not let it send this" in reason
    await desk.submit("b-2")
    await desk.has("b-2", "VenueFill")
