"""A recorded session with TWS as it is played: the desk's orders in it, and the venue that says it again.

Owns which order of the desk a placed one was. It must not know how a session is played (`playing`).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import msgspec
from gateway_ibkr.facts import VenueContract
from gateway_ibkr.translate import AT_THE_OPENING, canonical_symbol, time_of
from signalbox.errors import ConfigurationError
from signalbox.messages import Order, OrderType, Side, TimeInForce
from signalbox.order_terms import WITH_LIMIT, WITH_STOP

from signalbox_cli.sessions.playing import Commands
from signalbox_cli.sessions.session_file import Header, Session
from signalbox_cli.sessions.tws_messages import Fields, number_in
from signalbox_cli.sessions.tws_redaction import REFERENCE_IN
from signalbox_cli.sessions.tws_script import script_of
from signalbox_cli.sessions.tws_venue import RecordedVenue
from signalbox_cli.simulated_venues import IBKR

_CONTRACT = {"symbol": 3, "security_type": 4, "exchange": 9, "currency": 11, "local_symbol": 12}
_ORDER_TYPES = {
    "MKT": "MARKET", "LMT": "LIMIT", "STP": "STOP", "STP LMT": "STOP_LIMIT", "MIT": "MARKET_IF_TOUCHED",
    "LIT": "LIMIT_IF_TOUCHED", "MOC": "MARKET_ON_CLOSE", "LOC": "LIMIT_ON_CLOSE", "MTL": "MARKET_TO_LIMIT",
}  # fmt: skip
_AT_THE_OPENING = {"MKT": "MARKET_ON_OPEN", "LMT": "LIMIT_ON_OPEN"}
_ACTION, _QUANTITY, _ORDER_TYPE, _LIMIT, _STOP, _TIME_IN_FORCE, _OUTSIDE_HOURS, _GOOD_TILL = (
    16,
    17,
    18,
    19,
    20,
    21,
    33,
    38,
)


class Trader:
    """Has the gateway place and cancel what it did in the session. A `tws_venue.Trader`."""

    def __init__(self, header: Header, commands: Commands) -> None:
        self._header, self._commands = header, commands
        self._orders: dict[str, str] = {}

    async def place(self, recorded: Fields) -> None:
        order = order_of(self._header, recorded)
        self._orders[number_in(recorded)] = order.order_id
        await self._commands.place(order)

    async def cancel(self, recorded: Fields) -> None:
        await self._commands.cancel(self._orders[number_in(recorded)])

    async def refusals(self) -> str:
        return await self._commands.refusals()


def venue_of(session: Session, commands: Commands, wall: Callable[[], float]) -> RecordedVenue:
    """The venue of a session. Raises `ConfigurationError` when it can not be played at all."""
    return RecordedVenue(script_of(session), Trader(session.header, commands), wall)


def order_of(header: Header, placed: Fields) -> Order:
    """The desk's order of which a recorded message was made. Raises `ConfigurationError` for none of the desk's."""

    def text(place: int) -> str:
        return placed[place] if place < len(placed) else ""

    try:
        at_the_opening = text(_TIME_IN_FORCE) == AT_THE_OPENING
        order_type = OrderType((_AT_THE_OPENING if at_the_opening else _ORDER_TYPES)[text(_ORDER_TYPE)])
        time_in_force = TimeInForce.DAY if at_the_opening else TimeInForce(text(_TIME_IN_FORCE))
        return Order(
            order_id=text(REFERENCE_IN),
            intent_id=text(REFERENCE_IN),
            venue=IBKR,
            account=header.account,
            symbol=canonical_symbol(msgspec.convert({name: text(at) for name, at in _CONTRACT.items()}, VenueContract)),
            side=Side(text(_ACTION)),
            quantity=Decimal(text(_QUANTITY)),
            order_type=order_type,
            limit_price=Decimal(text(_LIMIT)) if order_type in WITH_LIMIT else None,
            stop_price=Decimal(text(_STOP)) if order_type in WITH_STOP else None,
            time_in_force=time_in_force,
            good_till=time_of(text(_GOOD_TILL)) if time_in_force is TimeInForce.GTD else None,
            outside_regular_hours=text(_OUTSIDE_HOURS) == "1",
        )
    except (KeyError, ValueError, InvalidOperation) as error:
        raise ConfigurationError(
            [f"order {number_in(placed)} of the session is none that this desk places: {error!r}"]
        ) from None
