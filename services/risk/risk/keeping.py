"""What decisions keep of each message beside TRADE that they look at, made once, when the message comes.

Owns which parts are kept (`signalbox.messages.basis` says what they mean). Pure; it must not know an intent.
"""

from __future__ import annotations

from signalbox.messages import (
    AccountSeen,
    AccountState,
    Instrument,
    InstrumentSeen,
    LinkSeen,
    PositionSeen,
    Quote,
    QuoteSeen,
    RoomSeen,
    SwitchSeen,
    TradingMode,
    TradingState,
    VenueLink,
)
from signalbox.room import StreamRoom

from risk.account_ages import oldest

ONCE = PositionSeen().multiplier
"""The very default: what is at its default is left out of a message."""


def of_switch(said: TradingState, source: str) -> SwitchSeen:
    if said.mode is TradingMode.ACTIVE:
        return SwitchSeen(source=source, mode=said.mode)  # by whom and why matters to those who are denied
    return SwitchSeen(source=source, mode=said.mode, reason=said.reason, by=said.by)


def of_room(room: StreamRoom) -> RoomSeen:
    return RoomSeen(stream=room.stream, bytes=room.bytes, bytes_max=room.bytes_max)


def of_link(link: VenueLink) -> LinkSeen:
    """Of all symbols alike: what can not be read of one is for the decision about it (`risk.looking`)."""
    return LinkSeen(id=link.id, status=link.status, reason=link.reason)


def of_account(told: AccountState, source: str) -> AccountSeen:
    figure, at = oldest(told)
    return AccountSeen(source=source, at=at, available_funds=told.available_funds, figure=figure)


def of_instrument(told: Instrument, source: str) -> InstrumentSeen:
    """Of all accounts alike: the rate and the margin of one are for the decision about it (`risk.looking`)."""
    return InstrumentSeen(
        source=source,
        kind=told.kind,
        currency=told.currency,
        calendar=told.calendar,
        tick_size=told.tick_size,
        lot_size=told.lot_size,
        minimum_quantity=told.minimum_quantity,
        multiplier=told.multiplier if told.multiplier != ONCE else ONCE,
        initial_margin=told.initial_margin,
        market_state=told.market_state,
        is_isolated=told.is_isolated,
        price_steps=told.price_steps,
        last_trade_at=told.last_trade_at,
        short_margin=told.short_margin,
    )


def of_quote(told: Quote) -> QuoteSeen:
    return QuoteSeen(
        id=told.id,
        at=told.at,
        bid=told.bid,
        ask=told.ask,
        last=told.last,
        oracle_price=told.oracle_price,
        market_data_type=told.market_data_type,
    )
