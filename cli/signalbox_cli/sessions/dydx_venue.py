"""A dYdX that says again what one said: the recorded session, played to whatever gateway connects.

Owns the place in the script, and what waits for what. A websocket's next message is not sent before the gateway has
subscribed to what it was subscribed to by then; orders are commanded again, and must be written with the same terms.
Questions are answered whenever they are asked (`dydx_answers` says with what). It must not know how a gateway is made
to place an order (`Commands`), nor sockets (`dydx_front`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import msgspec
from gateway_dydx.renewal import RENEW_BLOCKS_BEFORE
from signalbox.messages import Order

from signalbox_cli.sessions.dydx_answers import Answers
from signalbox_cli.sessions.dydx_front import Front, Link, Sent
from signalbox_cli.sessions.dydx_node_messages import BROADCAST
from signalbox_cli.sessions.dydx_orders import Terms, differing_terms, order_of, terms_in
from signalbox_cli.sessions.dydx_recording import ANSWER, CALL
from signalbox_cli.sessions.dydx_script import Exchange, Role, Script, Step, subscription_of, text_in
from signalbox_cli.sessions.dydx_today import Today
from signalbox_cli.sessions.play_clock import DepartedError, Differences, PlayClock
from signalbox_cli.sessions.session_file import Header, Said
from signalbox_cli.simulated_venues import VenuePorts

PATIENCE_SECONDS = 30.0
"""How long a gateway may take to do what the recorded one did: longer than it waits for any answer."""
STAND_SECONDS = 0.5
"""So often a gateway that is waited for is told the newest block: it may wait for that itself."""
UNHURRIED_SECONDS = 5.0
"""The same for what a gateway does by its own timers."""
PACE = 10.0
"""So much faster than it was a session is played ..."""
SILENCE_SECONDS, SILENCE_SECONDS_MAX = 2.0, 60.0
"""... but for a silence of at least so long: gateways measure it by the wall."""

Json = dict[str, Any]


class Trader(Protocol):
    """Has the gateway place and cancel orders."""

    async def place(self, order: Order) -> None: ...

    async def cancel(self, order_id: str) -> None: ...

    async def refusals(self) -> str: ...


class RecordedDydx:
    """Listens on loopback. `play` goes through the script; `now` is the desk time that it has come to."""

    def __init__(
        self,
        header: Header,
        script: Script,
        trader: Trader,
        wall: Callable[[], float],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._header, self._script, self._trader = header, script, trader
        self._patience_seconds = patience_seconds
        self._clock = PlayClock(script.steps[0].at, wall)
        self._answers, self._today = Answers(script), Today()
        self._front = Front(self._answers, self._today, self._clock, script.by_key)
        self._differences = Differences()
        self._terms: Terms = {}
        self._orders: dict[str, str] = {}
        """By the recorded id of an order: the desk's."""
        self._cancelled: set[str] = set()
        self._awaiting: dict[str, Sent] = {}
        """Transactions of today that wait for the recorded answer, by the number of the recorded call."""
        self._missed: set[int] = set()

    async def __aenter__(self) -> RecordedDydx:
        await self._front.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._front.close()

    @property
    def ports(self) -> VenuePorts:
        return VenuePorts(ibkr=0, dydx_node=self._front.node_port, dydx_indexer=self._front.indexer_port)

    @property
    def differences(self) -> list[str]:
        return self._differences.told

    def now(self) -> datetime:
        """Desk time, as far as the script has come."""
        return self._clock.now()

    def unplayed(self) -> list[str]:
        """What the gateway asked or sent and the recorded one did not."""
        return self._front.unanswered()

    # ----------------------------------------------------------------------------------------------------- playing

    async def play(self) -> None:
        """Go through the script; raises `DepartedError`."""
        for place, step in enumerate(self._script.steps):
            await self._pause(step.pause_seconds)
            self._clock.reach(step.at)
            match step.what, step.by:
                case Said.REFUSED, _:
                    await self._refuse()
                case Said.CLOSED, _:
                    await self._close(step)
                case Said.SAID, "venue":
                    await self._say(step)
                case Said.SAID, "gateway":
                    await self._hear(place, step)
                case _:
                    pass
            self._answers.place = place + 1
        self._answers.over = True

    @staticmethod
    async def _pause(seconds: float) -> None:
        is_silence = seconds >= SILENCE_SECONDS
        await asyncio.sleep(min(seconds, SILENCE_SECONDS_MAX) if is_silence else seconds / PACE)

    async def _say(self, step: Step) -> None:
        if step.fields[:1] == (ANSWER,):
            self._tell_answer(step)
            return
        message = text_in(step.fields)
        link = self._link(step)
        if not message or link is None or message.get("type") == "connected":
            return
        if message.get("type") == "subscribed" and not link.takes(subscription_of(message)):
            return
        await link.say(self._today.said(step.fields[1]))

    def _tell_answer(self, step: Step) -> None:
        sent = self._awaiting.pop(step.fields[1], None)
        if sent is not None:
            status, body = step.fields[2:4]
            sent.answer(status, body)

    def _link(self, step: Step) -> Link | None:
        """The websocket of today that plays a recorded one's part."""
        link = self._front.link(step.link)
        if link is not None and link.over and step.link not in self._missed:
            raise DepartedError(
                f"the gateway ended connection {step.link} at {step.at:%H:%M:%S}, the recorded one did not"
            )
        return link

    async def _refuse(self) -> None:
        self._front.refusing += 1
        if not await self._clock.until(lambda: not self._front.refusing, self._patience_seconds):
            self._front.refusing = 0
            self._differences.note("the recorded gateway tried to connect once more, this one does not")

    async def _close(self, step: Step) -> None:
        link = self._front.link(step.link)
        if link is None:
            return
        if step.by == "gateway" and not await self._clock.until(lambda: link.over, self._patience_seconds):
            self._differences.note(f"connection {step.link}: the recorded gateway ended it, this one does not")
        link.cut()
        self._missed.add(step.link)

    async def _hear(self, place: int, step: Step) -> None:
        if step.fields[:1] == (CALL,) and step.fields[2] == BROADCAST:
            await self._hear_transaction(step, self._script.calls[place])
            return
        message = text_in(step.fields)
        if message.get("type") == "subscribe" and step.link in self._script.roles:
            await self._hear_subscription(step, subscription_of(message))

    async def _hear_subscription(self, step: Step, role: Role) -> None:
        if step.link in self._missed:
            return
        begins = self._front.link(step.link) is None
        if begins:
            wanted = self._script.roles[step.link]
            begun = await self._stand(lambda: self._front.assign(wanted, step.link), self._patience_seconds)
            if not begun:
                self._missed.add(step.link)
                told = f"{' '.join(wanted)} ({step.at:%H:%M:%S})"
                self._differences.note(f"no websocket asks for {told}, as the recorded one did")
                return
        link = self._front.link(step.link)
        assert link is not None
        if not await self._stand(lambda: role in link.asked or link.over, UNHURRIED_SECONDS):
            self._differences.note(f"the recorded gateway subscribed to {' '.join(role)}, this one does not")

    # ------------------------------------------------------------------------------------------------ transactions

    async def _hear_transaction(self, step: Step, exchange: Exchange) -> None:
        """Have the gateway place or cancel it, and let nothing be said before it has."""
        recorded = msgspec.json.decode(step.fields[3])
        sent = None
        if "place" in recorded and self._today.of(recorded["place"]["id"]) is None:
            sent = await self._hear_place(step, recorded["place"])
        elif "place" in recorded:
            await self._hear_renewal(recorded["place"])
        elif "cancel" in recorded and recorded["cancel"]["id"] in self._orders.keys() - self._cancelled:
            sent = await self._hear_cancel(recorded["cancel"])
        if sent is None:
            return  # its own repetition or renewal (`Front` answers it), or of an order of before the session
        self._today.pair(recorded["hash"], sent.transaction["hash"])
        if exchange.answered >= 0:
            self._awaiting[step.fields[1]] = sent

    async def _hear_place(self, step: Step, placed: Json) -> Sent:
        order_id = self._orders[placed["id"]] = f"order-{len(self._orders) + 1}"
        await self._trader.place(order_of(self._header, placed, order_id, step.at, self._market_terms()))
        sent = await self._sent("place", lambda each: not self._today.knows(each["id"]))
        if sent is None:
            reason = await self._trader.refusals() or "it says nothing of it"
            raise DepartedError(
                f"{order_id} of the session ({step.at:%H:%M:%S}) is not placed by this gateway: {reason}"
            )
        if different := differing_terms(placed, sent.transaction["place"]):
            raise DepartedError(f"{order_id} of the session is placed otherwise: {'; '.join(different)}")
        self._today.pair(placed["id"], sent.transaction["place"]["id"])
        return sent

    async def _hear_renewal(self, placed: Json) -> None:
        """Let an order that is due to be renewed by now be renewed; the gateway does that by itself, at some block."""
        order = self._today.of(placed["id"]) or ""

        def is_renewed() -> bool:
            newest = self._answers.newest_block()
            return newest is None or int(newest["blockHeight"]) < self._front.reach.get(order, 0) - RENEW_BLOCKS_BEFORE

        if placed.get("good_til_block") and not await self._stand(is_renewed, self._patience_seconds):
            self._differences.note(f"the recorded gateway renewed {self._orders.get(placed['id'])}, this one does not")

    async def _hear_cancel(self, cancelled: Json) -> Sent:
        self._cancelled.add(cancelled["id"])
        order_id = self._orders[cancelled["id"]]
        await self._trader.cancel(order_id)
        sent = await self._sent("cancel", lambda each: each["id"] == self._today.of(cancelled["id"]))
        if sent is None:
            reason = await self._trader.refusals() or "it says nothing of it"
            raise DepartedError(f"{order_id} of the session is not cancelled by this gateway: {reason}")
        return sent

    async def _sent(self, what: str, same: Callable[[Json], bool]) -> Sent | None:
        def found() -> Sent | None:
            return next(
                (each for each in self._front.sent if what in each.transaction and same(each.transaction[what])), None
            )

        await self._stand(found, self._patience_seconds)
        sent = found()
        if sent is not None:
            self._front.sent.remove(sent)
        return sent

    async def _stand(self, condition: Callable[[], object], seconds_max: float) -> bool:
        """Wait for what the gateway is to do, with what it needs for that; False = it did not do it in time."""
        self._front.stands = True
        waited_seconds, done = 0.0, False
        while not done and waited_seconds < seconds_max:
            done = await self._clock.until(condition, STAND_SECONDS)
            waited_seconds += STAND_SECONDS
            if not done:
                await self._front.bring_up_to_date()
        self._front.stands = False
        return done

    def _market_terms(self) -> Terms:
        """What converts sizes and prices: as the indexer told it first."""
        if not self._terms:
            for key, exchanges in self._script.by_key.items():
                told = next((each.body for each in exchanges if each.status == "200"), "")
                if key.startswith("/v4/perpetualMarkets") and told:
                    self._terms = terms_in(msgspec.json.decode(told))
        return self._terms
