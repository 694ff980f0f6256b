"""Folds what is said beside TRADE: quotes, instruments, accounts, links, the main switch, room.

Owns what of it is kept, and values what is held by it. It decides nothing.
"""

from __future__ import annotations

from signalbox.messages import AccountState, BooksCompared, Instrument, Quote, TradingState, VenueLink
from signalbox.room import StreamRoom

from risk import keeping, losing
from risk.account_ages import FUNDS, said_at
from risk.elsewhere import price_at
from risk.exposure import books_of, revalue, settle_terms
from risk.margins import rates_by_symbol
from risk.prices import mark_price
from risk.pulls import Drifted
from risk.state import LinkLost, RiskState, Seen, is_flat, margin_fraction, short_margin


def fold_quote(state: RiskState, quote: Quote) -> None:
    """Keep the last quote of a symbol, and value what is held at it.

    One that comes late replaces a newer one: its age is checked at each decision, whereas a single quote dated in the
    future would otherwise keep all later ones out.
    """
    state.quotes[quote.venue, quote.symbol] = Seen(quote, f"quote:{quote.id}", keeping.of_quote(quote))
    mark = mark_price(quote)
    if mark is None:
        return
    for (venue, _), books in state.books.items():
        holding = books.holdings.get(quote.symbol) if venue == quote.venue else None
        if holding is None:
            continue
        losing.note_price(state, books, quote)
        if holding.mark != mark:
            holding.mark = mark
            losing.settle(books, quote.symbol, holding)
            if holding.unpriced_orders and state.has_external:
                price_at(state, books, quote.symbol, mark)
            if not is_flat(holding):
                revalue(books, quote.symbol, holding)


def fold_instrument(state: RiskState, instrument: Instrument, source: str) -> None:
    """Keep what a venue says of a symbol; what is held there is valued by it."""
    kept = keeping.of_instrument(instrument, source)
    state.instruments[instrument.venue, instrument.symbol] = Seen(instrument, source, kept)
    for (venue, _), books in state.books.items():
        holding = books.holdings.get(instrument.symbol) if venue == instrument.venue else None
        if holding is not None:
            holding.currency, holding.multiplier = instrument.currency, instrument.multiplier
            holding.margin_fraction = margin_fraction(instrument)
            holding.short_margin = short_margin(instrument)
            settle_terms(state, books, instrument.symbol, holding)


def fold_account(state: RiskState, account: AccountState, source: str) -> None:
    """Keep the venue's newest figures of an account; fills from before its funds were said are in them."""
    key = (account.venue, account.account)
    known = state.accounts.get(key)
    if known is not None and account.at < known.message.at:
        return
    state.accounts[key] = Seen(account, source, keeping.of_account(account, source))
    books = books_of(state, key)
    rates = account.rates if books.currency in ("", account.currency) else {}
    told = rates, account.initial_margin_fractions, rates_by_symbol(account)
    if told != (books.rates, books.margin_fractions, books.margin_rates):
        books.rates, books.margin_fractions, books.margin_rates = told
        for symbol, holding in books.holdings.items():
            settle_terms(state, books, symbol, holding)
    funds_at = said_at(account, FUNDS)
    while books.unconfirmed_fills and books.unconfirmed_fills[0][0] < funds_at:
        books.unconfirmed_fills.popleft()


def fold_link(state: RiskState, link: VenueLink | LinkLost) -> None:
    """Keep what a gateway last said of itself; silence takes it away."""
    key = (link.venue, link.account)
    state.links[key] = Seen(link, f"link:{link.id}", keeping.of_link(link)) if isinstance(link, VenueLink) else None


def fold_trading_state(state: RiskState, trading_state: TradingState | None, source: str) -> None:
    """Keep the desk's main switch; None = it was never set, or can not be read."""
    state.trading_state = (
        Seen(trading_state, source, keeping.of_switch(trading_state, source)) if trading_state is not None else None
    )


def fold_compared(state: RiskState, compared: BooksCompared) -> None:
    """Keep in what the books differ from the venue, since when, and for how many of its snapshots in a row."""
    pulls, key = state.pulls, (compared.venue, compared.account)
    if compared.at < pulls.compared_at.get(key, compared.at):
        return
    pulls.compared_at[key] = compared.at
    before = {scope: drifted for scope, drifted in pulls.drifted.items() if scope[:2] == key}
    for scope in before:
        del pulls.drifted[scope]
    for each in compared.differ:
        scope = (*key, each.symbol, "")
        last = before.get(scope)
        since, count = (last.since, last.snapshots + 1) if last is not None else (compared.at, 1)
        pulls.drifted[scope] = Drifted(since, count, each.ours, each.theirs)


def fold_room(state: RiskState, room: StreamRoom | None, source: str) -> None:
    """Keep how full the fullest stream is that an order needs; None = nobody has said it lately."""
    state.room = Seen(room, source, keeping.of_room(room)) if room is not None else None
