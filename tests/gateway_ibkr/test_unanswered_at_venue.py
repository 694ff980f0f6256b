"""An answer that never ends keeps the gateway away from READY, and is named wherever somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from signalbox.messages import LinkStatus

ORDERS = 11
ENDS = {
    "openOrderEnd": "open_orders",
    "execDetailsEnd": "executions",
    "completedOrdersEnd": "completed_orders",
    "positionEnd": "positions",
    "accountDownloadEnd": "account",
    "contractDetailsEnd": "contract",
}


@pytest.fixture
def gateway_settings() -> dict[str, Any]:
    return {"answer_seconds_max": 0.4}


@pytest.mark.parametrize("end", list(ENDS))
async def test_the_question_is_named_until_it_is_answered(
    desk: Any, end: str, metric: Callable[..., float], caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float:
        return metric("signalbox_venue_unanswered_total", venue="ibkr", request=ENDS[end])

    before = counted()
    await desk.venue.do("omit", kind=end, client=ORDERS, count=1_000)
    runtime = await desk.start()
    name = ENDS[end].split("_")[0]
    await desk.eventually(lambda: counted() >= before + 2, "two questions in vain")

    def named(status: LinkStatus) -> bool:
        told = [link.reason for link in desk.links if link.status is status]
        return any("TWS has not ended its answer to" in reason and name in reason for reason in told)

    await desk.eventually(lambda: named(LinkStatus.DOWN) and named(LinkStatus.RECONCILING), f"it is told; {desk.links}")
    assert LinkStatus.READY not in {link.status for link in desk.links}
    assert name in runtime.details()["link"]
    assert any(name in str(getattr(record, "reason", "")) for record in caplog.records)
    assert any(name in reason for reason in runtime.health.waiting_for)
    await desk.venue.do("clear")
    await desk.ready()
    await desk.eventually(lambda: "TWS has not ended" not in runtime.details()["link"], "it is not said any more")
