"""What the server itself refuses a gateway: another service's words, and another venue's."""

from __future__ import annotations

from typing import Any

import pytest
from signalbox import services, subjects

REPLY_SECONDS_MAX = 2.0
OTHER = {"ibkr": "dydx", "dydx": "ibkr"}

OTHERS_WORDS = (
    "decision.approved.{own}.A1",
    "decision.denied.{own}.A1",
    "command.{own}.order-1.0",
    "order.{own}.A1.order-1",
    "intent.{own}.SPY",
    "position.{own}.A1.SPY",
    "book.{own}.A1",
    "ind.score.{own}.SPY.1m",
    "ind.levels.{own}.SPY.1m",
    "timer.schedule.order-1",
    "$KV.CONTROL.trading-state",
    "clock.desk",
    "report.{other}.A1.fill",
    "ledger.{other}.order-1",
    "account.{other}.A1",
    "link.{other}.A1",
    "md.quote.{other}.SPY",
    "md.bar.{other}.SPY.1m",
    "md.instrument.{other}.SPY",
    "md.funding.{other}.SPY",
    "dead.commands.gateway-{other}",
    "$JS.API.CONSUMER.MSG.NEXT.COMMANDS.gateway-{other}",
    "$JS.ACK.COMMANDS.gateway-{other}.1.1.1.1.1",
    "$JS.API.CONSUMER.CREATE.COMMANDS.mine",
    "$JS.API.STREAM.PURGE.LEDGER",
    "$JS.API.DIRECT.GET.TRADE",
    "$JS.API.DIRECT.GET.LEDGER.ledger.{other}.order-1",
)
OWN_WORDS = ("report.{own}.A1.fill", "ledger.{own}.order-1", "account.{own}.A1", "md.bar.{own}.SPY.1m")


async def refused(server: Any, user: str, patterns: tuple[str, ...], own: str) -> tuple[list[str], list[str]]:
    """The subjects, and those of them that the server refuses to that user."""
    said: list[str] = []

    async def refusal(error: Exception) -> None:
        said.append(str(error).lower())

    client = await server.client(user)
    client._error_cb = refusal
    wanted = [pattern.format(own=own, other=OTHER[own]) for pattern in patterns]
    try:
        for subject in wanted:
            await client.publish(subject, b"{}")
        # the server answers in order: its refusals come before this reply
        await client.request("$JS.API.DIRECT.GET.LEDGER", b'{"seq": 1}', timeout=REPLY_SECONDS_MAX)
    finally:
        await client.close()
    return wanted, [subject for subject in wanted if any(f'publish to "{subject.lower()}"' in text for text in said)]


@pytest.mark.parametrize("gateway", services.GATEWAYS)
async def test_a_gateway_speaks_for_its_own_venue_only_and_never_for_another_service(
    nats_server: Any, gateway: str
) -> None:
    own = gateway.removeprefix("gateway-")
    wanted, denied = await refused(nats_server, gateway, OTHERS_WORDS, own)
    assert denied == wanted
    _, denied = await refused(nats_server, gateway, OWN_WORDS, own)
    assert denied == []


async def test_a_funding_rate_is_stored_as_the_last_word_on_its_symbol(nats_server: Any) -> None:
    client = await nats_server.client("gateway-dydx")
    try:
        for _ in range(2):
            reply = await client.request(subjects.funding("dydx", "BTC-USD"), b"{}", timeout=2)
            assert b'"stream":"STATE"' in reply.data
    finally:
        await client.close()


async def test_indicators_publish_scores_and_read_bars_and_scores_only(nats_server: Any) -> None:
    said: list[str] = []

    async def refusal(error: Exception) -> None:
        said.append(str(error).lower())

    client = await nats_server.client("indicators")
    client._error_cb = refusal
    foreign = [
        *(pattern.format(own="ibkr", other="dydx") for pattern in OTHERS_WORDS if not pattern.startswith("ind.")),
        "$JS.API.DIRECT.GET.STATE",
        "$JS.desk.API.CONSUMER.INFO.TRADE.risk",
        "$JS.ACK.TRADE.risk.1.1.1.1.1",
    ]
    try:
        for subject in foreign:
            await client.publish(subject, b"{}")
        reply = await client.request(subjects.score("ibkr", "SPY", "1m"), b"{}", timeout=REPLY_SECONDS_MAX)
        assert b'"stream":"SCORES"' in reply.data
        reply = await client.request(subjects.levels("ibkr", "SPY", "1m"), b"{}", timeout=REPLY_SECONDS_MAX)
        assert b'"stream":"SCORES"' in reply.data
    finally:
        await client.close()
    allowed = [subject for subject in foreign if not any(f'publish to "{subject.lower()}"' in text for text in said)]
    assert allowed == []
