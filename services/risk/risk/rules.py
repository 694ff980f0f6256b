"""What risk decides by, as one value with a name: the limits, and what of the desk file says what may be traded where.

Owns the name. A decision bears it, so that it can be made again with the same rules or is known to have had others.
Limits that operators have set since take the place of the file's (`with_limits`). Pure; it must not know what a rule
means for an intent.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256

import msgspec
from msgspec import Struct, structs
from signalbox.commissions import Commission, by_instrument
from signalbox.desk import Desk
from signalbox.instruments import parse_symbol
from signalbox.limits import name_of, named_by, of_desk_file, tightest
from signalbox.messages import LimitsByScope, LimitsSet, Order, OrderIntent

from risk.scopes import LimitBook, LimitsInForce

VERSION_DIGITS = 16


class Rules(Struct, frozen=True):
    """`allowed` are (venue, canonical symbol), `accounts` (venue, account).

    `commissions` are by (venue, kind of instrument). `limits` are those that operators have set last; None = those of
    the desk file hold, with which the rules have the name `file_version`.
    """

    desk: Desk
    allowed: frozenset[tuple[str, str]]
    accounts: frozenset[tuple[str, str]]
    version: str
    file_version: str
    commissions: dict[tuple[str, str], Commission]
    book: LimitBook
    limits: LimitsSet | None = None

    def limits_for(self, venue: str, account: str, symbol: str, strategy: str) -> LimitsInForce:
        """The tightest limits of all scopes that an order there is in."""
        return self.book.of(venue, account, symbol, strategy)

    def collar_of(self, order: OrderIntent | Order) -> Decimal:
        """How far an order without a limit is reckoned to slip."""
        return self.book.of(order.venue, order.account, order.symbol, order.strategy).limits.price_collar_fraction

    @property
    def limits_version(self) -> int:
        """0 = the desk file's."""
        return self.limits.version if self.limits is not None else 0

    @property
    def is_file_changed(self) -> bool:
        """The desk file has other limits now than when operators set theirs: what it has holds too."""
        return self.limits is not None and self.limits.desk_file != name_of(self.desk.limits)

    @property
    def stated(self) -> LimitsByScope:
        """What each scope states of what holds."""
        of_file = of_desk_file(self.desk.limits)
        if self.limits is None:
            return of_file
        return tightest(self.limits.limits, of_file) if self.is_file_changed else self.limits.limits


def rules_of(desk: Desk) -> Rules:
    """The rules of a desk file. Equal ones have the same version, whatever else in the file is another."""
    allowed = frozenset((line.venue, parse_symbol(line.symbol).canonical) for line in desk.instruments)
    taken: tuple[object, ...] = (
        named_by(desk.limits),
        sorted(desk.venues.items()),
        sorted(allowed),
        sorted(desk.fx_rates.items()),
        desk.nats.room_used_fraction_max,
    )
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
        file_version=version,
        commissions=by_instrument(desk.commissions),
        book=LimitBook(desk, None, with_file=False),
    )


def with_limits(rules: Rules, limits: LimitsSet | None) -> Rules:
    """The same rules with the limits that operators have set; None = the desk file's."""
    if limits is None:
        return rules_of(rules.desk)
    changed = structs.replace(rules, limits=limits)
    taken = (rules.file_version, limits.version, limits.limits, changed.is_file_changed)
    return structs.replace(
        changed,
        version=sha256(msgspec.json.encode(taken)).hexdigest()[:VERSION_DIGITS],
        book=LimitBook(rules.desk, limits.limits, with_file=changed.is_file_changed),
    )
