"""What an authenticator lets a key do is read as the chain does it; one that lets it do more is not used."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_dydx import permissions
from gateway_dydx.permissions import (
    CANCEL,
    DEPTH_MAX,
    HARMLESS,
    LEVERAGE,
    PLACE,
    Held,
    Kind,
    config_of,
    judge,
    passes,
    read,
    trading_rule,
)
from hypothesis import given
from hypothesis import strategies as st
from signalbox.errors import TranslationError
from simulators.dydx.authenticators import DATA_BYTES_MAX, Request, authenticate, check_added
from simulators.dydx.refusals import RefusedError
from v4_proto.dydxprotocol.clob.order_pb2 import Order, OrderId
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder, OrderBatch
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

KEY, OTHER = b"\x02" + b"a" * 32, b"\x03" + b"b" * 32
TRANSFER = "/dydxprotocol.sending.MsgCreateTransfer"
SIGNED, ANY, ALL = (Kind.SIGNATURE, KEY), Kind.ANY_OF, Kind.ALL_OF
ORDERS = (Kind.MESSAGES, f"{PLACE},{CANCEL}".encode())
OF_ORDERS = sorted(permissions.OF_ORDERS)
OWN = (Kind.SUBACCOUNTS, b"0")


def held(rule: tuple[Kind, bytes], id_: int = 3) -> Held:
    return Held(id_, rule[0].value, rule[1])


def composed(kind: Kind, *parts: tuple[Kind, bytes]) -> tuple[Kind, bytes]:
    return kind, config_of(parts)


@pytest.mark.parametrize(
    "rule",
    [
        trading_rule(KEY, 0),
        trading_rule(KEY, 0, more=[LEVERAGE]),
        composed(ALL, SIGNED, composed(ANY, (Kind.MESSAGES, PLACE.encode()), (Kind.MESSAGES, CANCEL.encode())), OWN),
        composed(ALL, SIGNED, composed(ALL, OWN, ORDERS)),
        composed(ANY, composed(ALL, (Kind.SIGNATURE, OTHER), ORDERS), composed(ALL, SIGNED, ORDERS, OWN)),
        (ALL, json.dumps([{"type": k, "config": list(c)} for k, c in (SIGNED, ORDERS, OWN)]).encode()),
    ],
)
def test_a_key_that_may_place_and_cancel_and_nothing_else_trades(rule: tuple[Kind, bytes]) -> None:
    found = judge([held(rule)], KEY, 0)
    assert (found.id, found.clob_pairs) == (3, None)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (SIGNED, "every message, transfers and withdrawals too"),
        (composed(ALL, SIGNED, OWN), "every message"),
        (composed(ANY, SIGNED, composed(ALL, SIGNED, ORDERS, OWN)), "every message"),
        (composed(ALL, SIGNED, (Kind.MESSAGES, f"{PLACE},{CANCEL},{TRANSFER}".encode()), OWN), f"send {TRANSFER}"),
        (composed(ALL, SIGNED, ORDERS), "sub-account 1 too"),
        (composed(ALL, SIGNED, ORDERS, (Kind.SUBACCOUNTS, b"0,5")), "sub-account 5 too"),
        (composed(ALL, SIGNED, ORDERS, (Kind.SUBACCOUNTS, b"5")), "sub-account 5 too"),
        (composed(ALL, SIGNED, (Kind.MESSAGES, PLACE.encode()), OWN), f"does not let the key send {CANCEL} for"),
        (composed(ALL, SIGNED, (Kind.MESSAGES, LEVERAGE.encode()), OWN), f"send {PLACE} and {CANCEL} for"),
        (composed(ALL, SIGNED, (Kind.SIGNATURE, OTHER), ORDERS, OWN), f"send {PLACE} and {CANCEL} for"),
        (composed(ALL, SIGNED, ORDERS, (Kind.SUBACCOUNTS, b"0 ,1")), "can not be read: '0 ' in its SubaccountFilter"),
        ((Kind.ALL_OF, b"nonsense"), "can not be read: what AllOf is made of is no list"),
        (
            composed(ALL, (Kind.SIGNATURE, OTHER), ORDERS, OWN),
            "for this trading key; it has 1 for other keys",
        ),
    ],
)
def test_any_other_is_not_used_and_it_is_said_why(rule: tuple[Kind, bytes], words: str) -> None:
    found = judge([held(rule)], KEY, 0)
    assert found.id is None
    assert words in found.text


def test_the_newest_that_fits_is_taken_and_one_that_allows_too_much_passed_over() -> None:
    mine = trading_rule(KEY, 0)
    assert judge([held(mine, 4), held(mine, 9), held(SIGNED, 12)], KEY, 0).id == 9
    assert judge([held(mine, 0)], KEY, 0).id == 0, "the chain's first id"


def test_the_markets_of_a_key_are_told() -> None:
    assert judge([held(trading_rule(KEY, 0, [5, 1]))], KEY, 0).clob_pairs == {1, 5}


def test_what_the_house_writes_fits_the_chain() -> None:
    kind, config = trading_rule(KEY, 128_000, range(40), [LEVERAGE])
    assert len(config) <= DATA_BYTES_MAX
    check_added(kind.value, config, "0")


def test_a_tree_without_end_is_not_read() -> None:
    rule = SIGNED
    for _ in range(DEPTH_MAX + 2):
        rule = composed(ALL, rule)
    with pytest.raises(TranslationError, match="nested deeper"):
        read(rule[0].value, rule[1])


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from([*Kind, "nonsense"]))
def test_any_bytes_are_read_or_refused(config: bytes, kind: str) -> None:
    judge([Held(1, kind, config)], KEY, 0)


LEAVES = st.one_of(
    st.sampled_from([SIGNED, (Kind.SIGNATURE, OTHER)]),
    st.sets(st.sampled_from([PLACE, CANCEL, TRANSFER, "/dydxprotocol.clob.MsgBatchCancel"]), min_size=1).map(
        lambda words: (Kind.MESSAGES, ",".join(sorted(words)).encode())
    ),
    st.tuples(st.sampled_from([Kind.SUBACCOUNTS, Kind.CLOB_PAIRS]), st.sampled_from([b"0", b"1", b"0,1", b"2"])),
)
RULES = st.recursive(
    LEAVES,
    lambda parts: st.tuples(st.sampled_from([ALL, ANY]), st.lists(parts, min_size=2, max_size=3)).map(
        lambda made: composed(made[0], *made[1])
    ),
    max_leaves=6,
)


def message_of(url: str, number: int, pair: int) -> Any:
    subaccount = SubaccountId(owner="a", number=number)
    order_id = OrderId(subaccount_id=subaccount, clob_pair_id=pair)
    return {
        PLACE: MsgPlaceOrder(order=Order(order_id=order_id)),
        CANCEL: MsgCancelOrder(order_id=order_id),
        TRANSFER: MsgCreateTransfer(),
        "/dydxprotocol.clob.MsgBatchCancel": MsgBatchCancel(
            subaccount_id=subaccount, short_term_cancels=[OrderBatch(clob_pair_id=pair)]
        ),
    }[url]


@given(RULES, st.sampled_from([*OF_ORDERS, TRANSFER]), st.integers(0, 2), st.integers(0, 2))
def test_the_reading_agrees_with_the_chains(rule: tuple[Kind, bytes], url: str, number: int, pair: int) -> None:
    kind, config = rule
    request = Request(message_of(url, number, pair), lambda key: key == KEY, 0, 0, "chain")
    try:
        authenticate(kind.value, config, request, "0")
        passed = True
    except RefusedError:
        passed = False
    assert passes(read(kind.value, config), KEY, url, number, pair) == passed


@given(st.lists(RULES, max_size=3), st.sampled_from([*OF_ORDERS, TRANSFER]), st.integers(0, 2), st.integers(0, 2))
def test_what_is_used_lets_nothing_pass_but_the_sub_accounts_orders(
    rules: list[tuple[Kind, bytes]], url: str, number: int, pair: int
) -> None:
    found = judge([held(rule, id_) for id_, rule in enumerate(rules)], KEY, 0)
    if found.id is None:
        return
    kind, config = rules[found.id]
    if url not in HARMLESS or number != 0:
        assert not passes(read(kind.value, config), KEY, url, number, pair)
    if url in (PLACE, CANCEL) and number == 0 and found.clob_pairs is None:
        assert passes(read(kind.value, config), KEY, url, number, pair)
