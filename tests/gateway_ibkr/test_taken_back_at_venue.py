"""Fills that the venue takes back before the gateway has heard of them: their orders have an end all the same."""

from __future__ import annotations

from typing import Any

import pytest
from signalbox.messages import VenueCanceled


@pytest.mark.parametrize("stands", ["9", "0"], ids=["corrected", "bust"])
async def test_an_order_that_was_filled_and_corrected_unheard_is_over_with_what_stands(desk: Any, stands: str) -> None:
    await desk.start()
    await desk.ready()
    await desk.venue.do("omit", kind="execDetails", client=11)
    await desk.submit("o-1")
    await desk.eventually(desk.venue.world.executions, "the trade at the venue")
    (execution,) = desk.venue.world.executions()
    revised = {"execution_id": execution.execution_id, "quantity": stands, "booked": True}
    await desk.venue.do("correct_execution", **revised)
    await desk.venue.do("clear")
    kinds = await desk.has("o-1", "VenueCanceled")
    assert kinds.count("VenueFill") == 1
    (over,) = [each for each in await desk.reports("o-1") if isinstance(each, VenueCanceled)]
    assert f"{stands} of 10 stand" in over.reason
