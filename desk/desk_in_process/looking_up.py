"""Looks up in the log what has left the OMS's memory, and puts right the cost of a position of which a fill was late.

Owns the reading of the log for both; what is wanted, and what comes of it, is `oms.recall` and `oms.refolding`.
"""

from __future__ import annotations

from oms.books import settle_again
from oms.recall import Wanted, recall_funding, recall_order
from oms.refolding import EXECUTIONS_AT_ONCE_MAX, Pass, begin_again, corrections
from oms.state import State
from signalbox.messages import FillCorrected, FundingBooked

from desk_in_process.trade import Trade


def look_up(state: State, trade: Trade, wanted: Wanted, before_sequence: int | None = None) -> None:
    """Recall what is `wanted`, as it was before `before_sequence` of the log (None = as it is)."""
    owners = dict.fromkeys(wanted.owners)
    for place in wanted.places:
        event = trade.event_at(place)
        if isinstance(event, FundingBooked):
            recall_funding(state, event, place)
        elif event is not None:
            owners[event.venue, event.account, event.order_id] = None
    for owner in owners:
        events = trade.events_of(owner)
        recall_order(state, owner, [each for each in events if before_sequence is None or each[0] < before_sequence])


def settle_late(state: State, trade: Trade, executions_at_once: int = EXECUTIONS_AT_ONCE_MAX) -> None:
    """Put right every late position, in passes over the log."""
    for account, book in state.accounts.items():
        for name, held in book.symbols.items():
            if not held.is_late:
                continue
            late = begin_again(book, name)
            events = trade.events_of_account(account, late.begin.from_sequence)
            corrected = corrections(event for _, event in events if isinstance(event, FillCorrected))
            holding, after, is_last = late.begin.holding, late.begin.place, False
            while not is_last:
                each = Pass(late, after, corrected, executions_at_once)
                for sequence, event in events:
                    each.take(event, sequence)
                (holding, after), is_last = each.fold(holding), each.is_last
            settle_again(book, held, holding)
