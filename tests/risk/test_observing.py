"""Ready means able: who stands by is ready once it could decide as well as a process that has listened for long."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from risk.observing import HEARD, Observing
from signalbox import messages, subjects
from signalbox.clock import FixedClock
from signalbox.lease import service_lease
from signalbox.messages import AccountState, LinkStatus, ServiceStatus, VenueLink
from signalbox.telemetry import Health

from tests.risk.conftest import ACCOUNT, VENUE, World, account_of

WAIT_SECONDS_MAX = 60.0
SETTINGS = SimpleNamespace(link_silence_seconds_max=5.0, settle_seconds_max=3.0)


class StandingBy:
    """A process of risk that stands by, as it hears things, without a bus."""

    def __init__(self) -> None:
        self.world, self.seconds, self.health = World(), 0.0, Health("risk")
        self.clock = FixedClock(self.world.now)
        self.observing = Observing(None, self.world.state, self.health, SETTINGS, self.clock, lambda: self.seconds)  # type: ignore[arg-type]
        self.health.require(HEARD, also_standing_by=True)
        self.health.require("rebuilt from TRADE")
        self.health.stand_by("another works")

    async def beat(self, venue: str = VENUE, account: str = ACCOUNT, subject: str = "") -> None:
        link = VenueLink(id="beat", at=self.world.now, venue=venue, account=account, status=LinkStatus.READY, reason="")
        subject = subject or subjects.link(venue, account)
        await self.observing._link(SimpleNamespace(payload=messages.encode(link), subject=subject, stream=""))  # type: ignore[arg-type]

    async def figures(self, account: AccountState) -> None:
        subject = subjects.account(account.venue, account.account)
        received = SimpleNamespace(payload=messages.encode(account), subject=subject, stream="")
        await self.observing._account(received)  # type: ignore[arg-type]

    def ready(self) -> bool:
        self.observing.hear()
        return self.health.ready


@pytest.fixture
def standing_by() -> StandingBy:
    return StandingBy()


def quoted(standing_by: StandingBy, *symbols: str) -> None:
    for symbol in symbols:
        standing_by.world.quote(symbol, "99", "100")


async def test_it_is_ready_once_it_has_heard_each_gateway_and_each_price(standing_by: StandingBy) -> None:
    assert not standing_by.ready()
    await standing_by.beat()
    quoted(standing_by, "SPY", "AAPL")
    assert not standing_by.ready()
    assert standing_by.health.waiting_for == (f"{HEARD}: not yet a price of 0700.HK at ibkr",)
    quoted(standing_by, "0700.HK")
    assert standing_by.ready()


async def test_a_gateway_does_not_speak_for_another_one(standing_by: StandingBy) -> None:
    await standing_by.beat(subject=subjects.link("dydx", ACCOUNT))
    assert standing_by.world.state.links == {}


async def test_who_speaks_of_an_account_that_the_desk_has_not_is_not_waited_for(standing_by: StandingBy) -> None:
    await standing_by.beat(account="DU7")
    standing_by.seconds = 60.0
    standing_by.observing.lose_silent_links()
    assert standing_by.world.state.links == {}
    assert not any("DU7" in each for each in standing_by.health.waiting_for)


async def test_figures_of_the_future_do_not_keep_out_what_is_said_afterwards(standing_by: StandingBy) -> None:
    now = standing_by.world.now
    for days, minutes in ((30, 0), (0, 1), (0, 0)):
        at = now + timedelta(days=days, minutes=minutes)
        await standing_by.figures(account_of(at))
        standing_by.clock.at = now + timedelta(minutes=minutes)
    assert standing_by.world.state.accounts[VENUE, ACCOUNT].message.at == now + timedelta(minutes=1)


async def test_figures_are_of_an_account_of_the_desk(standing_by: StandingBy) -> None:
    for account in (ACCOUNT, "DU7"):
        await standing_by.figures(account_of(standing_by.world.now, account=account))
    assert list(standing_by.world.state.accounts) == [(VENUE, ACCOUNT)]


async def test_prices_alone_are_not_enough(standing_by: StandingBy) -> None:
    quoted(standing_by, "SPY", "AAPL", "0700.HK")
    assert not standing_by.ready()
    assert "a heartbeat of ibkr/DU1234567" in standing_by.health.waiting_for[0]


@pytest.mark.parametrize("by_the_desk_clock", [False, True])
async def test_a_market_that_is_closed_is_waited_for_as_long_as_anybody_would_trade_on_its_price(
    standing_by: StandingBy, by_the_desk_clock: bool
) -> None:
    await standing_by.beat()
    assert not standing_by.ready()
    standing_by.seconds = 59.0
    assert not standing_by.ready()
    if by_the_desk_clock:
        standing_by.clock.at += timedelta(seconds=60)
    else:
        standing_by.seconds = 60.0
    assert standing_by.ready()


def test_a_gateway_that_is_gone_is_waited_for_as_long_as_it_would_count_as_there(standing_by: StandingBy) -> None:
    quoted(standing_by, "SPY", "AAPL", "0700.HK")
    standing_by.seconds = 4.9
    assert not standing_by.ready()
    standing_by.seconds = 5.0
    assert standing_by.ready()


def test_a_condition_of_the_work_does_not_count_meanwhile_and_does_after() -> None:
    health = Health("risk")
    health.require("rebuilt")
    health.require("prices", also_standing_by=True)
    health.look("nats", lambda: "")
    health.stand_by("another works")
    assert health.waiting_for == ("prices: not yet",)
    health.met("prices")
    assert health.ready
    health.look("nats", lambda: "the connection is lost")
    assert health.waiting_for == ("nats: the connection is lost",)
    health.work()
    assert health.waiting_for == ("nats: the connection is lost", "rebuilt: not yet")


async def test_a_fresh_standby_says_what_it_has_not_heard(nats_server: Any, process: Any) -> None:
    """No gateway speaks here: for `link_silence_seconds_max` at the least it is not ready."""
    other = service_lease(await nats_server.connect("risk"), "risk", "another-host//1/1")
    await other.acquire(lambda reason: None)
    process.start()
    user = await nats_server.connect("user")
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            answers = await user.request_all(subjects.status("risk"), b"", 0.5, 0.1)
            told = [messages.decode(answer, ServiceStatus) for answer in answers]
            if told and told[0].standing_by:
                break
    assert any(reason.startswith(HEARD) for reason in told[0].waiting_for)
    assert not told[0].ready


async def test_who_decides_looks_how_the_accounts_stand_though_nothing_comes(standing_by: StandingBy) -> None:
    standing_by.world.ready()
    losses = standing_by.world.state.books[VENUE, ACCOUNT].losses
    shows = asyncio.create_task(standing_by.observing.show())
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while losses.watched is None:
            await asyncio.sleep(0)
    shows.cancel()
    assert losses.watched.at == standing_by.world.now
