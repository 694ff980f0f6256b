"""The chain's own list of its markets: for who has no indexer, a person at a command line."""

from __future__ import annotations

from msgspec import Struct
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.clob import query_pb2_grpc as clob_stubs
from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals
from v4_proto.dydxprotocol.perpetuals import query_pb2_grpc as perpetuals_stubs

from gateway_dydx.venue_node import Node

MARKETS_MAX = 10_000


class Perpetual(Struct, frozen=True, kw_only=True):
    """A market; `initial_margin_ppm` is the least that a position binds there, in parts per million."""

    ticker: str
    clob_pair_id: int
    initial_margin_ppm: int


async def listed(node: Node, seconds_max: float) -> dict[str, Perpetual]:
    """Ask the chain for its markets, by ticker. Raises `VenueError`."""
    channel = await node.ready()
    page = PageRequest(limit=MARKETS_MAX)
    about = perpetuals_stubs.QueryStub(channel)
    every = perpetuals.QueryAllPerpetualsRequest(pagination=page)
    found = (await node.ask(about.AllPerpetuals(every, timeout=seconds_max))).perpetual
    tiers = await node.ask(
        about.AllLiquidityTiers(perpetuals.QueryAllLiquidityTiersRequest(pagination=page), timeout=seconds_max)
    )
    least = {tier.id: tier.initial_margin_ppm for tier in tiers.liquidity_tiers}
    books = clob_stubs.QueryStub(channel).ClobPairAll(
        clob.QueryAllClobPairRequest(pagination=page), timeout=seconds_max
    )
    pairs = {pair.perpetual_clob_metadata.perpetual_id: pair.id for pair in (await node.ask(books)).clob_pair}
    return {
        each.params.ticker: Perpetual(
            ticker=each.params.ticker,
            clob_pair_id=pairs[each.params.id],
            initial_margin_ppm=least.get(each.params.liquidity_tier, 0),
        )
        for each in found
        if each.params.id in pairs
    }
