"""The control port's commands for the chain and its node: blocks, orders of other programs, and faults.

Owns their names and parameters. It must not know how a fault is made (`node`) or what a block does (`chain`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from signalbox.messages import Side
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import TxBody, TxRaw
from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder

from simulators.control import Arguments, Command, CommandError, Kind, Parameter, Reply
from simulators.dydx.chain import Chain
from simulators.dydx.control_fields import account_name_of, fill_fields, funding_fields, order_fields
from simulators.dydx.faults import Faults, Refusal
from simulators.dydx.fees import TIERS
from simulators.dydx.orders import PlacedOrder, order_uuid, protocol_order, quantums_of, subticks_of
from simulators.dydx.records import (
    CONDITIONAL,
    LONG_TERM,
    MARKET_TYPES,
    SHORT_TERM,
    STATUSES,
)
from simulators.dydx.refusals import RefusedError
from simulators.dydx.transactions import decode_transaction

BLOCKS_AT_ONCE_MAX = 10_000
EXTERNAL_CLIENT_ID_MIN = 4_000_000_000
"""Client ids that the control port chooses start here, away from what programs count from."""
EXTERNAL_GOOD_TIL_SECONDS = 86_400

_COUNT = Parameter("count", Kind.INTEGER, "how many of the next", 1)
ACCOUNT = Parameter("account", Kind.TEXT, "the subaccount, as address-number")
_FLAGS = {"SHORT_TERM": SHORT_TERM, "LONG_TERM": LONG_TERM, "CONDITIONAL": CONDITIONAL}
_SIDES = {each.value for each in Side}
_TIMES_IN_FORCE = {
    "GTT": Order.TimeInForce.TIME_IN_FORCE_UNSPECIFIED,
    "IOC": Order.TimeInForce.TIME_IN_FORCE_IOC,
    "POST_ONLY": Order.TimeInForce.TIME_IN_FORCE_POST_ONLY,
}


class ChainControl:
    """The commands of one chain and its node."""

    def __init__(self, chain: Chain, faults: Faults) -> None:
        self._chain, self._faults = chain, faults
        self._client_ids = itertools.count(EXTERNAL_CLIENT_ID_MIN)

    def commands(self) -> list[Command]:
        """Every command of this class."""
        return [*self._chain_commands(), *self._order_commands(), *self._fault_commands()]

    def _chain_commands(self) -> list[Command]:
        return [
            Command("chain", "the chain's height and time", self._told),
            Command(
                "blocks",
                "make blocks now",
                self._blocks,
                (Parameter("count", Kind.INTEGER, "how many", 1),),
            ),
            Command(
                "chain_orders",
                "every order of the chain, oldest first",
                self._orders,
                (Parameter("account", Kind.TEXT, "only this one, as address-number", ""),),
            ),
            Command(
                "chain_fills",
                "every fill and funding payment of the chain, oldest first",
                self._fills,
                (Parameter("account", Kind.TEXT, "only this one, as address-number", ""),),
            ),
            Command(
                "deposit",
                "give a subaccount USDC in the next block",
                self._deposit,
                (
                    ACCOUNT,
                    Parameter("amount", Kind.NUMBER, "USDC"),
                    Parameter("history", Kind.FLAG, "and orders, fills, funding, transfers, in two blocks", False),
                ),
            ),
            Command(
                "market",
                "change a market as governance does; not kept over restarts",
                self._market,
                (
                    Parameter("symbol", Kind.TEXT, "the market"),
                    Parameter("status", Kind.TEXT, f"one of {', '.join(STATUSES)}; left out: as it is", ""),
                    Parameter("type", Kind.TEXT, f"{' or '.join(MARKET_TYPES)}; left out: as it is", ""),
                ),
            ),
            Command(
                "fee_tier",
                'put an address in a fee tier, whatever its volume; "" = by volume again',
                self._fee_tier,
                (Parameter("address", Kind.TEXT, "the address"), Parameter("tier", Kind.TEXT, "1 to 9")),
            ),
        ]

    def _order_commands(self) -> list[Command]:
        return [
            Command(
                "place_external",
                "an order of another program, without signature",
                self._place,
                (
                    ACCOUNT,
                    Parameter("symbol", Kind.TEXT, "the market"),
                    Parameter("side", Kind.TEXT, "BUY or SELL"),
                    Parameter("quantity", Kind.NUMBER, "the size"),
                    Parameter("price", Kind.NUMBER, "the limit"),
                    Parameter("kind", Kind.TEXT, "SHORT_TERM, LONG_TERM or CONDITIONAL", "LONG_TERM"),
                    Parameter("time_in_force", Kind.TEXT, "GTT, IOC or POST_ONLY", "GTT"),
                    Parameter("reduce_only", Kind.FLAG, "only to make the position smaller", False),
                    Parameter("trigger_price", Kind.NUMBER, "of a conditional order, which is a stop", None),
                    Parameter("client_id", Kind.INTEGER, "left out: one from 4000000000 on", None),
                    Parameter("good_til_blocks", Kind.INTEGER, "of a short-term order: blocks from now", 20),
                ),
            ),
            Command(
                "cancel_external",
                "a cancel by another program, without signature",
                self._cancel,
                (Parameter("id", Kind.TEXT, "the order's uuid"),),
            ),
        ]

    def _fault_commands(self) -> list[Command]:
        return [
            Command("lose_reply", "take the next broadcasts but never answer", self._counted("lose_reply"), (_COUNT,)),
            Command(
                "drop_broadcast",
                "never answer the next broadcasts, nor take them",
                self._counted("drop_broadcast"),
                (_COUNT,),
            ),
            Command(
                "duplicate_broadcast",
                "the next broadcasts arrive twice: the answer is the second's (sdk/19)",
                self._counted("duplicate_broadcast"),
                (_COUNT,),
            ),
            Command("refuse_sequence", "sdk/32 for the next that use a sequence", self._refuse_sequence, (_COUNT,)),
            Command(
                "rate_limit",
                "refuse the next broadcasts: clob/5001, or gRPC's RESOURCE_EXHAUSTED as a public node does",
                self._rate_limit,
                (_COUNT, Parameter("grpc", Kind.FLAG, "true = RESOURCE_EXHAUSTED", False)),
            ),
            Command(
                "refuse_next",
                "answer the next broadcasts with any code, without looking at them",
                self._refuse_next,
                (
                    Parameter("codespace", Kind.TEXT, "such as clob or sdk", "clob"),
                    Parameter("code", Kind.INTEGER, "the code, above 0"),
                    Parameter("text", Kind.TEXT, "the raw log", "refused by the control port"),
                    _COUNT,
                ),
            ),
            Command(
                "delay_broadcast",
                "take broadcasts late",
                self._delay,
                (Parameter("milliseconds", Kind.INTEGER, "how late; 0 = as usual"),),
            ),
            Command(
                "node_frozen",
                "no blocks, and calls hang, until it is false again",
                self._freeze,
                (Parameter("frozen", Kind.FLAG, "true = frozen", True),),
            ),
            Command("clear_node", "forget every fault of the node that is set", self._clear),
        ]

    # ---------------------------------------------------------------------------------------------------- the chain

    def _told(self, _: Arguments) -> Reply:
        return {"height": self._chain.height, "time": self._chain.block_time.isoformat()}

    async def _blocks(self, arguments: Arguments) -> Reply:
        count = arguments["count"]
        if not 1 <= count <= BLOCKS_AT_ONCE_MAX:
            raise CommandError(f"count must be 1 to {BLOCKS_AT_ONCE_MAX}")
        if not self._faults.running.is_set():
            raise CommandError("the node is frozen: there are no blocks")
        for _ in range(count):
            self._chain.produce_block()
            await asyncio.sleep(0)
        return self._told(arguments)

    def _orders(self, arguments: Arguments) -> Reply:
        account = arguments["account"]
        orders = [each for each in self._chain.orders if account in ("", f"{each.address}-{each.subaccount_number}")]
        return {"orders": [order_fields(each) for each in orders]}

    def _fills(self, arguments: Arguments) -> Reply:
        account, chain = arguments["account"], self._chain
        return {
            "fills": [fill_fields(each) for each in chain.fills if account in ("", account_name_of(each))],
            "funding": [
                funding_fields(each) for each in chain.funding_payments if account in ("", account_name_of(each))
            ],
        }

    def _deposit(self, arguments: Arguments) -> Reply:
        address, number = account_of(arguments["account"])
        if arguments["amount"] <= 0:
            raise CommandError("the amount must be above 0")
        deposit = self._chain.make_used if arguments["history"] else self._chain.deposit
        deposit(address, number, arguments["amount"])
        return {}

    def _market(self, arguments: Arguments) -> Reply:
        symbol, status, type_ = arguments["symbol"], arguments["status"], arguments["type"]
        if symbol not in self._chain.book.markets or status not in ("", *STATUSES) or type_ not in ("", *MARKET_TYPES):
            raise CommandError("there is no such symbol, status or type")
        market = self._chain.change_market(symbol, status=status, market_type=type_)
        return {"status": market.status, "type": market.market_type}

    def _fee_tier(self, arguments: Arguments) -> Reply:
        tier = arguments["tier"]
        if tier and tier not in {each.name for each in TIERS}:
            raise CommandError("there are tiers 1 to 9")
        self._chain.set_fee_tier(arguments["address"], tier)
        return {"tier": self._chain.state.fees.tier(arguments["address"], self._chain.block_time).name}

    # -------------------------------------------------------------------------------------- orders of other programs

    def _place(self, arguments: Arguments) -> Reply:
        address, number = account_of(arguments["account"])
        market = self._chain.book.markets.get(arguments["symbol"])
        side, kind, time_in_force = arguments["side"], arguments["kind"], arguments["time_in_force"]
        if market is None or side not in _SIDES or kind not in _FLAGS or time_in_force not in _TIMES_IN_FORCE:
            raise CommandError("there is no such symbol, side, kind or time in force")
        flags, trigger = _FLAGS[kind], arguments["trigger_price"]
        client_id = arguments["client_id"]
        client_id = next(self._client_ids) if client_id is None else client_id
        try:
            order = PlacedOrder(
                id=order_uuid(address, number, client_id, market.clob_pair_id, flags),
                address=address,
                subaccount_number=number,
                client_id=client_id,
                clob_pair_id=market.clob_pair_id,
                order_flags=flags,
                buys=Side(side) is Side.BUY,
                quantums=quantums_of(arguments["quantity"], market),
                subticks=subticks_of(arguments["price"], market),
                time_in_force=_TIMES_IN_FORCE[time_in_force],
                reduce_only=arguments["reduce_only"],
                good_til_block=self._chain.height + arguments["good_til_blocks"],
                good_til_block_time=int(self._chain.block_time.timestamp()) + EXTERNAL_GOOD_TIL_SECONDS,
                condition_type=Order.ConditionType.CONDITION_TYPE_STOP_LOSS if flags == CONDITIONAL else 0,
                trigger_subticks=0 if trigger is None else subticks_of(trigger, market),
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        take_unsigned(self._chain, MsgPlaceOrder(order=protocol_order(order)))
        return {"id": order.id, "client_id": client_id}

    def _cancel(self, arguments: Arguments) -> Reply:
        order = self._chain.state.orders.get(arguments["id"])
        if order is None:
            raise CommandError(f"the chain has no order {arguments['id']!r} in a block")
        message = protocol_order(order)
        if order.is_short_term:
            cancel = MsgCancelOrder(
                order_id=message.order_id, good_til_block=max(order.good_til_block, self._chain.height + 1)
            )
        else:
            cancel = MsgCancelOrder(order_id=message.order_id, good_til_block_time=order.good_til_block_time)
        take_unsigned(self._chain, cancel)
        return {}

    # ------------------------------------------------------------------------------------------------------- faults

    def _counted(self, counter: str) -> Callable[[Arguments], Reply]:
        def add(arguments: Arguments) -> Reply:
            count = _positive(arguments)
            setattr(self._faults, counter, getattr(self._faults, counter) + count)
            return {counter: getattr(self._faults, counter)}

        return add

    def _refuse_sequence(self, arguments: Arguments) -> Reply:
        self._chain.refuse_sequences(_positive(arguments))
        return {}

    def _refuse_next(self, arguments: Arguments) -> Reply:
        if arguments["code"] < 1:
            raise CommandError("code must be above 0: 0 is no refusal")
        refusal = Refusal(arguments["codespace"], arguments["code"], arguments["text"])
        try:
            self._faults.refuse(refusal, _positive(arguments))
        except ValueError as error:
            raise CommandError(str(error)) from error
        return {"set": len(self._faults.refusals)}

    def _rate_limit(self, arguments: Arguments) -> Reply:
        return self._counted("exhaust" if arguments["grpc"] else "rate_limit")(arguments)

    def _delay(self, arguments: Arguments) -> Reply:
        if not 0 <= arguments["milliseconds"] <= 600_000:
            raise CommandError("milliseconds must be 0 to 600000")
        self._faults.delay_broadcast_milliseconds = arguments["milliseconds"]
        return {}

    def _freeze(self, arguments: Arguments) -> Reply:
        if arguments["frozen"]:
            self._faults.running.clear()
        else:
            self._faults.running.set()
        return {"frozen": arguments["frozen"]}

    def _clear(self, _: Arguments) -> Reply:
        self._faults.clear()
        return {}


def take_unsigned(chain: Chain, message: Any) -> None:
    """Have the chain take a message as of another program, without signature. Raises CommandError."""
    packed = AnyMessage()
    packed.Pack(message, type_url_prefix="/")
    body = TxBody(messages=[packed], memo="control port")
    try:
        chain.take_unsigned(decode_transaction(TxRaw(body_bytes=body.SerializeToString()).SerializeToString()))
    except RefusedError as error:
        raise CommandError(f"{error.code.codespace}/{error.code.number}: {error.log}") from error


def account_of(text: str) -> tuple[str, int]:
    address, _, number = text.rpartition("-")
    if not address or not number.isdigit():
        raise CommandError(f"{text!r} is not a subaccount such as dydx1...-0")
    return address, int(number)


def _positive(arguments: Arguments) -> int:
    count: int = arguments["count"]
    if count < 1:
        raise CommandError("count must be 1 or more")
    return count
