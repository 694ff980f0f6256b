"""Signing and broadcasting: what became of a transaction, in one word and a sentence.

Owns the one place where stateful transactions are signed (their sequence is a time, never used twice), the budget of
the chain's block limits, and what a failed call means. It must not know which order a transaction is about (`orders`).
"""

from __future__ import annotations

import logging
import time

from signalbox.clock import DeskClock
from signalbox.errors import VenueError, VenueRefusedError, VenueTimeoutError, VenueUnavailableError
from signalbox.gateway.venue import Canceled, CancelVerdict, NoRoom, Outcome, Placed
from signalbox.lease import OwnLease

from gateway_dydx import metrics
from gateway_dydx.pacing import BlockBudget, BlockPace
from gateway_dydx.plans import CancelPlan, OrderPlan
from gateway_dydx.state import State
from gateway_dydx.venue_errors import Verdict, cancel_verdict, code_text, problem_of, sentence
from gateway_dydx.venue_node import BroadcastResult, Node, SignedTransaction
from gateway_dydx.venue_permission import KeptPermission

log = logging.getLogger(__name__)


class Sending:
    """The way out. All transactions of this process go through it, while it holds the account."""

    def __init__(self, node: Node, clock: DeskClock, state: State, lease: OwnLease, permission: KeptPermission) -> None:
        self._node, self._clock, self._state, self._lease = node, clock, state, lease
        self._permission = permission
        self.budget = BlockBudget()
        """Of stateful orders."""
        self.pace = BlockPace()

    def no_room(self, *, protects: bool) -> NoRoom | None:
        """Whether the chain takes no stateful order now; the next block is worth waiting for, a longer wait is not."""
        height = self._state.own.height
        free_from = self.budget.free_from(height, protects=protects)
        if free_from <= height:
            return None
        counts = " and ".join(f"{limit} in {blocks} blocks" for blocks, limit in self.budget.limits)
        reason = (
            f"dYdX takes {counts} of stateful orders from one address"
            + ("" if protects else ", and some of them are kept for what protects")
            + f": the next may go at block {free_from}, and now it is block {height}"
        )
        room_at = self.pace.time_of(free_from, self._clock.now())
        return NoRoom(reason, passes=free_from == height + 1, room_at=room_at)

    def sign_place(self, plan: OrderPlan) -> SignedTransaction:
        """Sign an order now; raises `VenueError` when the account has not been read yet."""
        return self._node.prepare_place(plan, self._clock.now())

    async def place(self, plan: OrderPlan, signed: SignedTransaction | None) -> Placed:
        """Broadcast an order, signed before or now."""
        if plan.is_stateful:
            self.budget.note(self._state.own.height)
        try:
            result = await self._broadcast(signed or self.sign_place(plan))
        except VenueTimeoutError as error:
            return Placed(Outcome.UNKNOWN, "", str(error))
        except VenueRefusedError as error:
            return Placed(Outcome.REFUSED, error.code, f"the node turned the call away: {error.text}")
        except VenueError as error:
            return Placed(Outcome.UNSENT, "", str(error))
        problem = problem_of(result.codespace, result.code)
        code = code_text(result.codespace, result.code)
        text = sentence(result.codespace, result.code, result.raw_log)
        if problem.verdict is Verdict.ACCEPTED:
            return Placed(Outcome.ACCEPTED)
        metrics.count_error(metrics.NODE, problem.verdict.value.lower())
        if problem.verdict is Verdict.REFUSED:
            return Placed(Outcome.REFUSED, code, text, again=problem.again)
        return Placed(Outcome.UNKNOWN, code, text)

    async def cancel(self, plan: CancelPlan) -> Canceled:
        """Sign and broadcast a cancel; it may be repeated as often as one likes."""
        try:
            result = await self._broadcast(self._node.prepare_cancel(plan, self._clock.now()))
        except VenueError as error:
            return Canceled(CancelVerdict.UNKNOWN, "", str(error))
        if result.code == 0:
            return Canceled(CancelVerdict.ACCEPTED)
        verdict = cancel_verdict(result.codespace, result.code)
        if verdict is not CancelVerdict.ACCEPTED:
            metrics.count_error(metrics.NODE, verdict.value.lower())
        again = problem_of(result.codespace, result.code).again
        return Canceled(
            CancelVerdict.UNKNOWN if again else verdict,
            code_text(result.codespace, result.code),
            sentence(result.codespace, result.code, result.raw_log),
        )

    async def failure_of(self, transaction_hash: str) -> tuple[str, str] | None:
        """Why a transaction that is in a block did nothing: code and sentence; None = it did, or is in no block.

        Raises `VenueError` when the node can not be asked.
        """
        found = await self._node.transaction(transaction_hash)
        if found is None or found.code == 0:
            return None
        return code_text(found.codespace, found.code), sentence(found.codespace, found.code, found.raw_log)

    async def _broadcast(self, signed: SignedTransaction) -> BroadcastResult:
        if not self._lease.is_held():
            raise VenueUnavailableError("this process does not hold the account at present: nothing was sent")
        began = time.perf_counter()
        try:
            result = await self._node.broadcast(signed)
            self._permission.refused(result.codespace, result.raw_log)
            return result
        finally:
            metrics.BROADCAST_SECONDS.observe(time.perf_counter() - began)
