"""Lists the options on a share, for the desk file: what `signalbox chain SPY --expiry 2024-03-15` does.

Owns that listing, over a session with a client id of its own. It needs no bus and places nothing; a gateway may run
beside it.
"""

from __future__ import annotations

import argparse
from datetime import date

from signalbox.errors import SymbolError
from signalbox.instruments import parse_symbol

from gateway_ibkr.facts import VenueContract
from gateway_ibkr.translate import OPTION, SMART, canonical_symbol, contract_request, matching
from gateway_ibkr.venue import Endpoint, Session
from gateway_ibkr.venue_orders import OrdersSession

CLIENT_ID = 19
ANSWER_SECONDS_MAX = 60.0
"""A large chain takes its time: IBKR slows contract requests without a strike down."""


async def expirations(session: OrdersSession, underlying: VenueContract) -> list[str]:
    """A line for each day on which options of the share expire, and one for the strikes that there are."""
    told = [each for each in await session.chain(underlying) if each.exchange == SMART]
    days = sorted({day for each in told for day in each.expirations})
    strikes = sorted({strike for each in told for strike in each.strikes})
    if not days:
        return [f"there are no options on {underlying.symbol} at {SMART}"]
    span = f"{len(strikes)} strikes from {strikes[0]:g} to {strikes[-1]:g}; --expiry lists the symbols of a day"
    return [*(f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in days), span]


async def symbols(session: OrdersSession, underlying: VenueContract, expiry: date, right: str) -> list[str]:
    """The desk's symbol of each option of a day, by strike."""
    wanted = VenueContract(
        symbol=underlying.symbol,
        security_type=OPTION,
        exchange=SMART,
        currency=underlying.currency,
        expiry=f"{expiry:%Y%m%d}",
        right=right,
    )
    found = matching(wanted, await session.contracts(wanted))
    by_strike = sorted(found, key=lambda each: (each.contract.strike, each.contract.right))
    return [canonical_symbol(each.contract) for each in by_strike]


async def listing(args: argparse.Namespace) -> list[str]:
    """Ask the venue. Raises `SignalboxError`: nobody answers, the venue refuses, or the symbol is not one share."""
    request = contract_request(parse_symbol(args.symbol))
    session = Session(
        Endpoint(
            name="chain",
            host=args.host,
            port=args.port,
            client_id=args.client_id,
            connect_seconds_max=10.0,
            answer_seconds_max=ANSWER_SECONDS_MAX,
        ),
        lambda fact: None,
    )
    try:
        await session.open()
        orders = OrdersSession(session)
        found = matching(request, await orders.contracts(request))
        if len(found) != 1:
            raise SymbolError(f"{args.symbol} is not one contract of the venue's, but {len(found)}")
        underlying = found[0].contract
        if args.expiry is None:
            return await expirations(orders, underlying)
        return await symbols(orders, underlying, args.expiry, args.right)
    finally:
        session.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to list, and whom to ask."""
    add = parser.add_argument
    add("symbol", help="the share, such as SPY")
    add("--expiry", type=date.fromisoformat, metavar="DAY", help="as 2024-03-15; left out: the days that there are")
    add("--right", choices=("C", "P"), default="", help="only calls, or puts")
    add("--host", default="127.0.0.1", help="of IB Gateway or TWS (default: %(default)s)")
    add("--port", type=int, default=4002, help="its API's (default: %(default)s)")
    add("--client-id", type=int, default=CLIENT_ID, help="one that nobody else uses (default: %(default)s)")
