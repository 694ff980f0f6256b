"""Random faults at the simulated venues, drawn by a seed: afterwards the desk's books are the venue's.

Each campaign starts a desk of real processes, and kills and restarts all of them while orders, lists and changes of
every kind flow. What must hold at the end is `Campaign.settle`'s: one claim for an order and one order for a claim,
every fill, fee and payment booked once, positions and cash as the venue has them, no order UNKNOWN, each one's end as
the venue's, every change answered, and of lists what `tests.desk_in_process.promises` says of them.
More of them: `python -m tests.chaos.seeds --venue ibkr --seeds 200`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign
from tests.chaos.seeds import SIDES, STEPS, fork_servers
from tests.conftest import NatsServer
from tests.venue.processes import ForkServer

SEEDS = {"ibkr": (5, 6), "dydx": (7, 11)}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, ForkServer]]:
    with fork_servers(SIDES) as made:
        yield made


@pytest.mark.parametrize(("venue", "seed"), [(venue, seed) for venue, seeds in SEEDS.items() for seed in seeds])
async def test_after_random_faults_the_desks_books_are_the_venues(
    venue: str, seed: int, nats_server: NatsServer, servers: dict[str, ForkServer], tmp_path: Path
) -> None:
    campaign = Campaign(SIDES[venue], seed, tmp_path, nats_server, servers)
    try:
        await campaign.open()
        await campaign.run(STEPS)
        wrong = await campaign.settle()
    finally:
        await campaign.close()
    assert wrong == [], "\n".join(campaign.hand.story)
    assert campaign.side.orders > 0
    assert campaign.side.fills > 0
