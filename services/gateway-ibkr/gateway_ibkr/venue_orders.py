"""What the orders session asks and tells the venue. Each question is answered up to its end marker, or raises."""

from __future__ import annotations

from functools import partial

from ib_async.objects import ExecutionFilter
from ib_async.order import Order, PriceCondition
from signalbox.errors import VenueUnavailableError

from gateway_ibkr.facts import (
    AccountValueSeen,
    ChainSeen,
    CompletedOrderSeen,
    ContractFound,
    ExecutionSeen,
    MarginSeen,
    OpenOrderSeen,
    OrderStatusSeen,
    OrderTerms,
    PositionSeen,
    PriceStepSeen,
    VenueContract,
)
from gateway_ibkr.unanswered import Question
from gateway_ibkr.venue import Scribe, Session, to_vendor
from gateway_ibkr.venue_callbacks import ACCOUNT_VALUES, COMPLETED_ORDERS, OPEN_ORDERS, POSITIONS
from gateway_ibkr.venue_option_callbacks import MARKET_RULE


def _is_of(fact: AccountValueSeen, account: str) -> bool:
    """Whether a row is a figure of the account; one that could not be decoded is none."""
    return isinstance(fact, AccountValueSeen) and fact.account == account


def _at_price(contract: VenueContract, price: float, *, above: bool) -> PriceCondition:
    """That the contract has traded at a price, or beyond: the order is worked from then on."""
    return PriceCondition(isMore=above, price=price, conId=contract.con_id, exch=contract.exchange or "SMART")


class OrdersSession:
    """The venue's words for orders and account, on one session.

    What could not be decoded stands among the rows of its answer, as `Unreadable`.
    """

    def __init__(self, session: Session) -> None:
        self.session, self._scribe = session, Scribe(session)
        self._is_told_values = False

    async def open_orders(self) -> tuple[OpenOrderSeen | OrderStatusSeen, ...]:
        """Every working order of the login, whichever client placed it, and its status."""
        key, send = OPEN_ORDERS, self.session.client.reqAllOpenOrders
        return await self.session.ask(key, send, (OpenOrderSeen, OrderStatusSeen), Question.OPEN_ORDERS)

    async def executions(self) -> tuple[ExecutionSeen, ...]:
        """Every execution of the day; their commissions come as facts of their own."""
        key = self.session.new_request_id()
        return await self.session.ask(
            key, lambda: self.session.client.reqExecutions(key, ExecutionFilter()), ExecutionSeen, Question.EXECUTIONS
        )

    async def completed_orders(self) -> tuple[CompletedOrderSeen, ...]:
        """Every order of the day that is over, entered over the API or by hand."""
        return await self.session.ask(
            COMPLETED_ORDERS,
            lambda: self.session.client.reqCompletedOrders(False),
            CompletedOrderSeen,
            Question.COMPLETED_ORDERS,
        )

    async def positions(self) -> tuple[PositionSeen, ...]:
        """Every position; changes follow as facts until the session ends."""
        return await self.session.ask(POSITIONS, self.session.client.reqPositions, PositionSeen, Question.POSITIONS)

    async def account_values(self, account: str) -> dict[tuple[str, str], str]:
        """Every figure of the account by (tag, currency); changes follow as facts until the session ends.

        TWS says them all to who subscribes: a subscription that there is has to be given back first.
        """
        if self._is_told_values:
            await self.session.turn()
            self.session.client.reqAccountUpdates(False, account)
        self._is_told_values = True
        facts = await self.session.ask(
            ACCOUNT_VALUES,
            lambda: self.session.client.reqAccountUpdates(True, account),
            AccountValueSeen,
            Question.ACCOUNT,
        )
        return {(fact.tag, fact.currency): fact.value for fact in facts if _is_of(fact, account)}

    async def subscribe_pnl(self, key: int, account: str) -> None:
        """Have the account's profit and loss sent as facts."""
        await self.session.turn()
        self.session.client.reqPnL(key, account, "")

    async def end_pnl(self, key: int) -> None:
        """Give that subscription back."""
        await self.session.turn()
        self.session.client.cancelPnL(key)

    async def contracts(self, request: VenueContract) -> tuple[ContractFound, ...]:
        """Every contract that fits; raises `VenueRefusedError` 200 when there is none."""
        key = self.session.new_request_id()
        return await self.session.ask(
            key,
            lambda: self.session.client.reqContractDetails(key, to_vendor(request)),
            ContractFound,
            Question.CONTRACT,
        )

    async def price_steps(self, rule: int) -> tuple[PriceStepSeen, ...]:
        """The price steps of a market rule. The venue's answer bears no request's id, nor does its refusal."""
        send = partial(self.session.client.reqMarketRule, rule)
        return await self.session.ask(MARKET_RULE, send, PriceStepSeen, Question.PRICE_STEPS)

    async def chain(self, underlying: VenueContract) -> tuple[ChainSeen, ...]:
        """The options that there are on a share, as each exchange lists them."""
        key = self.session.new_request_id()

        def send() -> None:
            kind, con_id = underlying.security_type, underlying.con_id
            self.session.client.reqSecDefOptParams(key, underlying.symbol, "", kind, con_id)

        return await self.session.ask(key, send, ChainSeen, Question.CHAIN)

    async def margin(self, number: int, contract: VenueContract, terms: OrderTerms) -> tuple[MarginSeen, ...]:
        """What an order would change in the account's margin, were it placed (a "what if" order, which is none)."""
        message = self.compose(number, contract, terms, what_if=True)
        return await self.session.ask(number, lambda: self.place(message), MarginSeen, Question.MARGIN)

    def compose(
        self,
        number: int,
        contract: VenueContract,
        terms: OrderTerms,
        *,
        what_if: bool = False,
        parent: int = 0,
        transmit: bool = True,
    ) -> str:
        """Return the message that places an order in this session, for `place`.

        `parent` is the number of the order that it is attached to. Without `transmit` TWS keeps it to itself, until an
        order that is attached to it, or to which it is, is placed with; with the session it is gone.
        """
        order = Order(
            orderId=number,
            action=terms.action,
            totalQuantity=terms.quantity,
            orderType=terms.order_type,
            tif=terms.time_in_force,
            account=terms.account,
            orderRef=terms.reference,
            goodTillDate=terms.good_till,
            outsideRth=terms.outside_regular_hours,
            allOrNone=terms.all_or_none,
            displaySize=terms.display_size,
            goodAfterTime=terms.good_after,
            triggerMethod=terms.trigger_method,
            whatIf=what_if,
            parentId=parent,
            transmit=transmit,
        )
        if terms.limit_price is not None:
            order.lmtPrice = terms.limit_price
        if terms.stop_price is not None:
            order.auxPrice = terms.stop_price
        if terms.group:
            order.ocaGroup, order.ocaType = terms.group, terms.group_type
        if terms.trailing_percent is not None:
            order.trailingPercent = terms.trailing_percent
        if terms.limit_offset is not None:
            order.lmtPriceOffset = terms.limit_offset
        if terms.trail_stop_price is not None:
            order.trailStopPrice = terms.trail_stop_price
        if terms.begins_at is not None:
            order.conditions = [_at_price(contract, terms.begins_at, above=terms.begins_above)]
        return self._scribe.order(number, to_vendor(contract), order)

    def place(self, message: str) -> None:
        """Write a composed order on the socket, now. The caller has waited for its `turn`."""
        if not self.session.client.isConnected():
            raise VenueUnavailableError("there is no orders session")
        self.session.client.sendMsg(message)

    def cancel(self, number: int) -> None:
        """Write a cancel on the socket, now. `number` must be one of this client id: the venue does not ask whose."""
        self.session.client.cancelOrder(number)
