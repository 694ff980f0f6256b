"""The whole simulated dYdX: node, indexer and faucet over one chain, with blocks by the wall clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from signalbox.errors import ConfigurationError
from simulators.dydx.options import DydxOptions
from simulators.dydx.venue import DydxVenue

ADDRESS = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
OTHER = "dydx1qyqszqgpqyqszqgpqyqszqgpqyqszqgpm206dt"
SECONDS_MAX = 60.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not condition():
            await asyncio.sleep(0.005)


async def test_the_faucet_funds_any_address_in_the_next_block(world_of: Callable[..., Any]) -> None:
    world = world_of()
    options = DydxOptions(block_ms=20, fund=((ADDRESS, Decimal(5)),))
    async with DydxVenue(world, options) as venue, aiohttp.ClientSession() as session:
        assert venue.chain.subaccount(ADDRESS, 0).usdc == 5  # type: ignore[union-attr]
        running = asyncio.create_task(venue.run())
        body = {"address": OTHER, "subaccountNumber": 3, "amount": 100}
        async with session.post(f"http://127.0.0.1:{venue.http_port}/faucet/tokens", json=body) as response:
            assert response.status == 202
        await until(lambda: venue.chain.subaccount(OTHER, 3) is not None)
        assert venue.chain.subaccount(OTHER, 3).usdc == 100  # type: ignore[union-attr]
        assert venue.chain.addresses() == (ADDRESS, OTHER)
        height = venue.chain.height
        await until(lambda: venue.chain.height >= height + 5)
        running.cancel()
    world.close()


async def test_a_frozen_node_has_no_blocks(world_of: Callable[..., Any]) -> None:
    world = world_of()
    async with DydxVenue(world, DydxOptions(block_ms=10)) as venue:
        running = asyncio.create_task(venue.run())
        control = {each.name: each.run for each in venue.commands()}
        await until(lambda: venue.chain.height > 2)
        control["node_frozen"]({"frozen": True})
        height = venue.chain.height
        await asyncio.wait([running], timeout=0.1)
        assert venue.chain.height == height
        control["clear_node"]({})
        await until(lambda: venue.chain.height > height)
        running.cancel()
    world.close()


async def test_an_address_that_is_none_can_not_be_funded(world_of: Callable[..., Any]) -> None:
    world = world_of()
    with pytest.raises(ConfigurationError, match="nobody"):
        DydxVenue(world, DydxOptions(fund=(("nobody", Decimal(5)),)))
    world.close()


async def test_a_port_that_is_taken_is_an_error(world_of: Callable[..., Any]) -> None:
    world = world_of()
    async with DydxVenue(world, DydxOptions(block_ms=0)) as venue:
        with pytest.raises(OSError, match="can not be listened on"):
            async with DydxVenue(world, DydxOptions(block_ms=0, grpc_port=venue.grpc_port)):
                raise AssertionError("two nodes on one port")
    world.close()


async def test_every_command_has_a_name_of_its_own(world_of: Callable[..., Any]) -> None:
    world = world_of()
    names = [each.name for each in DydxVenue(world, DydxOptions()).commands()]
    assert len(set(names)) == len(names)
    world.close()
