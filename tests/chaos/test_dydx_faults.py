"""Random faults at the simulated dYdX, drawn by a seed: afterwards the desk's books are the chain's.

Each campaign starts a desk of real processes, and kills and restarts all of them while orders of every kind flow. What
must hold at the end is `dydx_campaign.Campaign.settle`'s: one client id for an intent, every fill, fee and funding
payment booked once, positions and cash as the chain has them, no order UNKNOWN, and each one's end as the chain's.
More seeds: `DYDX_SEEDS=100-200 pytest tests/chaos/test_dydx_faults.py`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.chaos.dydx_campaign import Campaign
from tests.conftest import NatsServer
from tests.venue.processes import ForkServer

STEPS = 45
FIRST, _, LAST = os.environ.get("DYDX_SEEDS", "2001-2002").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ForkServer]]:
    made = {module: ForkServer(module) for module in ("gateway_dydx", "oms")}
    yield made
    for server in made.values():
        server.close()


@pytest.fixture(params=SEEDS)
async def campaign(
    request: pytest.FixtureRequest, nats_server: NatsServer, servers: dict[str, ForkServer], tmp_path: Path
) -> AsyncIterator[Campaign]:
    campaign = Campaign(request.param, tmp_path, nats_server, servers)
    try:
        await campaign.open()
        yield campaign
    finally:
        await campaign.close()


async def test_after_random_faults_the_desks_books_are_the_chains(campaign: Campaign) -> None:
    await campaign.run(STEPS)
    wrong = await campaign.settle()
    assert wrong == [], "\n".join(campaign.story)
    assert campaign.orders > 0
    assert campaign.fills > 0
