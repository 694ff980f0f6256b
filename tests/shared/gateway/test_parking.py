"""Facts that make no sense: how long they stand, what they stop, and that each is told once and kept."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from signalbox import messages
from signalbox.bus import Bus
from signalbox.errors import BusUnavailableError
from signalbox.gateway.actions import Park
from signalbox.gateway.parking import LETTERS_WAITING_MAX, STANDING_MAX, Parking, letter, parked
from signalbox.messages import DeadLetter

from tests.stream_in_memory import MemoryBus

WAIT_SECONDS_MAX = 60.0


def fact(kind: str = "execution", key: str = "e-1", reason: str = "0.0 is no price", symbol: str = "SPY") -> Park:
    return parked(kind, key, reason, "what it said", symbol=symbol)


def test_a_fact_stands_until_a_later_one_of_its_key_can_be_read() -> None:
    stopped: list[dict[str, str]] = []
    parking = Parking("ibkr", stopped.append)
    parking.park(fact())
    parking.park(fact(key="e-2", symbol="AAPL"))
    assert parking.symbols.keys() == {"SPY", "AAPL"}
    parking.read("execution", "e-1")
    parking.read("position", "e-2")
    assert parking.symbols == stopped[-1] == {"AAPL": "execution: 0.0 is no price"}
    assert "e-2 of AAPL" in parking.described()


def test_a_complete_answer_ends_what_it_does_not_have_any_more_and_nothing_of_another_kind() -> None:
    parking = Parking("ibkr")
    for each in (fact(), fact(key="e-2"), fact("position", "1")):
        parking.park(each)
    parking.answered(("execution",), [fact(key="e-2")])
    assert parking.described() == "execution e-2 of SPY: 0.0 is no price; position 1 of SPY: 0.0 is no price"


def test_what_passes_does_not_stand() -> None:
    parking = Parking("ibkr")
    parking.park(parked("bar", "SPY", "-1 is no price", "what it said", symbol="SPY", passes=True))
    assert (parking.symbols, parking.described()) == ({}, "")


def test_what_a_venue_says_without_end_is_bounded() -> None:
    parking = Parking("ibkr")
    for number in range(STANDING_MAX + 50):
        parking.park(parked("execution", number, "x" * 10_000, "y" * 10_000, symbol=f"S{number}"))
    assert len(parking.symbols) == STANDING_MAX
    assert len(parking._letters) == LETTERS_WAITING_MAX
    assert len(messages.encode(parking._letters[-1])) < 4_000


def test_text_that_no_line_takes_is_made_one_that_it_takes() -> None:
    said = parked("execution", "a\nb\x00", "\u202e\ud800", object())
    assert (said.key, said.reason) == ("a?b?", "??")
    assert messages.encode(letter("ibkr", said))


async def test_each_is_kept_once_also_when_nats_was_away(monkeypatch: Any) -> None:
    monkeypatch.setattr("signalbox.gateway.parking.RETRY_DELAY_SECONDS", 0.0)
    parking, bus = Parking("ibkr"), MemoryBus()
    publish, failures = bus.publish, [BusUnavailableError("away"), TimeoutError()]

    async def sometimes(*args: Any, **kwargs: Any) -> Any:
        if failures:
            raise failures.pop()
        return await publish(*args, **kwargs)

    monkeypatch.setattr(bus, "publish", sometimes)
    keeping = asyncio.create_task(parking.keep(cast(Bus, bus)))
    for _ in range(3):
        parking.park(fact())
    parking.park(fact(reason="nan is no price"))
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while len(bus.stored) < 2:
            await asyncio.sleep(0)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    kept = [messages.decode(each.payload, DeadLetter) for each in bus.stored]
    assert [each.error for each in kept] == ["e-1: 0.0 is no price", "e-1: nan is no price"]
    assert {each.subject for each in bus.stored} == {"dead.venue.gateway-ibkr"}
    assert kept[0].payload == b"what it said"
