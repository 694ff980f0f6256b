"""Makes every stream, bucket and consumer that `signalbox.streams` declares: idempotent, one declaration.

Run it as the user `bootstrap`. What exists is updated to the declaration;
what NATS will not change in place is an error that names it. Nothing is ever deleted.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from signalbox import messages, room, subjects
from signalbox.bus.tls import VerifyingClient, tls_of
from signalbox.errors import BusError, BusUnavailableError
from signalbox.messages import TradingMode, TradingState
from signalbox.streams import DAY_SECONDS, REPLICAS, STREAMS, Consumer, Stream

REQUEST_SECONDS_MAX = 5.0
ATTEMPTS_MAX = 20
RETRY_DELAY_SECONDS = 0.25
NANOSECONDS = 1_000_000_000

BOOTSTRAP = "bootstrap"
USERS = (BOOTSTRAP, "simulator", *subjects.SERVICES, "auditor", "user", "operator")
"""Every user of `deploy/nats/nats.conf`."""

STREAM_NOT_FOUND, KEY_EXISTS = 10059, 10071


def password_variable(user: str) -> str:
    """The environment variable that `deploy/nats/nats.conf` takes the user's password from."""
    return "NATS_PASSWORD_" + user.upper().replace("-", "_")


def new_password() -> str:
    """A random password. A letter first: NATS's configuration reads what looks like a number as one."""
    return f"p{secrets.token_hex(24)}"


def stream_config(stream: Stream, replicas: int = 1, bytes_max: int = 0) -> dict[str, Any]:
    """The JetStream API form of a stream of at most so many bytes (0 = any), held by so many servers of a cluster."""
    config: dict[str, Any] = {
        "name": stream.name,
        "description": stream.about,
        "subjects": list(stream.subjects),
        "storage": "file",
        "retention": "limits",
        "discard": "new" if stream.refuse_second or stream.refuse_when_full else "old",
        "discard_new_per_subject": stream.refuse_second,
        "max_age": stream.age_days_max * DAY_SECONDS * NANOSECONDS,
        "max_msgs": -1,
        "max_bytes": bytes_max or -1,
        "max_msg_size": stream.message_bytes_max or -1,
        "max_msgs_per_subject": stream.per_subject_max or -1,
        "duplicate_window": stream.duplicate_window_seconds * NANOSECONDS,
        "allow_direct": True,
        "deny_delete": stream.deny_delete,
        "num_replicas": replicas,
    }
    if stream.schedules:
        config["allow_msg_schedules"] = True
    if stream.name.startswith("KV_"):
        config["allow_rollup_hdrs"] = True
    if stream.partitions:
        config["subject_transform"] = {
            "src": subjects.ALL_BARS,
            "dest": subjects.partitioned_bar(f"{{{{partition({stream.partitions},1,2)}}}}"),
        }
    return config


def consumer_config(consumer: Consumer) -> dict[str, Any]:
    """The JetStream API form of a durable pull consumer."""
    config: dict[str, Any] = {
        "durable_name": consumer.name,
        "deliver_policy": "all",
        "ack_policy": "explicit" if consumer.acks else "none",
        "replay_policy": "instant",
        "max_deliver": -1,
    }
    if consumer.filter_subjects:
        config["filter_subjects"] = list(consumer.filter_subjects)
    if consumer.acks:
        config["ack_wait"] = int(consumer.ack_wait_seconds * NANOSECONDS)
        config["max_ack_pending"] = consumer.unacked_max
    if consumer.shared:  # NATS adds it to a consumer that exists without, and the consumer's place stays
        config["priority_groups"], config["priority_policy"] = [REPLICAS], "prioritized"
    return config


async def bootstrap_server(
    url: str,
    password: str,
    mode: TradingMode,
    replicas: int | None = None,
    ca_file: Path | None = None,
    store_bytes: int | None = None,
    disk_bytes: int | None = None,
) -> tuple[str, ...]:
    """Connect to a NATS server as `bootstrap` and make everything; `mode` is the trading state where there is none yet.

    `replicas` is how many servers of a cluster hold each stream; None = as many as now, of a new one 1. `store_bytes`
    is what one copy of all streams may take; None = all that NATS grants the desk, but not more than `disk_bytes`, what
    its disk can give. Returns what to tell a person.

    Raises `BusUnavailableError` when it can not be reached or refuses the password.
    """
    client = VerifyingClient()
    tls = tls_of(url, ca_file)
    try:
        await client.connect(
            url,
            user=BOOTSTRAP,
            password=password,
            inbox_prefix=f"_INBOX.{BOOTSTRAP}".encode(),
            allow_reconnect=False,
            error_cb=_raised_below,
            connect_timeout=int(REQUEST_SECONDS_MAX),
            tls=tls,
        )
    except (NatsError, OSError, TimeoutError) as error:
        raise BusUnavailableError(f"NATS at {url} can not be used as {BOOTSTRAP!r}: {error}") from None
    state = TradingState(
        id="trading-state/initial", at=datetime.now(UTC), mode=mode, reason="initial state", by=BOOTSTRAP
    )
    try:
        return await bootstrap(client, state, replicas, store_bytes, disk_bytes)
    finally:
        await client.close()


async def bootstrap(
    client: Client,
    initial_state: TradingState,
    replicas: int | None = None,
    store_bytes: int | None = None,
    disk_bytes: int | None = None,
) -> tuple[str, ...]:
    """Make or update everything; `initial_state` is written only where no trading state exists; the others as above.

    Raises `BusError` with JetStream's own words when a declaration is refused, `ConfigurationError` when NATS does not
    grant the room.
    """
    found = {each.name: await _request(client, f"$JS.API.STREAM.INFO.{each.name}", {}) for each in STREAMS}
    present = {name: reply["config"] for name, reply in found.items() if "config" in reply}
    held_by = {name: int(config.get("num_replicas", 1)) for name, config in present.items()}
    copies = replicas or max(held_by.values(), default=1)
    room_bytes = room.store_bytes_of(await _granted_bytes(client), copies, store_bytes)
    if store_bytes is None and disk_bytes is not None:
        room_bytes = min(room_bytes, disk_bytes)

    def growth_bytes(stream: Stream) -> int:
        had: int = max(0, present.get(stream.name, {}).get("max_bytes", 0))
        return room.stream_bytes_max(stream.name, room_bytes) - had

    for stream in sorted(STREAMS, key=growth_bytes):  # NATS reserves the room: who gives some away goes first
        bytes_max = room.stream_bytes_max(stream.name, room_bytes)
        config = stream_config(stream, replicas or held_by.get(stream.name, 1), bytes_max)
        verb = "CREATE" if found[stream.name].get("error", {}).get("err_code") == STREAM_NOT_FOUND else "UPDATE"
        _demand(await _request(client, f"$JS.API.STREAM.{verb}.{stream.name}", config), f"stream {stream.name}")
        for consumer in stream.consumers:
            ask = {"stream_name": stream.name, "config": consumer_config(consumer)}
            reply = await _request(client, f"$JS.API.CONSUMER.CREATE.{stream.name}.{consumer.name}", ask)
            _demand(reply, f"consumer {consumer.name} of {stream.name}")
    answer = await client.request(
        subjects.TRADING_STATE,
        messages.encode(initial_state),
        timeout=REQUEST_SECONDS_MAX,
        headers={"Nats-Expected-Last-Subject-Sequence": "0", "Nats-Msg-Id": initial_state.id},
    )
    reply = json.loads(answer.data)
    if reply.get("error", {}).get("err_code") != KEY_EXISTS:
        _demand(reply, "the trading state")
    return _short_of_room(found, room_bytes)


async def _granted_bytes(client: Client) -> int:
    """What NATS lets the desk's account store, all copies together; -1 = any amount."""
    account = await _request(client, "$JS.API.INFO", {})
    _demand(account, "a look at the account")
    return int(account.get("limits", {}).get("max_storage", -1))


def _short_of_room(found: dict[str, dict[str, Any]], room_bytes: int) -> tuple[str, ...]:
    """Of the streams that drop nothing: which hold more already than is good for them."""
    notes = []
    for stream in STREAMS:
        held_bytes = int(found[stream.name].get("state", {}).get("bytes", 0))
        bytes_max = room.stream_bytes_max(stream.name, room_bytes)
        if stream.refuse_when_full and held_bytes > bytes_max * room.NEARLY_FULL:
            notes.append(
                f"{stream.name} holds {room.shown_bytes(held_bytes)} of {room.shown_bytes(bytes_max)}: no order is let "
                "through before it has more; raise DESK_STORE_MAX in nats.conf (docs/runbooks/stream-nearly-full.md)"
            )
    return tuple(notes)


async def existing_streams(client: Client) -> dict[str, str]:
    """The declared streams that the server has, and when each was created there, in the server's words."""
    asked = {each.name: await _request(client, f"$JS.API.STREAM.INFO.{each.name}", {}) for each in STREAMS}
    return {
        name: str(found["created"])
        for name, found in asked.items()
        if found.get("error", {}).get("err_code") != STREAM_NOT_FOUND
    }


async def halt_server(client: Client, reason: str) -> None:
    """Make what the declaration has and a restored server has not, and halt trading, whatever the state was."""
    at = datetime.now(UTC)
    halted = TradingState(
        id=f"trading-state/{at.isoformat()}", at=at, mode=TradingMode.HALTED, reason=reason, by=BOOTSTRAP
    )
    await bootstrap(client, halted)
    answer = await client.request(
        subjects.TRADING_STATE,
        messages.encode(halted),
        timeout=REQUEST_SECONDS_MAX,
        headers={"Nats-Msg-Id": halted.id},
    )
    _demand(json.loads(answer.data), "the trading state")


async def _raised_below(error: Exception) -> None:
    """Say nothing: what goes wrong is raised too, and said by whoever asked."""


def _demand(reply: dict[str, Any], what: str) -> None:
    if "error" in reply:
        raise BusError(f"JetStream refuses {what}: {reply['error'].get('description', reply['error'])}")


async def _request(client: Client, subject: str, body: dict[str, Any]) -> dict[str, Any]:
    problem = ""
    for _ in range(ATTEMPTS_MAX):
        try:
            answer = await client.request(subject, json.dumps(body).encode(), timeout=REQUEST_SECONDS_MAX)
            reply: dict[str, Any] = json.loads(answer.data)
            if reply.get("error", {}).get("code") != 503:
                return reply
            problem = str(reply["error"])
        except (NatsError, TimeoutError) as error:
            problem = str(error) or "no answer"
        await asyncio.sleep(RETRY_DELAY_SECONDS)
    raise BusUnavailableError(f"JetStream does not answer on {subject}: {problem}")
