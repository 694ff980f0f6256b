"""VBx: a snapshot says all that the venue holds, or does not exist: failed is not empty."""

from __future__ import annotations

from itertools import dropwhile

from signalbox.messages import LinkStatus

from .desk import Desk


def failed_once(desk: Desk) -> bool:
    """Whether a reconciliation has failed, or has come to its end all the same."""
    since = desk.links[desk.mark :]
    gave_a_reason = any(link.status is LinkStatus.RECONCILING and link.reason for link in since)
    down_again = sum(link.status is LinkStatus.DOWN for link in since) >= 2
    return gave_a_reason or down_again or desk.link_status is LinkStatus.READY


async def test_vB0_snapshot_is_complete(desk: Desk, order_id: str) -> None:
    """The account holds a position and a working order when the gateway starts.

    The snapshot has the position, the order under the desk's id, every execution of the desk, and the cash.
    """
    working = f"{order_id}-working"
    await desk.flat(f"{order_id}-flat")
    await desk.filled(order_id)
    await desk.working(working)
    await desk.adds_up()
    await desk.kill()
    await desk.start()
    snapshot = (await desk.snapshots())[-1]
    assert {held.symbol: held.quantity for held in snapshot.positions}[desk.bench.symbol] == desk.bench.small
    assert [each.order_id for each in snapshot.open_orders] == [working]
    assert set(snapshot.execution_ids) <= {fill.execution_id for fill in desk.fills()}
    assert snapshot.cash == desk.bench.cash()


async def test_vB1_question_without_an_answer_makes_no_snapshot(desk: Desk, order_id: str) -> None:
    """The connection is cut, and the venue then leaves one part of the reconciliation unanswered.

    There is no snapshot and the link is not READY while it lasts; then there is one, and the link is READY.
    """
    await desk.working(order_id)
    await desk.bench.leave_unanswered()
    desk.look_from_here()
    desk.bench.cut()
    await desk.goes(LinkStatus.RECONCILING)
    before = len(await desk.snapshots())  # one of the connection before may have been on its way
    await desk.eventually(lambda: failed_once(desk), "the failed attempt")
    # A heartbeat that was on its way when the connection was cut comes first
    statuses = dropwhile(lambda status: status is LinkStatus.READY, [link.status for link in desk.links[desk.mark :]])
    assert LinkStatus.READY not in statuses
    assert len(await desk.snapshots()) == before
    await desk.bench.mend()
    await desk.ready()

    async def one_more() -> bool:
        return len(await desk.snapshots()) == before + 1

    await desk.eventually(one_more, "a snapshot")


async def test_vB2_each_connection_begins_with_a_snapshot(desk: Desk, order_id: str) -> None:
    """The connection is cut and comes back.

    A snapshot is stored before the link says READY.
    """
    before = len(await desk.snapshots())
    desk.look_from_here()
    desk.bench.cut()
    await desk.goes(LinkStatus.DOWN, LinkStatus.RECONCILING)
    await desk.ready()
    assert len(await desk.snapshots()) > before
