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
SEEDS = range(7, 15)
"""Each passes as long as nothing is taken out. Whether one meets the missing guard is a matter of milliseconds."""
SEEN = {"claim": "nobody claimed", "dedupe": "times: ('VenueFill'", "recovery": "a fill was not reported"}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ForkServer]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=":")
        sabotaged, oms = ForkServer("tests.chaos.sabotaged"), ForkServer("oms")
    yield {"gateway_ibkr": sabotaged, "gateway_dydx": sabotaged, "oms": oms}
    sabotaged.close()
    oms.close()


@pytest.mark.parametrize("venue", SIDES)
@pytest.mark.parametrize("guard", SEEN)
async def test_a_campaign_sees_that_a_guard_is_missing(
    venue: str, guard: str, servers: dict[str, ForkServer], tmp_path: Path
) -> None:
    found = []
    for seed in SEEDS:
        folder = tmp_path / str(seed)
        folder.mkdir()
        wrong = await wrong_after(venue, seed, {VARIABLE: f"{venue}:{guard}"}, servers, folder)
        if any(SEEN[guard] in each for each in wrong):
            return
        found.append(wrong)
    pytest.fail(f"nothing of it is seen: {found}")


async def wrong_after(
    venue: str, seed: int, sabotage: dict[str, str], servers: dict[str, ForkServer], folder: Path
) -> list[str]:
    """What a campaign finds in the books."""
    nats = NatsServer(folder)
    nats.start()
    campaign = Campaign(SIDES[venue], seed, folder, nats, servers, SETTLE_SECONDS_MAX, sabotage)
    try:
        await nats.bootstrap()
        await campaign.open()
        await campaign.run(STEPS)
        return list(await campaign.settle())
    finally:
        await campaign.close()
        await nats.close()
