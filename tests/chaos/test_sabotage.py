"""A campaign would see it: with a guard taken out of a gateway, the desk's books are not the venue's any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.sabotaged.__main__ import VARIABLE
from tests.chaos.seeds import SIDES
from tests.conftest import ROOT, NatsServer
from tests.venue.processes import ForkServer

STEPS, SETTLE_SECONDS_MAX = 30, 6.0
"""It need not be waited for what never comes."""
SEEDS = {
    ("ibkr", "claim"): 7,
    ("ibkr", "dedupe"): 7,
    ("ibkr", "recovery"): 7,
    ("dydx", "claim"): 7,
    ("dydx", "dedupe"): 7,
    ("dydx", "recovery"): 7,
}
"""Each of them passes as long as nothing is taken out."""
SEEN = {"claim": "nobody claimed", "dedupe": "times: ('VenueFill'", "recovery": "a fill was not reported"}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ForkServer]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=":")
        sabotaged, oms = ForkServer("tests.chaos.sabotaged"), ForkServer("oms")
    yield {"gateway_ibkr": sabotaged, "gateway_dydx": sabotaged, "oms": oms}
    sabotaged.close()
    oms.close()


@pytest.mark.parametrize(("venue", "guard"), SEEDS)
async def test_a_campaign_sees_that_a_guard_is_missing(
    venue: str, guard: str, nats_server: NatsServer, servers: dict[str, ForkServer], tmp_path: Path
) -> None:
    sabotage = {VARIABLE: f"{venue}:{guard}"}
    seed = SEEDS[venue, guard]
    campaign = Campaign(SIDES[venue], seed, tmp_path, nats_server, servers, SETTLE_SECONDS_MAX, sabotage)
    try:
        await campaign.open()
        await campaign.run(STEPS)
        wrong = await campaign.settle()
    finally:
        await campaign.close()
    assert any(SEEN[guard] in each for each in wrong), wrong
