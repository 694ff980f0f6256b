"""Campaigns by the hundred: `python -m tests.chaos.seeds --venue ibkr --seeds 200`, and what each of them found.

Owns a nats-server and a folder for each seed, what is printed of it, and the exit status: 1 if the desk and the venue
differed after any. Of one that failed the story, the streams and the logs stay in its folder.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.campaign import Campaign
from tests.chaos.dydx_side import DydxSide
from tests.chaos.ibkr_side import IbkrSide
from tests.chaos.side import Hand, VenueSide
from tests.conftest import NatsServer
from tests.venue.processes import ForkServer

SIDES: dict[str, Callable[[Hand], VenueSide]] = {"ibkr": IbkrSide, "dydx": DydxSide}
STEPS = 45
SEED_SECONDS_MAX = 900.0


@contextmanager
def fork_servers(venues: Iterable[str]) -> Iterator[dict[str, ForkServer]]:
    """What starts the services of a campaign, kept for all of them."""
    made = {module: ForkServer(module) for module in (*(f"gateway_{venue}" for venue in venues), "oms")}
    try:
        yield made
    finally:
        for server in made.values():
            server.close()


async def one(venue: str, seed: int, steps: int, folder: Path, servers: dict[str, ForkServer]) -> Counter[str]:
    """Run one campaign; what happened, and as `wrong` how much of it was wrong."""
    nats = NatsServer(folder)
    nats.start()
    await nats.bootstrap()
    campaign = Campaign(SIDES[venue], seed, folder, nats, servers)
    try:
        async with asyncio.timeout(SEED_SECONDS_MAX):
            await campaign.open()
            await campaign.run(steps)
            wrong = await campaign.settle()
    except Exception:  # whatever it was, the next seed has its turn
        wrong = [traceback.format_exc()]
    finally:
        await campaign.close()
        await nats.close()
    counts = campaign.hand.counts
    counts.update({"at the venue": campaign.side.orders, "fills": campaign.side.fills, "wrong": len(wrong)})
    counts.update({"losses": sum("a fill was not reported" in each for each in wrong)})
    counts.update({"doubles": sum(" times" in each for each in wrong)})
    (folder / "story.txt").write_text("\n".join([*campaign.hand.story, "", *wrong, ""]))
    return counts


def run(venue: str, seeds: range, steps: int, folder: Path) -> int:
    """Run all seeds, one after the other; the exit status."""
    total: Counter[str] = Counter()
    failed = []
    with fork_servers([venue]) as servers:
        for seed in seeds:
            own = folder / f"{venue}-{seed}"
            own.mkdir(parents=True)
            counts = asyncio.run(one(venue, seed, steps, own, servers))
            sys.stdout.write(f"{venue} {seed}: {said(counts)}\n")
            sys.stdout.flush()
            total += counts
            if counts["wrong"]:
                failed.append(seed)
                sys.stdout.write(f"  see {own / 'story.txt'}\n")
            else:
                shutil.rmtree(own)
    sys.stdout.write(f"{len(seeds)} seeds at {venue}: {said(total)}\n")
    sys.stdout.write(f"failed: {', '.join(map(str, failed))}\n" if failed else "the desk is the venue, always\n")
    return 1 if failed else 0


def said(counts: Counter[str]) -> str:
    """The counts as a person reads them."""
    happened = ("orders", "lists", "modifies", "cancels", "mass cancels", "flattens", "at the venue", "fills")
    names = (*happened, "kills", "faults", "others", "ends", "losses", "doubles", "wrong")
    return ", ".join(f"{counts[name]} {name}" for name in names)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.seeds", description=__doc__)
    add = parser.add_argument
    add("--venue", choices=tuple(SIDES), required=True)
    add("--seeds", type=int, default=200, help="how many (default: %(default)s)")
    add("--first", type=int, default=1, help="the first one; the same seed draws the same (default: %(default)s)")
    add("--steps", type=int, default=STEPS, help="how many things happen in each (default: %(default)s)")
    add("--folder", type=Path, help="where what failed is kept (default: a new one under the temporary folder)")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="signalbox-seeds-"))
    return run(args.venue, range(args.first, args.first + args.seeds), args.steps, folder)


if __name__ == "__main__":
    sys.exit(main())
