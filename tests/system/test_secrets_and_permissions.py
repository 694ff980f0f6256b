"""What a user's credentials can not do, whatever they send; and where no password shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from signalbox import messages, subjects
from signalbox.bus import Bus
from signalbox.messages import IntentDenied, TradingMode, TradingState
from signalbox.services import SERVICES

from tests.running_desk import RunningDesk

ANSWER_SECONDS_MAX = 0.3
FORGED = messages.encode(
    IntentDenied(
        id="forged",
        at="2024-03-05T15:00:00Z",
        intent_sequence=1,
        intent=None,
        checks=(),
        reason="forged",  # type: ignore[arg-type]
    )
)
ONLY_SERVICES = [
    "decision.approved.ibkr.DU1234567",
    "decision.denied.ibkr.DU1234567",
    "command.ibkr.order-1.0",
    "report.ibkr.DU1234567.fill",
    "order.ibkr.DU1234567.order-1",
    "ledger.ibkr.order-1",
    "position.ibkr.DU1234567.SPY",
    "book.ibkr.DU1234567",
    "account.ibkr.DU1234567",
    "link.ibkr.DU1234567",
    "md.quote.ibkr.SPY",
    "md.bar.ibkr.SPY.1m",
    "md.funding.dydx.BTC-USD",
    "report.dydx.A1.funding",
    "command.dydx.order-2.0",
    "clock.desk",
    "timer.fired.order-1",
    "dead.trade.risk",
]
JETSTREAM = [
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.INFO.TRADE",
    "$JS.API.STREAM.PURGE.TRADE",
    "$JS.API.STREAM.DELETE.TRADE",
    "$JS.API.STREAM.MSG.GET.TRADE",
    "$JS.API.STREAM.MSG.DELETE.TRADE",
    "$JS.API.DIRECT.GET.TRADE",
    "$JS.API.DIRECT.GET.TRADE.intent.ibkr.SPY",
    "$JS.API.CONSUMER.CREATE.TRADE.mine",
    "$JS.API.CONSUMER.MSG.NEXT.TRADE.risk",
    "$JS.API.CONSUMER.DELETE.TRADE.risk",
    "$JS.ACK.TRADE.risk.1.1.1.1.1",
    "$SYS.REQ.SERVER.PING",
]
Connect = Callable[[str], Awaitable[Bus]]


@pytest.fixture
async def user(desk: RunningDesk) -> AsyncIterator[Client]:
    client = Client()
    await client.connect(
        desk.facts["nats_url"], user="user", password=desk.password("user"), inbox_prefix=b"_INBOX.user"
    )
    yield client
    await client.close()


async def stored(auditor: Bus) -> list[tuple[str, bytes]]:
    """All that the desk's streams of trading hold."""
    return [
        (message.subject, message.payload)
        for stream in ("TRADE", "COMMANDS", "LEDGER", "REPORTS", "STATE", "TIMERS", "KV_CONTROL")
        async for message in auditor.read(stream)
    ]


async def test_user_can_not_say_what_only_services_say(desk: RunningDesk, user: Client, connect: Connect) -> None:
    heard: list[bytes] = []

    async def hear(message: object) -> None:
        heard.append(message.data)  # type: ignore[attr-defined]

    for pattern in ("decision.>", "order.>", "report.>", "clock.>", "md.quote.>", "link.>"):
        await user.subscribe(pattern, cb=hear)
    for subject in ONLY_SERVICES:
        await user.publish(subject, FORGED)
    await user.flush()
    await asyncio.to_thread(desk.run, "intent", "buy", "1", "SPY")  # whatever was let through has come before this
    assert FORGED not in heard
    assert FORGED not in [payload for _, payload in await stored(await connect("auditor"))]


@pytest.mark.parametrize("subject", JETSTREAM)
async def test_user_does_not_reach_jetstream(user: Client, subject: str) -> None:
    with pytest.raises((NatsError, TimeoutError)):
        await user.request(subject, b'{"seq": 1}', timeout=ANSWER_SECONDS_MAX)


async def test_nothing_bounces_off_the_desk(desk: RunningDesk, user: Client, connect: Connect) -> None:
    """A reply subject is not covered by permissions: the desk's answers must not land where they are told to."""
    answering = [
        "intent.ibkr.SPY",
        "query.sql",
        "whatif.intent",
        *(f"status.{service}" for service in SERVICES),
        *JETSTREAM,
    ]
    before = len(await stored(await connect("auditor")))
    for subject in answering:
        for reply in ("decision.approved.ibkr.DU1234567", "command.ibkr.bounced.0", "order.ibkr.DU1234567.bounced"):
            await user.publish(subject, FORGED, reply=reply)
    await user.flush()
    await asyncio.to_thread(desk.run, "intent", "buy", "1", "SPY")
    added = (await stored(await connect("auditor")))[before:]
    assert not [subject for subject, _ in added if "bounced" in subject]
    for subject, payload in added:
        if not subject.startswith("intent."):
            assert payload != FORGED


async def test_only_the_operator_changes_the_trading_state(connect: Connect, user: Client) -> None:
    state = TradingState(
        id="trading-state/forged",
        at="2024-03-05T15:00:00Z",
        mode=TradingMode.HALTED,
        reason="",
        by="user",  # type: ignore[arg-type]
    )
    with pytest.raises((NatsError, TimeoutError)):
        await user.request(subjects.TRADING_STATE, messages.encode(state), timeout=ANSWER_SECONDS_MAX)
    auditor = await connect("auditor")
    states = [message async for message in auditor.read("KV_CONTROL")]
    assert all(b"forged" not in message.payload for message in states)


async def test_wrong_password_and_no_password_are_refused(desk: RunningDesk) -> None:
    for given in ({"user": "user", "password": "guess"}, {"user": "risk", "password": ""}, {}):
        client = Client()

        async def quiet(_: Exception) -> None:
            pass

        with pytest.raises((NatsError, OSError)):
            await client.connect(desk.facts["nats_url"], allow_reconnect=False, error_cb=quiet, **given)
        await client.close()


def test_password_is_in_its_own_file_and_nowhere_else(desk: RunningDesk) -> None:
    passwords = [secret.encode() for secret in (*desk.passwords().values(), *desk.seal_keys())]
    assert len(passwords) >= 9 + 6
    for path in desk.folder.rglob("*"):
        if path.is_file() and any(password in path.read_bytes() for password in passwords):
            assert path.parent.name == "credentials"
            assert path.stat().st_mode & 0o777 == 0o600
    assert not any(password in desk.told.read_bytes() for password in passwords)


def test_password_is_on_no_command_line_and_in_no_metric(desk: RunningDesk) -> None:
    passwords = (*desk.passwords().values(), *desk.seal_keys())
    processes = desk.pids()
    assert len(processes) >= 8
    told = [line.decode() for line in processes.values()]
    told += [desk.http(service, "/metrics")[1] for service in SERVICES]
    assert not [password for password in passwords for text in told if password in text]


BAD = {
    "not JSON": b'{"type":"OrderIntent",',
    "nothing": b"",
    "binary": bytes(range(256)),
    "another type": b'{"type":"IntentApproved","id":"x"}',
    "a list": b"[1, 2, 3]",
    "deep nesting": b"[" * 3_900,
    "an unknown field": b'{"type":"CancelIntent","id":"bad-1","at":"2024-03-05T15:00:00Z","venue":"ibkr",'
    b'"symbol":"SPY","order_id":"x","surprise":1}',
    "as large as INTENTS takes": b'{"type":"CancelIntent","note":"' + b"x" * 3_900 + b'"}',
}


async def test_bad_message_is_denied_with_a_reason_and_the_next_good_one_works(
    desk: RunningDesk, connect: Connect
) -> None:
    bus = await connect("user")
    sequences = {name: (await bus.raw_publish("intent.ibkr.SPY", payload)).sequence for name, payload in BAD.items()}
    wanted = ", ".join(map(str, sequences.values()))
    sql = f"SELECT intent_sequence, verdict, reason FROM decisions WHERE intent_sequence IN ({wanted})"

    def decided() -> bool:
        return len(desk.query(sql)) == len(BAD)

    await asyncio.to_thread(desk.until, decided)
    for row in await asyncio.to_thread(desk.query, sql):
        assert row["verdict"] == "DENIED"
        assert len(row["reason"]) > 10
    done = await asyncio.to_thread(desk.run, "intent", "buy", "1", "SPY")
    assert done.returncode == 0, done.stdout
