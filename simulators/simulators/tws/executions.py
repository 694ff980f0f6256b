"""Executions and commissions as clients get them: live, on request, and corrected.

Owns execution ids with their revision (`.01` first, `.02` corrects it) and the filter of reqExecutions. It must not
know how an order came to fill.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace
from signalbox.exchange.listing import Listing
from signalbox.exchange.orders import Execution, Filled, VenueOrder
from signalbox.exchange.settlement import SETTLEMENT

from simulators.listings import IBKR
from simulators.tws import replies, times
from simulators.tws.contracts import invalid
from simulators.tws.elsewhere import COMBINATION, Elsewhere
from simulators.tws.faults import Faults
from simulators.tws.peers import Peer, Peers
from simulators.tws.replies import NO_REQUEST, Message
from simulators.tws.requests import Executions
from simulators.world import World

NOT_RECKONED = Decimal(-1)
DAYS_TOLD = 7
"""How far back executions are told: what TWS's trade log keeps at most (a gateway tells those since midnight)."""


def owner_of(client_tag: str) -> tuple[int, int]:
    """Read the client id and order id that an order was tagged with; 0, 0 if it was placed by hand."""
    client_id, _, order_id = client_tag.partition(":")
    return (int(client_id), int(order_id)) if order_id else (0, 0)


def revised_id(execution_id: str, revision: int) -> str:
    """The id on the wire: the venue's, and two digits that rise with each correction."""
    return f"{execution_id}.{revision:02d}"


def live(
    order_id: int,
    client_id: int,
    listing: Listing,
    event: Filled,
    order: VenueOrder,
    *,
    number: int,
    reckoned: bool = True,
) -> list[Message]:
    """Write the execution and its commission, as they come unasked; -1 while that is not reckoned."""
    terms = order.terms
    execution = Execution(
        execution_id=event.execution_id,
        number=number,
        at=event.at,
        account=terms.account,
        symbol=terms.symbol,
        side=terms.side,
        quantity=event.quantity,
        price=event.price,
        cumulative=event.cumulative,
        average_price=event.average_price,
        commission=event.commission,
        currency=event.currency,
        realized_pnl=event.realized_pnl,
        client_reference=terms.client_reference,
        client_tag=terms.client_tag,
    )
    revised = revised_id(event.execution_id, 1)
    return [
        replies.exec_details(NO_REQUEST, order_id, client_id, listing, execution, revised),
        replies.commission_report(execution if reckoned else replace(execution, commission=NOT_RECKONED), revised),
    ]


class ExecutionLog:
    """Answers reqExecutions and keeps the corrections that were made through the control port."""

    def __init__(
        self,
        world: World,
        peers: Peers,
        owner: Callable[[int], tuple[int, int]],
        elsewhere: Elsewhere,
        faults: Faults,
    ) -> None:
        """`owner` gives the client id and order id of a permanent id."""
        self._elsewhere, self._faults = elsewhere, faults
        self._world, self._peers, self._owner = world, peers, owner
        self._listings = {listing.key: listing for listing in world.listings_of(IBKR)}
        self._corrections: dict[str, tuple[int, Execution]] = {}
        self.told_numbers: dict[int, int] = {}
        """Permanent ids that clients know by another number (`OrderDesk`)."""
        self.fees: dict[str, Decimal] = {}
        """Commissions that are told otherwise than the books have them, by execution."""

    def tell(self, peer: Peer, request: Executions) -> None:
        """Answer message 7: executions, their end, then the commissions."""
        try:
            after = times.read(request.time) if request.time else None
        except ValueError:
            cause = invalid(f"The time '{request.time}' in the filter is invalid")
            peer.send(replies.error(request.req_id, cause.code, cause.text))
            return
        told = []
        oldest = self._world.now() - timedelta(days=DAYS_TOLD)
        for execution in self._world.executions_of(IBKR):
            if self._faults.settles_by_position and execution.client_tag == SETTLEMENT:
                continue
            if execution.at < oldest or not self._passes(execution, request, after):
                continue
            client_id, order_id = self._owner(execution.number)
            revision, shown = self._corrections.get(execution.execution_id, (1, execution))
            shown = replace(shown, number=self.told_numbers.get(shown.number, shown.number))
            if execution.execution_id in self.fees:
                shown = replace(shown, commission=self.fees[execution.execution_id])
            revised = revised_id(execution.execution_id, revision)
            listing = self._listings[execution.symbol]
            peer.send(replies.exec_details(request.req_id, order_id, client_id, listing, shown, revised))
            told.append(replies.commission_report(shown, revised))
        for contract, execution in self._elsewhere.trades:
            if execution.at >= oldest and request.account in ("", execution.account) and not request.symbol:
                revised = revised_id(execution.execution_id, 1)
                peer.send(replies.exec_details(request.req_id, 0, 0, contract, execution, revised))
                if contract.sec_type != COMBINATION:
                    told.append(replies.commission_report(execution, revised))
        peer.send(replies.exec_details_end(request.req_id))
        for message in told:
            peer.send(message)

    def told(self, account: str) -> list[Execution]:
        """Every execution of an account as it is told now: with its last correction and its last commission."""
        found = []
        for execution in self._world.executions(account):
            shown = self._corrections.get(execution.execution_id, (1, execution))[1]
            found.append(replace(shown, commission=self.fees.get(shown.execution_id, shown.commission)))
        elsewhere = [each for contract, each in self._elsewhere.trades if contract.sec_type != COMBINATION]
        return [*found, *(each for each in elsewhere if each.account == account)]

    def correct(
        self, execution_id: str, quantity: Decimal | None, price: Decimal | None, *, booked: bool = False
    ) -> str:
        """Send a correction of an execution to its client and show it from now on. Raises KeyError.

        Without `booked` cash and positions stay: the venue says something else now, as after a clerical correction.
        """
        wanted = execution_id.rsplit(".", 1)[0] if execution_id.count(".") == 2 else execution_id
        for execution in self._world.executions_of(IBKR):
            if execution.execution_id == wanted:
                break
        else:
            raise KeyError(execution_id)
        revision, before = self._corrections.get(wanted, (1, execution))
        shown = replace(
            before,
            quantity=before.quantity if quantity is None else quantity,
            price=before.price if price is None else price,
        )
        if booked:
            self._world.correct(before, shown.quantity, shown.price)
        self._corrections[wanted] = (revision + 1, shown)
        revised = revised_id(wanted, revision + 1)
        client_id, order_id = self._owner(execution.number)
        peer = self._peers.get(client_id)
        if peer is not None:
            listing = self._listings[execution.symbol]
            peer.send(replies.exec_details(NO_REQUEST, order_id, client_id, listing, shown, revised))
            peer.send(replies.commission_report(shown, revised))
        return revised

    def reckon(self, execution_id: str, commission: Decimal | None, *, booked: bool = False) -> None:
        """Tell another commission of an execution, from now on; None = the true one. Raises KeyError.

        With `booked` the cash follows.
        """
        execution = next((each for each in self._world.executions_of(IBKR) if each.execution_id == execution_id), None)
        if execution is None:
            raise KeyError(execution_id)
        before = self.fees.pop(execution_id, execution.commission)
        if commission is not None:
            self.fees[execution_id] = commission
        if booked:
            change = before - self.fees.get(execution_id, execution.commission)
            self._world.adjust_cash(execution.account, execution.currency, change, "another commission")
        client_id, _ = self._owner(execution.number)
        peer = self._peers.get(client_id)
        if peer is not None:
            told = replace(execution, commission=self.fees.get(execution_id, execution.commission))
            peer.send(replies.commission_report(told, revised_id(execution_id, 1)))

    def _passes(self, execution: Execution, wanted: Executions, after: datetime | None) -> bool:
        listing = self._listings[execution.symbol]
        client_id, _ = self._owner(execution.number)
        sides = {"BUY": ("", "BUY", "BOT"), "SELL": ("", "SELL", "SLD", "SSHORT")}[execution.side.value]
        return (
            wanted.client_id in (0, client_id)
            and wanted.account in ("", execution.account)
            and (after is None or execution.at >= after)
            and wanted.symbol in ("", listing.symbol)
            and wanted.sec_type in ("", replies.security_type(listing))
            and wanted.exchange in ("", "SMART", listing.exchange, listing.primary_exchange)
            and wanted.side.upper() in sides
        )
