"""Permissioned keys on the chain, through the real client: what they let pass, and in which words they refuse."""

from __future__ import annotations

import base64
import json
from typing import Any

import grpc
import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.node.authenticators import Authenticator, AuthenticatorType
from dydx_v4_client.node.builder import Builder, TxOptions
from dydx_v4_client.node.message import (
    add_authenticator,
    convert_nested_config_to_base64,
    remove_authenticator,
    subaccount,
    transfer,
)
from dydx_v4_client.wallet import Wallet
from simulators.dydx.accounts import USDC_DENOM
from simulators.dydx.chain import Chain
from simulators.dydx.records import LONG_TERM, ChainOrderStatus
from v4_proto.dydxprotocol.accountplus import query_pb2 as accountplus
from v4_proto.dydxprotocol.accountplus import query_pb2_grpc as accountplus_grpc
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator
from v4_proto.dydxprotocol.clob.tx_pb2 import OrderBatch

KEY, OTHER_KEY = KeyPair.from_hex("11" * 32), KeyPair.from_hex("22" * 32)
PLACE, CANCEL = "/dydxprotocol.clob.MsgPlaceOrder", "/dydxprotocol.clob.MsgCancelOrder"
FAILED = "authentication failed for message 0, authenticator id 0, type"
ALL, ANY = AuthenticatorType.AllOf, AuthenticatorType.AnyOf
signature, messages = Authenticator.signature_verification, Authenticator.message_filter
subaccounts, pairs, compose = (
    Authenticator.subaccount_filter,
    Authenticator.clob_pair_id_filter,
    Authenticator.compose,
)


def public(key: Any) -> bytes:
    return bytes(Wallet(key, 0, 0).public_key.key)


MINE = signature(public(KEY))
TRADER = compose(ALL, [MINE, messages(f"{PLACE},{CANCEL}"), subaccounts([0])])
HELD = convert_nested_config_to_base64(TRADER.config)
"""What the client makes of it."""


async def added(bench: Any, authenticator: Any) -> int:
    """Have the owner add one, and return its id."""
    await refreshed(bench)
    message = add_authenticator(bench.address, authenticator.type, authenticator.config)
    assert (await bench.broadcast(message, sequence=bench.wallet.sequence)).code == 0
    bench.blocks()
    held = (await bench.call(lambda: bench.client.get_authenticators(bench.address))).account_authenticators
    return int(held[-1].id)


async def refreshed(bench: Any) -> None:
    account = await bench.call(lambda: bench.client.get_account(bench.address))
    bench.wallet.sequence, bench.wallet.account_number = account.sequence, account.account_number


def options(bench: Any, *ids: int) -> TxOptions:
    return TxOptions(authenticators=list(ids), sequence=bench.wallet.sequence, account_number=0)


async def place(bench: Any, message: Any, *ids: int, key: Any = KEY) -> Any:
    """Place an order signed by a permissioned key."""
    chosen = options(bench, *ids)
    return (await bench.call(lambda: bench.client.place_order(Wallet(key, 0, 0), message, chosen))).tx_response


def told(response: Any) -> tuple[str, int]:
    return response.codespace, response.code


async def test_a_permissioned_key_places_and_cancels_and_the_order_is_its_owners(bench: Any) -> None:
    id_ = await added(bench, TRADER)
    assert (await place(bench, bench.order(1, price="90000"), id_)).code == 0
    bench.blocks()
    assert bench.chain_order(1).status is ChainOrderStatus.OPEN
    assert bench.chain_order(1).address == bench.address
    identity, til = bench.order_id(1), bench.chain.height + 12
    answer = await bench.call(
        lambda: bench.client.cancel_order(
            Wallet(KEY, 0, 0), identity, good_til_block=til, tx_options=options(bench, id_)
        )
    )
    assert answer.tx_response.code == 0
    bench.blocks()
    assert bench.chain_order(1).status is ChainOrderStatus.BEST_EFFORT_CANCELED


async def test_a_stateful_order_of_a_permissioned_key_uses_its_owners_sequence(bench: Any) -> None:
    id_ = await added(bench, TRADER)
    await refreshed(bench)
    assert (await place(bench, bench.order(1, price="90000", flags=LONG_TERM), id_)).code == 0
    bench.blocks()
    assert bench.chain_order(1).status is ChainOrderStatus.OPEN
    before, known = bench.wallet.sequence, bench.chain.state.accounts[bench.address]
    await refreshed(bench)
    assert bench.wallet.sequence == before + 1
    assert known.public_key == public(bench.wallet.key), "the owner's public key stays the account's"


async def test_ids_are_of_the_chain_and_never_used_twice(bench: Any) -> None:
    answer = await bench.call(lambda: bench.client.add_authenticator(bench.wallet, MINE))  # the client simulates first
    assert answer.tx_response.code == 0
    bench.blocks()
    assert await added(bench, TRADER) == 1
    await refreshed(bench)
    assert (await bench.call(lambda: bench.client.remove_authenticator(bench.wallet, 1))).tx_response.code == 0
    bench.blocks()
    assert await added(bench, TRADER) == 2


@pytest.mark.parametrize(
    ("authenticator", "changes", "key", "refusal", "words"),
    [
        pytest.param(
            TRADER,
            {},
            OTHER_KEY,
            ("accountplus", 104),
            f"{FAILED} AllOf: signature verification failed; please "
            "verify account number (0), sequence (1) and chain-id (localdydxprotocol): Signature verification failed: "
            "AllOf verification failed",
            id="another key",
        ),
        pytest.param(
            compose(ALL, [MINE, messages(CANCEL)]),
            {},
            KEY,
            ("accountplus", 104),
            f"{FAILED} AllOf: message types do not match. Got {PLACE},"
            f" Expected map[{CANCEL}:{{}}]: Message type verification failed: AllOf verification failed",
            id="another message",
        ),
        pytest.param(
            TRADER,
            {"number": 7},
            KEY,
            ("accountplus", 104),
            f"{FAILED} AllOf: subaccount number 7 not in whitelist "
            "map[0:{}]: Subaccount verification failed: AllOf verification failed",
            id="another subaccount",
        ),
        pytest.param(
            compose(ALL, [MINE, pairs([5, 1])]),
            {},
            KEY,
            ("accountplus", 104),
            f"{FAILED} AllOf: order id 0 not in whitelist "
            "map[1:{} 5:{}]: Clob pair id verification failed: AllOf verification failed",
            id="another market",
        ),
        pytest.param(
            signature(public(OTHER_KEY)),
            {},
            KEY,
            ("accountplus", 100),
            f"{FAILED} SignatureVerification: signature verification "
            "failed; please verify account number (0), sequence (1) and chain-id (localdydxprotocol): "
            "Signature verification failed",
            id="a bare signature of another key",
        ),
        pytest.param(
            compose(ANY, [signature(public(OTHER_KEY)), compose(ALL, [MINE, pairs([5])])]),
            {},
            KEY,
            ("accountplus", 105),
            f"{FAILED} AnyOf: all sub-authenticators failed to authenticate: [SignatureVerification (id = 0.0)] "
            "signature verification failed; please verify account number (0), sequence (1) and chain-id "
            "(localdydxprotocol): Signature verification failed; ; [AllOf (id = 0.1)] order id 0 not in whitelist "
            "map[5:{}]: Clob pair id verification failed: AllOf verification failed; : AnyOf verification failed",
            id="none of any",
        ),
    ],
)
async def test_what_an_authenticator_does_not_let_pass_is_refused_in_the_chains_words(
    bench: Any, authenticator: Any, changes: dict[str, Any], key: Any, refusal: tuple[str, int], words: str
) -> None:
    id_ = await added(bench, authenticator)
    response = await place(bench, bench.order(1, price="90000", **changes), id_, key=key)
    assert (told(response), response.raw_log) == (refusal, words)
    bench.blocks()
    assert not bench.chain.orders


async def test_the_number_of_selected_authenticators_is_that_of_the_messages(bench: Any) -> None:
    id_ = await added(bench, TRADER)
    response = await place(bench, bench.order(1, price="90000"), id_, id_)
    assert told(response) == ("sdk", 18)
    assert response.raw_log == (
        "Mismatch between the number of selected authenticators and messages, msg count 1, got 2 selected "
        "authenticators: invalid request"
    )


async def test_an_authenticator_that_is_not_there_is_named(bench: Any) -> None:
    response = await place(bench, bench.order(1, price="90000"), 12)
    assert told(response) == ("accountplus", 1)
    assert response.raw_log == (
        f"failed to get initialized authenticator (account = {bench.address}, authenticator id = 12, msg index = 0, "
        f"msg type url = {PLACE}): authenticator 12 not found for account {bench.address}: Authenticator is not found"
    )


async def test_without_selected_authenticators_the_owners_key_is_asked_for(bench: Any) -> None:
    """The circuit breaker: an extension that selects nothing is none."""
    await added(bench, TRADER)
    assert told(await place(bench, bench.order(1, price="90000"))) == ("sdk", 8)
    assert (await bench.place(bench.order(2, price="90000"))).code == 0


async def test_while_smart_accounts_are_off_no_authenticator_passes_and_the_owner_still_does(bench: Any) -> None:
    id_ = await added(bench, TRADER)
    bench.control["smart_accounts"]({"active": False})
    response = await place(bench, bench.order(1, price="90000"), id_)
    assert (told(response), response.raw_log) == (("accountplus", 4), "Smart account is not active")
    assert (await bench.place(bench.order(2, price="90000"))).code == 0
    stub = accountplus_grpc.QueryStub(bench.client.channel)
    answer = await bench.call(lambda: _asked(stub.Params, accountplus.QueryParamsRequest()))
    assert not answer.params.is_smart_account_active
    bench.control["smart_accounts"]({"active": True})
    assert (await place(bench, bench.order(3, price="90000"), id_)).code == 0


async def test_a_key_that_may_trade_can_not_move_money(bench: Any) -> None:
    id_ = await added(bench, TRADER)
    message = transfer(subaccount(bench.address, 0), subaccount(bench.address, 1), 0, 1_000_000)
    await refreshed(bench)
    builder = Builder(bench.chain.chain_id, USDC_DENOM)
    packed = builder.build(bench.wallet, message).body.messages
    fee = builder.fee(1_000_000, builder.coin(5_000))
    transaction = builder.build_transaction(Wallet(KEY, 0, 0), packed, fee, options(bench, id_))
    response = (await bench.call(lambda: bench.client.broadcast(transaction))).tx_response
    assert told(response) == ("accountplus", 104)
    assert "Got /dydxprotocol.sending.MsgCreateTransfer" in response.raw_log


async def test_a_batch_cancel_is_held_to_every_market_of_it(bench: Any) -> None:
    id_ = await added(bench, compose(ALL, [MINE, pairs([0])]))
    for markets, code in (((0,), 0), ((0, 1), 104)):
        batches = [OrderBatch(clob_pair_id=each, client_ids=[1]) for each in markets]
        til = bench.chain.height + 10 + code
        response = await bench.call(
            lambda batches=batches, til=til: bench.client.batch_cancel_orders(
                Wallet(KEY, 0, 0), subaccount(bench.address, 0), batches, til, tx_options=options(bench, id_)
            )
        )
        assert response.tx_response.code == code


# --------------------------------------------------------------------------------------------------- adding, removing


@pytest.mark.parametrize(
    ("type_", "config", "refusal"),
    [
        ("MessageFilter", PLACE.encode(), "unsafe: authenticator tree does not require signature verification"),
        ("Nonsense", b"", "authenticator type Nonsense is not registered"),
        ("SignatureVerification", b"short", "invalid secp256k1 public key size, expected 33, got 5"),
        ("AllOf", b"no json", "failed to unmarshal sub-authenticator init data"),
        ("AllOf", json.dumps([MINE.todict()]).encode(), "no sub-authenticators provided: invalid request"),
        (
            "AllOf",
            json.dumps([MINE.todict(), {"type": "Nonsense", "config": ""}]).encode(),
            "type is not registered in manager: invalid request",
        ),
        (
            "AnyOf",
            json.dumps([MINE.todict(), {"type": "MessageFilter", "config": "eA=="}]).encode(),
            "unsafe: authenticator tree does not require signature verification",
        ),
    ],
)
async def test_what_would_let_anybody_sign_is_not_added(bench: Any, type_: str, config: bytes, refusal: str) -> None:
    await refreshed(bench)
    message = add_authenticator(bench.address, type_, config)
    response = await bench.broadcast(message, sequence=bench.wallet.sequence)
    assert response.code == 0, "CheckTx does not execute it"
    bench.blocks()
    assert refusal in bench.chain.state.committed[response.txhash].log
    assert not bench.chain.state.accounts[bench.address].authenticators


async def test_an_authenticator_of_more_than_a_thousand_bytes_is_refused_at_once(bench: Any) -> None:
    response = await bench.broadcast(add_authenticator(bench.address, "AllOf", b"x" * 1025))
    assert told(response) == ("accountplus", 3)


async def test_a_filter_that_can_not_be_read_is_added_but_of_no_use(bench: Any) -> None:
    id_ = await added(bench, compose(ALL, [MINE, Authenticator(AuthenticatorType.SubaccountFilter, b"0, 1")]))
    response = await place(bench, bench.order(1, price="90000"), id_)
    assert told(response) == ("undefined", 1)
    assert response.raw_log.endswith(
        f"authenticator {id_} with type AllOf failed to initialize for account {bench.address}: failed to initialize "
        'sub-authenticator (type = SubaccountFilter): strconv.ParseUint: parsing " 1": invalid syntax'
    )


async def test_a_composites_parts_may_be_written_as_numbers(bench: Any) -> None:
    """Go reads them so too; the client writes base64."""
    await refreshed(bench)
    message = MsgAddAuthenticator(sender=bench.address, authenticator_type="AllOf", data=TRADER.config)
    assert (await bench.broadcast(message, sequence=bench.wallet.sequence)).code == 0
    bench.blocks()
    assert (await place(bench, bench.order(1, price="90000"), 0)).code == 0


async def test_one_that_is_not_there_can_not_be_removed_nor_anothers(bench: Any) -> None:
    id_ = await added(bench, TRADER)
    with pytest.raises(grpc.RpcError, match="Authenticator is not found"):  # the client simulates first
        await bench.call(lambda: bench.client.remove_authenticator(bench.wallet, id_ + 1))
    stranger = Wallet(OTHER_KEY, 0, 0).address
    response = await bench.broadcast(remove_authenticator(stranger, id_))
    assert told(response) == ("sdk", 9)


async def test_what_waits_when_its_authenticator_goes_comes_to_nothing(bench: Any) -> None:
    """Taken by the node, then removed by a transaction before it in the same block."""
    id_ = await added(bench, TRADER)
    await refreshed(bench)
    bench.control["remove_authenticator"]({"address": bench.address, "id": id_})
    response = await place(bench, bench.order(1, price="90000", flags=LONG_TERM), id_)
    assert response.code == 0
    bench.blocks()
    committed = bench.chain.state.committed[response.txhash]
    assert (committed.codespace, committed.code) == ("accountplus", 1)
    assert not bench.chain.orders


async def test_a_short_term_order_can_not_fill_once_its_authenticator_is_gone(bench: Any) -> None:
    id_ = await added(bench, TRADER)
    assert (await place(bench, bench.order(1, price="90000"), id_)).code == 0
    await refreshed(bench)
    assert (await place(bench, bench.order(2, price="90000", flags=LONG_TERM), id_)).code == 0
    bench.blocks()
    bench.control["remove_authenticator"]({"address": bench.address, "id": id_})
    bench.blocks(2)
    gone = bench.chain_order(1)
    assert (gone.status, gone.removal_reason) == (ChainOrderStatus.BEST_EFFORT_CANCELED, "EXPIRED")
    assert bench.chain_order(2).status is ChainOrderStatus.OPEN, "a stateful order was authenticated in its block"


async def test_authenticators_outlive_the_chain_that_made_them(bench: Any, world_of: Any, tmp_path: Any) -> None:
    first = await added(bench, TRADER)
    second = await added(bench, MINE)
    bench.control["remove_authenticator"]({"address": bench.address, "id": second})
    bench.blocks()
    bench.chain.close()
    bench.world.close()
    again = Chain(world_of(books_file=tmp_path / "books"), bench.chain.chain_id, tmp_path / "books.chain")
    assert [each.id for each in again.state.accounts[bench.address].authenticators] == [first]
    assert again.state.authenticator_next == second + 1, "an id is never used twice"
    again.close()
    again.world.close()


async def test_queries_tell_one_and_all_of_them(bench: Any) -> None:
    id_ = await added(bench, TRADER)
    stub = accountplus_grpc.QueryStub(bench.client.channel)
    request = accountplus.GetAuthenticatorRequest(account=bench.address, authenticator_id=id_)
    one = (await bench.call(lambda: _asked(stub.GetAuthenticator, request))).account_authenticator
    assert (one.id, one.type, one.config) == (id_, "AllOf", HELD)
    request.authenticator_id = 99
    with pytest.raises(grpc.RpcError, match="Authenticator is not found"):
        await bench.call(lambda: _asked(stub.GetAuthenticator, request))
    told_ = bench.control["authenticators"]({"address": bench.address})["authenticators"]
    assert [(each["id"], base64.b64decode(each["config"])) for each in told_] == [(id_, HELD)]


async def _asked(call: Any, request: Any) -> Any:
    return call(request)
