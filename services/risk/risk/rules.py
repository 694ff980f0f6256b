"""What risk takes from the desk file, as one value with a name: the limits, and what may be traded where.

Owns the name. A decision bears it, so that it can be made again with the same rules or is known to have had others.
Pure; it must not know what a rule means for an intent.
"""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import msgspec
from msgspec import Struct
from signalbox.commissions import Commission, by_instrument
from signalbox.desk import Desk
from signalbox.instruments import parse_symbol

VERSION_DIGITS = 16


class Rules(Struct, frozen=True):
    """`allowed` are (venue, canonical symbol), `accounts` (venue, account); ages are the limits' seconds as spans.

    `commissions` are by (venue, kind of instrument).
    """

    desk: Desk
    allowed: frozenset[tuple[str, str]]
    accounts: frozenset[tuple[str, str]]
    version: str
    price_age_max: timedelta
    account_age_max: timedelta
    intent_age_max: timedelta
    name_rate_max: int
    """Orders within a minute, of one name."""
    commissions: dict[tuple[str, str], Commission]


def rules_of(desk: Desk) -> Rules:
    """The rules of a desk file. Equal ones have the same version, whatever else in the file is another."""
    allowed = frozenset((line.venue, parse_symbol(line.symbol).canonical) for line in desk.instruments)
    taken: tuple[object, ...] = (
        desk.limits,
        sorted(desk.venues.items()),
        sorted(allowed),
        sorted(desk.fx_rates.items()),
        desk.nats.room_used_fraction_max,
    )
    limits = desk.limits
    if desk.commissions:  # a desk that states none, and no groups, keeps the version that it had before there were any
        taken = (*taken, desk.commissions)
    if desk.groups:
        taken = (*taken, desk.groups)
    version = sha256(msgspec.json.encode(taken)).hexdigest()[:VERSION_DIGITS]
    accounts = frozenset((name, account) for name, venue in desk.venues.items() for account in venue.accounts)
    return Rules(
        desk,
        allowed,
        accounts,
        version,
        price_age_max=timedelta(seconds=limits.price_age_seconds_max),
        account_age_max=timedelta(seconds=limits.account_age_seconds_max),
        intent_age_max=timedelta(seconds=limits.intent_age_seconds_max),
        name_rate_max=limits.name_intents_per_minute_max,
        commissions=by_instrument(desk.commissions),
    )
