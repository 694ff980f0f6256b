"""The desk, as a program in Python meets it: wishes that are decided, orders that are followed, what is asked.

Owns the waits: for a decision, for an order's end, for what comes next. It has no trading logic, and nothing that any
NATS client could not do. A wish is as good as its id: who sends the same one again, after a restart say, gets the same
decision and the same order.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

from signalbox import messages, subjects
from signalbox.bus import Bus, BusSettings, Received
from signalbox.client import asking, wishes
from signalbox.client.coming import bars_since, live
from signalbox.client.order import Order
from signalbox.client.record import query, rows, sql_text
from signalbox.client.settings import environment
from signalbox.client.stored import Stored, stored_from
from signalbox.client.wishes import Level, Number
from signalbox.errors import BusUnavailableError, SignalboxError
from signalbox.finding import find_desk, nats_ca_file
from signalbox.messages import (
    FINAL_STATUSES,
    Bar,
    CancelIntent,
    Decision,
    FlattenEnded,
    FlattenIntent,
    Intent,
    IntentApproved,
    MassCancelIntent,
    ModifyIntent,
    OrderEvents,
    PositionAction,
    PositionIntent,
    Quote,
    Ruling,
    Score,
    Side,
    WhatIfAnswer,
)

CONNECT_SECONDS_MAX = 10.0
DECISION_SECONDS_MAX = 15.0
RECORD_SECONDS = 0.5
"""Between two looks for what the record does not have yet; it is a second behind at most."""
HELD = "SELECT symbol, quantity FROM positions_at(9223372036854775807)"
"""As of now: the OMS's last word on each position, and what has filled since."""


class DeniedError(SignalboxError):
    """Risk denies it: the text is its reason, `decision` has every check that failed."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(f"{decision.cause} is denied: {getattr(decision, 'reason', '')}")


class UndecidedError(SignalboxError):
    """There is no decision yet: the wish is stored and may still be let through. Send the same one again to hear."""

    def __init__(self, intent_id: str, seconds: float) -> None:
        super().__init__(
            f"{intent_id} is stored, and not decided after {seconds:g} s (is risk running? `signalbox status`): it may "
            "still be let through. Send it again under the same id to hear what became of it; nothing is done twice."
        )


class Desk:
    """A connection to a desk, as one name. Make it with `Desk.connect`."""

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus, self.name = bus, name
        self._orders: dict[tuple[str, str], list[Order]] = {}
        self._decisions: dict[str, asyncio.Future[Decision]] = {}
        self._flattens: dict[str, asyncio.Future[FlattenEnded]] = {}
        self._heard = ""
        """The last message of TRADE that was heard and that the record is not known to have."""

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str = "", *, user: str = "", password: str = "") -> AsyncIterator[Desk]:
        """Connect to the NATS of a desk; what is left out is as the command line finds it.

        That is `SIGNALBOX_NATS_URL`, `SIGNALBOX_NATS_USER` and `SIGNALBOX_NATS_PASSWORD` or its `_FILE`, else the desk
        that `signalbox up` runs from this folder. Raises `ConfigurationError`, `BusUnavailableError`,
        `BusPermissionError`, each with what to do.
        """
        environ = environment(url, user, password)
        found = find_desk(environ)
        settings = BusSettings(
            url=found.nats_url,
            user=found.user,
            password=found.password.reveal(),
            name="signalbox-client",
            ca_file=nats_ca_file(environ),
            waits_for_server=True,
            parks=False,
        )
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                bus = await Bus.connect(settings)
        except TimeoutError:
            raise BusUnavailableError(found.silence) from None
        async with AsyncExitStack() as stack:
            stack.push_async_callback(bus.drain)
            desk = cls(bus, found.user)
            await bus.subscribe(subjects.ALL_DECISIONS, desk._decided)
            await bus.subscribe(subjects.ALL_ORDERS, desk._happened)
            yield desk

    # ------------------------------------------------------------------------------------------------------- wishes

    async def buy(self, symbol: str, quantity: Number, **terms: Any) -> Order:
        """Buy: at the market, or with `limit`, `stop` or both; further terms as `wishes.order` has them."""
        return await self.place(wishes.order(Side.BUY, symbol, quantity, **terms))

    async def sell(self, symbol: str, quantity: Number, **terms: Any) -> Order:
        """Sell, as `buy` buys."""
        return await self.place(wishes.order(Side.SELL, symbol, quantity, **terms))

    async def place(self, intent: messages.OrderIntent) -> Order:
        """Have an order decided; raises `DeniedError`, `UndecidedError`. One for a group: `share_out`."""
        if intent.group:
            raise ValueError(f"the order {intent.id} is for the group {intent.group!r}: share_out gives its orders")
        return self._followed(await self.send(intent))

    async def share_out(self, intent: messages.OrderIntent) -> tuple[Order, ...]:
        """Have an order for a `group` decided; the orders of its accounts. Raises as `place`."""
        approved = await self.send(intent)
        return tuple([self._followed(approved, placed) for placed in approved.places])

    async def bracket(
        self, side: Side | str, symbol: str, quantity: Number, *, stop: Level, **terms: Any
    ) -> IntentApproved:
        """An entry with its stop and `targets`, as `wishes.bracket` has them; its orders are `<id>.entry` and so on."""
        return await self.send(wishes.bracket(side, symbol, quantity, stop=stop, **terms))

    async def target(self, symbol: str, quantity: Number, **terms: Any) -> Order | None:
        """Have the position become `quantity` (negative = short), on top of what works; None = it is there already."""
        return await self.position(PositionAction.TARGET, symbol, quantity, **terms)

    async def position(
        self,
        action: PositionAction | str,
        symbol: str,
        quantity: Number | None = None,
        *,
        share: Number | None = None,
        limit: Number | None = None,
        id: str = "",
        venue: str = "",
        **terms: Any,
    ) -> Order | None:
        """A wish for a position, by quantity or by `share` of what is held; None = it is there already."""
        approved = await self.send(
            PositionIntent(
                id=id or wishes.new_id("p"),
                venue=venue or wishes.venue_of(symbol),
                symbol=symbol,
                action=PositionAction(action),
                quantity=None if quantity is None else wishes.number(quantity),
                share=None if share is None else wishes.number(share),
                limit_price=None if limit is None else wishes.number(limit),
                **terms,
            )
        )
        return self._followed(approved) if approved.order is not None else None

    async def modify(
        self,
        order_id: str,
        *,
        quantity: Number | None = None,
        limit: Number | None = None,
        stop: Number | None = None,
        venue: str = "",
        account: str = "",
        id: str = "",
    ) -> IntentApproved:
        """Ask for another total quantity or price of an order that works; it stays one order.

        `account` is needed where the desk has several at that venue, but for the order of a group.
        """
        return await self.send(
            ModifyIntent(
                id=id or wishes.new_id("m"),
                venue=venue or await self._venue_of(order_id),
                order_id=order_id,
                account=account,
                quantity=None if quantity is None else wishes.number(quantity),
                limit_price=None if limit is None else wishes.number(limit),
                stop_price=None if stop is None else wishes.number(stop),
            )
        )

    async def cancel(self, order_id: str, *, venue: str = "", account: str = "", id: str = "") -> IntentApproved:
        """Ask that an order be cancelled, or all that works of a list or of a group's order; `account` as above."""
        venue = venue or await self._venue_of(order_id)
        intent = CancelIntent(id=id or wishes.new_id("c"), venue=venue, order_id=order_id, account=account)
        return await self.send(intent)

    async def cancel_all(
        self, *, venue: str = "", account: str = "", symbol: str = "", strategy: str = "", id: str = ""
    ) -> IntentApproved:
        """Ask that every order that works and has all that is named be cancelled (venue, account, symbol, strategy)."""
        return await self.send(
            MassCancelIntent(
                id=id or wishes.new_id("m"), venue=venue, account=account, symbol=symbol, strategy=strategy
            )
        )

    async def flatten(
        self, *, venue: str = "", account: str = "", symbol: str = "", id: str = "", seconds_max: float | None = None
    ) -> FlattenEnded:
        """Cancel what works and close what is held in all that is named (venue, account, symbol); how it has ended."""
        intent = FlattenIntent(id=id or wishes.new_id("f"), venue=venue, account=account, symbol=symbol)
        ended = self._flattens.setdefault(intent.id, asyncio.get_running_loop().create_future())
        try:
            await self.send(intent)
            async with asyncio.timeout(seconds_max):
                while True:
                    with contextlib.suppress(TimeoutError):
                        return await asyncio.wait_for(asyncio.shield(ended), RECORD_SECONDS)
                    if (found := await self._flatten_ended(intent.id)) is not None:
                        return found
        finally:
            self._flattens.pop(intent.id, None)

    async def send(self, intent: Intent, seconds_max: float = DECISION_SECONDS_MAX) -> IntentApproved:
        """Publish any intent and wait for its decision; raises `DeniedError`, `UndecidedError`.

        One that was sent before is not sent twice: its decision is the answer.
        """
        decided = self._decisions.setdefault(intent.id, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(seconds_max):
                stored = await self._bus.publish(subjects.intent(intent), intent)
                made = await self._decision_of(intent.id, decided, was_sent_before=stored.duplicate)
        except TimeoutError:
            raise UndecidedError(intent.id, seconds_max) from None
        finally:
            self._decisions.pop(intent.id, None)
        if not isinstance(made, IntentApproved):
            raise DeniedError(made)
        return made

    async def _decision_of(self, intent_id: str, heard: asyncio.Future[Decision], *, was_sent_before: bool) -> Decision:
        """The decision that is heard, or the one that the record has."""
        while True:
            if was_sent_before and (found := await self.why(intent_id)) is not None:
                return found
            try:
                return await asyncio.wait_for(asyncio.shield(heard), RECORD_SECONDS)
            except TimeoutError:
                was_sent_before = True  # what was said while the connection was away is in the record

    async def _flatten_ended(self, intent_id: str) -> FlattenEnded | None:
        """How a flatten has ended, as the record has it: what was said while the connection was away."""
        said = f"json_extract_string(payload, '$.cause') = {sql_text(intent_id)}"
        of_flattens = "stream = 'TRADE' AND starts_with(subject, 'decision.ended.')"
        found = await self.query(f"SELECT payload FROM messages WHERE {of_flattens} AND {said} LIMIT 1")
        return messages.decode(found[0]["payload"].encode(), FlattenEnded) if found else None

    def _followed(self, approved: IntentApproved, placed: messages.OrderIntent | None = None) -> Order:
        order = Order(self, approved, placed or approved.placed)
        self._orders.setdefault((order.venue, order.id), []).append(order)
        return order

    async def _decided(self, received: Received) -> None:
        ruling: Ruling = messages.decode(received.payload, Ruling)
        self._heard = ruling.id
        if isinstance(ruling, FlattenEnded):
            if (waits := self._flattens.get(ruling.cause)) is not None and not waits.done():
                waits.set_result(ruling)
            return
        if not isinstance(ruling, Decision):
            return
        decided = self._decisions.get(ruling.cause)
        if decided is not None and ruling.by == self.name and not decided.done():  # others may have used the id
            decided.set_result(ruling)

    async def _happened(self, received: Received) -> None:
        event: OrderEvents = messages.decode(received.payload, OrderEvents)
        self._heard = event.id
        for order in self._orders.get((event.venue, event.order_id), ()):
            order.take(event)

    async def _venue_of(self, order_id: str) -> str:
        """Where an order, or a list, is; raises `LookupError`."""
        name = sql_text(order_id)
        found = await self.query(
            f"SELECT venue FROM orders WHERE order_id = {name} UNION "
            f"SELECT venue FROM intents WHERE intent_id = {name} AND type IN ('OrderListIntent', 'OrderIntent')"
        )
        if len(found) != 1:
            raise LookupError(f"the desk knows {len(found)} orders {order_id!r}: say which `venue` is meant")
        return str(found[0]["venue"])

    # ---------------------------------------------------------------------------------------------------- questions

    async def query(self, sql: str, row_limit: int = 1000) -> list[dict[str, Any]]:
        """Rows of the record, by the names of their columns; a decimal and a time are texts, as JSON has them."""
        return rows(await query(self._bus, sql, row_limit))

    async def why(self, intent_id: str) -> Decision | None:
        """The decision of an intent of one's own, with every check that failed; None = the record has none."""
        mine = f'intent_id = {sql_text(intent_id)} AND "by" = {sql_text(self.name)}'
        found = await self.query(
            "SELECT payload FROM messages m JOIN decisions d USING (generation, sequence) "
            f"WHERE m.stream = 'TRADE' AND d.{mine} ORDER BY generation DESC, sequence LIMIT 1"
        )
        return messages.decode(found[0]["payload"].encode(), Decision) if found else None

    async def whatif(self, intent: Intent) -> WhatIfAnswer:
        """What risk would say now to an intent (`wishes.order`, `wishes.bracket`): it is not sent, nothing comes of it.

        Raises `QuestionRefusedError` when that is asked too often.
        """
        return await asking.what_if(self._bus, intent)

    async def caught_up(self, seconds_max: float = DECISION_SECONDS_MAX) -> None:
        """Wait until the record has what was heard here: it is a second behind. `positions`, `orders`, `fills` do.

        Raises `TimeoutError`: the recorder is behind, or away.
        """
        async with asyncio.timeout(seconds_max):
            while heard := self._heard:
                if await self.query(
                    f"SELECT 1 FROM messages WHERE stream = 'TRADE' AND message_id = {sql_text(heard)}"
                ):
                    self._heard = "" if self._heard == heard else self._heard
                    return
                await asyncio.sleep(RECORD_SECONDS / 5)

    async def positions(self) -> dict[str, Decimal]:
        """What is held of each symbol, all accounts together: what does not is left out.

        It has every fill of which anything here has said that it happened. Who wants prices and profit as well asks
        `query` for the views `positions` and `pnl`.
        """
        await self.caught_up()
        held = await self.query(f"SELECT symbol, sum(quantity) AS quantity FROM ({HELD}) GROUP BY symbol")
        return {row["symbol"]: Decimal(row["quantity"]) for row in held if Decimal(row["quantity"])}

    async def orders(self, *, working: bool = True) -> list[dict[str, Any]]:
        """The desk's orders, or all that there ever were, oldest first, as the view `orders` has them."""
        await self.caught_up()
        final = ", ".join(sql_text(status) for status in sorted(FINAL_STATUSES))
        where = f"WHERE status NOT IN ({final})" if working else ""
        return await self.query(f"SELECT * FROM orders {where} ORDER BY changed_at, order_id")

    async def fills(self, symbol: str = "") -> list[dict[str, Any]]:
        """What has traded, oldest first, as the view `fills` has it."""
        await self.caught_up()
        where = f"WHERE symbol = {sql_text(symbol)}" if symbol else ""
        return await self.query(f"SELECT * FROM fills {where} ORDER BY generation, sequence")

    async def account(self) -> list[dict[str, Any]]:
        """What each venue says of each account, as the view `accounts` has it."""
        return await self.query("SELECT * FROM accounts ORDER BY venue, account")

    # ----------------------------------------------------------------------------------------------- what comes next

    async def follow(self, subject: str, *, after: str = "") -> AsyncIterator[Stored]:
        """All that is said on a subject, none left out, each once, in order, up to a second late (docs/client.md).

        `after` is the `place` of the last one that was dealt with, "0.0" = from the beginning, "" = from now on.
        """
        async for each in stored_from(self._bus, subject, after):
            yield each

    async def quotes(self, symbol: str, *, venue: str = "") -> AsyncIterator[Quote]:
        """Each quote from now on."""
        async for quote in live(self._bus, subjects.quote(venue or wishes.venue_of(symbol), symbol), Quote):
            yield quote

    async def scores(self, symbol: str, timeframe: str, *, venue: str = "") -> AsyncIterator[Score]:
        """Each score from now on; `state` says whether it is of a live bar."""
        async for score in live(self._bus, subjects.score(venue or wishes.venue_of(symbol), symbol, timeframe), Score):
            yield score

    async def bars(
        self, symbol: str, timeframe: str, *, since: datetime | None = None, venue: str = ""
    ) -> AsyncIterator[Bar]:
        """Each final bar, those of the record since a time and then the live ones, none twice, none left out, in order.

        Before each live bar the record is asked for what it has between: a bar may be lost with a connection, or be
        fetched later. One that the desk gets when a later one was given is not given any more.
        """
        async for bar in bars_since(self._bus, venue or wishes.venue_of(symbol), symbol, timeframe, since):
            yield bar
