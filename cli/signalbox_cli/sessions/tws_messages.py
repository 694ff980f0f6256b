"""What of a recorded TWS message stands for itself, and what is only a number of that day: request ids, order numbers.

Owns where ids stand, which requests are the same question, and which of them are about money. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulators.tws.kinds import Inbound, Outbound

Fields = tuple[str, ...]

_REQUEST_OUT = {
    Outbound.TICK_PRICE: 2, Outbound.TICK_SIZE: 2, Outbound.TICK_GENERIC: 2, Outbound.TICK_STRING: 2,
    Outbound.TICK_SNAPSHOT_END: 2, Outbound.MARKET_DATA_TYPE: 2, Outbound.ERROR: 2, Outbound.CONTRACT_DETAILS: 1,
    Outbound.CONTRACT_DETAILS_END: 2, Outbound.EXEC_DETAILS: 1, Outbound.EXEC_DETAILS_END: 2,
    Outbound.HISTORICAL_DATA: 1, Outbound.HISTORICAL_DATA_UPDATE: 1, Outbound.REAL_TIME_BAR: 2,
    Outbound.ACCOUNT_SUMMARY: 2, Outbound.ACCOUNT_SUMMARY_END: 2, Outbound.ACCOUNT_UPDATE_MULTI: 2,
    Outbound.ACCOUNT_UPDATE_MULTI_END: 2, Outbound.PNL: 1, Outbound.PNL_SINGLE: 1, Outbound.TICK_REQ_PARAMS: 1,
}  # fmt: skip
"""Where an answer has the id of its request; an error may have an order's number there."""
_REQUEST_IN = {
    Inbound.REQ_MKT_DATA: 2, Inbound.CANCEL_MKT_DATA: 2, Inbound.REQ_EXECUTIONS: 2, Inbound.REQ_CONTRACT_DETAILS: 2,
    Inbound.REQ_HISTORICAL_DATA: 1, Inbound.CANCEL_HISTORICAL_DATA: 2, Inbound.REQ_REAL_TIME_BARS: 2,
    Inbound.CANCEL_REAL_TIME_BARS: 2, Inbound.REQ_ACCOUNT_SUMMARY: 2, Inbound.CANCEL_ACCOUNT_SUMMARY: 2,
    Inbound.REQ_ACCOUNT_UPDATES_MULTI: 2, Inbound.CANCEL_ACCOUNT_UPDATES_MULTI: 2, Inbound.REQ_PNL: 1,
    Inbound.CANCEL_PNL: 1,
}  # fmt: skip
_NUMBER_OUT = {Outbound.ORDER_STATUS: (1, 9), Outbound.OPEN_ORDER: (1, 24), Outbound.EXEC_DETAILS: (2, 22)}
"""Where a message has an order's number, and where the id of the client that gave it."""
_NUMBER_IN = {Inbound.PLACE_ORDER: 1, Inbound.CANCEL_ORDER: 2}

ORDERS = frozenset({Inbound.PLACE_ORDER, Inbound.CANCEL_ORDER})
REFERENCE_DATA = frozenset({Inbound.REQ_CONTRACT_DETAILS, Inbound.REQ_HISTORICAL_DATA})
"""Questions whose answer is the same whenever they are asked: they need not wait for their place."""
UNHURRIED = frozenset(
    {
        Inbound.CANCEL_MKT_DATA, Inbound.CANCEL_HISTORICAL_DATA, Inbound.CANCEL_REAL_TIME_BARS,
        Inbound.CANCEL_ACCOUNT_SUMMARY, Inbound.CANCEL_PNL, Inbound.CANCEL_POSITIONS, Inbound.REQ_MARKET_DATA_TYPE,
        Inbound.CANCEL_ACCOUNT_UPDATES_MULTI,
    }
)  # fmt: skip
"""What nothing follows from: a gateway may as well not say it."""

PLACED_TERMS: dict[int, str] = {
    2: "contract id", 3: "symbol", 4: "security type", 5: "expiry", 6: "strike", 7: "right", 8: "multiplier",
    9: "exchange", 11: "currency", 16: "action", 17: "quantity", 18: "order type", 19: "limit price", 20: "stop price",
    21: "time in force", 22: "OCA group", 23: "account", 26: "reference", 27: "transmit", 28: "parent",
    33: "outside regular hours", 38: "good till",
}  # fmt: skip
"""What an order is about, by its place in a placed order."""


def kind_in(fields: Sequence[str]) -> int:
    """The kind of a message of the gateway; -1 = none."""
    return int(fields[0]) if fields and fields[0].isascii() and fields[0].isdigit() else -1


def request_in(fields: Fields) -> str:
    """The id of a request; "" = it has none."""
    return _at(fields, _REQUEST_IN.get(kind_in(fields)))  # type: ignore[call-overload]


def request_out(fields: Fields) -> str:
    """The id of the request that this answers; "" = it is no answer."""
    return _at(fields, _REQUEST_OUT.get(kind_in(fields)))  # type: ignore[call-overload]


def number_in(fields: Fields) -> str:
    """The number of the order that this places or cancels; "" = it does neither."""
    return _at(fields, _NUMBER_IN.get(kind_in(fields)))  # type: ignore[call-overload]


def question(fields: Fields) -> Fields:
    """What is asked, without the ids of that day: two requests are the same if this is."""
    kind = kind_in(fields)
    if kind in ORDERS:
        return (fields[0],)
    without = {0: fields[0]}
    place = _REQUEST_IN.get(kind)  # type: ignore[call-overload]
    return tuple(without.get(at, field) for at, field in enumerate(fields) if at != place)


def differing_terms(recorded: Fields, written: Fields) -> list[str]:
    """How two placed orders differ, but for their numbers: one phrase for each term."""
    length = max(len(recorded), len(written))
    padded = [(*fields, *[""] * (length - len(fields))) for fields in (recorded, written)]
    return [
        f"{PLACED_TERMS.get(at, f'field {at}')} {was or 'nothing'} was recorded, {now or 'nothing'} is written"
        for at, (was, now) in enumerate(zip(*padded, strict=True))
        if at != 1 and was != now
    ]


def translated(
    fields: Fields, requests: Mapping[str, str], numbers: Mapping[str, str], client: tuple[str, str]
) -> Fields | None:
    """A recorded message of the venue with the ids of this day; None = it answers a request that nobody has made.

    `client` is the client id as it was recorded, and as it is.
    """
    kind = kind_in(fields)
    told = list(fields)
    place = _REQUEST_OUT.get(kind)  # type: ignore[call-overload]
    if place is not None and place < len(fields) and fields[place] not in ("-1", ""):
        asked = fields[place]
        if asked in requests:
            told[place] = requests[asked]
        elif kind == Outbound.ERROR:
            told[place] = numbers.get(asked, asked)
        else:
            return None
    number, owner = _NUMBER_OUT.get(kind, (None, 0))  # type: ignore[call-overload]
    if number is not None and _at(fields, owner) == client[0]:
        told[number], told[owner] = numbers.get(fields[number], fields[number]), client[1]
    return tuple(told)


def _at(fields: Sequence[str], place: int | None) -> str:
    return fields[place] if place is not None and place < len(fields) else ""
