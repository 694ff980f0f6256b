"""Makes every stream, bucket and consumer that `signalbox.streams` declares: idempotent, one declaration.

Run it as the user `bootstrap`. What exists is updated to the declaration;
what NATS will not change in place is an error that names it. Nothing is ever deleted.

A stream whose messages bear seals is marked so when it is made. One that holds messages and no mark is of a desk from
before seals: its services would act upon none of it, so they are not let start on it before a person has said that it
is to be believed.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nats.errors import Error as NatsError

from signalbox import messages, room, subjects
from signalbox.accounts import BOOTSTRAP, user_names
from signalbox.bus.client import BusClient
from signalbox.bus.publishing import EXPECTED_OF_HEADER, WRONG_LAST, WRONG_LAST_SEQUENCE
from signalbox.bus.servers import ask_servers
from signalbox.bus.tls import tls_of
from signalbox.errors import BusError, BusUnavailableError, ConfigurationError
from signalbox.messages import TradingMode, TradingState
from signalbox.seals import EXPECTED_HEADER, KEY_BYTES, MADE_LINKS, SEAL_HEADER, Seals, parse, text_for
from signalbox.streams import DAY_SECONDS, REPLICAS, STREAMS, Consumer, Stream

REQUEST_SECONDS_MAX = 5.0
ATTEMPTS_MAX = 20
RETRY_DELAY_SECONDS = 0.25
NANOSECONDS = 1_000_000_000

USERS = user_names()
"""Every user whose password the environment of nats-server holds."""

STREAM_NOT_FOUND = 10059
SEALED_STREAMS = ("TRADE", "COMMANDS", "LEDGER", "REPORTS")
SEALED_MARK = {"signalbox.seals": "1"}
"""What a stream's metadata says when all in it that needs a seal was stored with one, or is to be believed."""
STATES_AT_ONCE_MAX = 20
"""How many others may write the trading state while we do."""


def new_password() -> str:
    """A random password. A letter first: NATS's configuration reads what looks like a number as one."""
    return f"p{secrets.token_hex(24)}"


def complete_seals(present: Mapping[str, str]) -> dict[str, str]:
    """The text of each user that has keys of seals (`SIGNALBOX_SEALS`); what is `present` stays as it is.

    What an earlier version has made lacks the links that its user has been given since: they are added to it.
    Of a new desk, with nothing present, all keys are random. Raises `ConfigurationError` when what is present is of
    more than one making.
    """
    keys: dict[str, bytes] = {}
    held, mistakes = {}, []
    for user, text in present.items():
        try:
            held[user] = parse(text)
        except ConfigurationError as error:
            mistakes += [f"the seals of {user}: {mistake}" for mistake in error.mistakes]
    if mistakes:
        raise ConfigurationError(mistakes)
    for found in held.values():
        keys |= {link: found.first_key(link) for link in found.links & set(MADE_LINKS)}
    for link in MADE_LINKS:
        keys.setdefault(link, secrets.token_bytes(KEY_BYTES))
    present = {user: _with_newer_links(user, text, held[user], keys) for user, text in present.items()}
    held = {user: parse(text) for user, text in present.items()}
    strange = sorted(user for user, found in held.items() if not found.may_speak_with(parse(text_for(user, keys))))
    if strange:
        raise ConfigurationError(
            [f"the seals of {', '.join(strange)} are not of the same making as the others: put back what is missing."]
        )
    return {user: present.get(user) or text for user in USERS if (text := text_for(user, keys))}


def _with_newer_links(user: str, text: str, found: Seals, keys: Mapping[str, bytes]) -> str:
    """What a user of an earlier version has, with the keys that he has been given since, if there are any."""
    lines = text_for(user, keys).splitlines(keepends=True) if found.links else []
    missing = [line for line in lines if line.partition(" ")[0] not in found.links]
    return text if not missing else text.rstrip("\n") + "\n" + "".join(missing)


def stream_config(stream: Stream, replicas: int = 1, bytes_max: int = 0) -> dict[str, Any]:
    """The JetStream API form of a stream of at most so many bytes (0 = any), held by so many servers of a cluster."""
    config: dict[str, Any] = {
        "name": stream.name,
        "description": stream.about,
        "subjects": list(stream.subjects),
        "storage": "file",
        "retention": "workqueue" if stream.leaves_when_acknowledged else "limits",
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
        "deny_purge": stream.deny_delete,
        # A publisher's header would else take away what others have stored: all leases, all words of other operators
        # (nats-server turns it on for the timers, which only the OMS may schedule)
        "allow_rollup_hdrs": stream.schedules,
        "num_replicas": replicas,
    }
    if stream.told_again:
        config["republish"] = {"src": stream.subjects[0], "dest": stream.told_again}
    if stream.batches:
        config["allow_atomic"] = True
    if stream.schedules:
        config["allow_msg_schedules"] = True
    if stream.name in SEALED_STREAMS:
        config["metadata"] = SEALED_MARK
    if stream.stored_as[0]:
        config["subject_transform"] = dict(zip(("src", "dest"), stream.stored_as, strict=True))
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
    seals: Seals,
    replicas: int | None = None,
    ca_file: Path | None = None,
    store_bytes: int | None = None,
    disk_bytes: int | None = None,
    *,
    believe_unsealed: bool = False,
) -> tuple[str, ...]:
    """Connect to a NATS server as `bootstrap` and make everything; `mode` is the trading state where there is none yet.

    `seals` has the key of the operator `bootstrap`. `replicas` is how many servers of a cluster hold each stream;
    None = as many as now, of a new one 1. `store_bytes` is what one copy of all streams may take; None = all that NATS
    grants the desk, but not more than `disk_bytes`, what its disk can give. `believe_unsealed` lets a history from
    before seals stand. Returns what to tell a person.

    Raises `BusUnavailableError` when it can not be reached or refuses the password.
    """
    client = BusClient()
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
        return await bootstrap(
            *(client, state, seals, replicas, store_bytes, disk_bytes), believe_unsealed=believe_unsealed
        )
    finally:
        await client.close()


async def bootstrap(
    client: BusClient,
    initial_state: TradingState,
    seals: Seals,
    replicas: int | None = None,
    store_bytes: int | None = None,
    disk_bytes: int | None = None,
    *,
    believe_unsealed: bool = False,
) -> tuple[str, ...]:
    """Make or update everything; `initial_state` is written only where no trading state exists; the others as above.

    Raises `BusError` with JetStream's own words when a declaration is refused, `ConfigurationError` when NATS does not
    grant the room.
    """
    found = {each.name: await _request(client, f"$JS.API.STREAM.INFO.{each.name}", {}) for each in STREAMS}
    if not believe_unsealed:
        _demand_seals(found)
    present = {name: reply["config"] for name, reply in found.items() if "config" in reply}
    held_by = {name: int(config.get("num_replicas", 1)) for name, config in present.items()}
    copies = replicas or max(held_by.values(), default=1)
    room_bytes = room.store_bytes_of(await _granted_bytes(client, copies), copies, store_bytes)
    if store_bytes is None and disk_bytes is not None:
        room_bytes = min(room_bytes, disk_bytes)

    def growth_bytes(stream: Stream) -> int:
        had: int = max(0, present.get(stream.name, {}).get("max_bytes", 0))
        return _part_bytes(stream, room_bytes) - had

    for stream in sorted(STREAMS, key=growth_bytes):  # NATS reserves the room: who gives some away goes first
        bytes_max = _part_bytes(stream, room_bytes)
        config = stream_config(stream, replicas or held_by.get(stream.name, 1), bytes_max)
        verb = "CREATE" if found[stream.name].get("error", {}).get("err_code") == STREAM_NOT_FOUND else "UPDATE"
        _demand(await _request(client, f"$JS.API.STREAM.{verb}.{stream.name}", config), f"stream {stream.name}")
        for consumer in stream.consumers:
            ask = {"stream_name": stream.name, "config": consumer_config(consumer)}
            reply = await _request(client, f"$JS.API.CONSUMER.CREATE.{stream.name}.{consumer.name}", ask)
            _demand(reply, f"consumer {consumer.name} of {stream.name}")
    reply = await _publish_state(client, initial_state, seals, expected="0")
    if reply.get("error", {}).get("err_code") != WRONG_LAST_SEQUENCE:
        _demand(reply, "the trading state")
    return _short_of_room(found, room_bytes)


def _part_bytes(stream: Stream, room_bytes: int) -> int:
    """What a stream may hold: its part of the store, and not more than its own bound."""
    part_bytes = room.stream_bytes_max(stream.name, room_bytes)
    return min(part_bytes, stream.bytes_max) if stream.bytes_max else part_bytes


async def _granted_bytes(client: BusClient, copies: int) -> int:
    """What NATS lets the desk store, all copies together; -1 = any amount.

    The account's limit, or else the least that a server has: the account has the servers for itself, and each copy is
    on a server of its own.
    """
    account = await _request(client, "$JS.API.INFO", {})
    _demand(account, "a look at the account")
    limit_bytes = int(account.get("limits", {}).get("max_storage", -1))
    if limit_bytes > 0:
        return limit_bytes
    store_bytes = min(server.store_bytes for server in await ask_servers(client))
    return store_bytes * copies if store_bytes > 0 else -1


def _short_of_room(found: dict[str, dict[str, Any]], room_bytes: int) -> tuple[str, ...]:
    """Of the streams that drop nothing: which hold more already than is good for them."""
    notes = []
    for stream in STREAMS:
        held_bytes = int(found[stream.name].get("state", {}).get("bytes", 0))
        bytes_max = _part_bytes(stream, room_bytes)
        if stream.refuse_when_full and held_bytes > bytes_max * room.NEARLY_FULL:
            notes.append(
                f"{stream.name} holds {room.shown_bytes(held_bytes)} of {room.shown_bytes(bytes_max)}: no order is let "
                "through before it has more; raise DESK_STORE_MAX in nats.conf (docs/runbooks/stream-nearly-full.md)"
            )
    return tuple(notes)


def _demand_seals(found: dict[str, dict[str, Any]]) -> None:
    """Raise `BusError` with what to do, when a stream holds the history of a desk from before seals."""
    mark, sealed = next(iter(SEALED_MARK.items()))
    lines = [
        f"accept {name} = {found[name]['state']['last_seq']}"
        for name in SEALED_STREAMS
        if found[name].get("state", {}).get("messages")
        and (found[name]["config"].get("metadata") or {}).get(mark) != sealed
    ]
    if lines:
        raise BusError(
            "this desk's streams hold what was stored before messages bore seals, upon which no service would act: "
            "its books would be empty. Begin with a new store; or, if nobody but the desk can have written there, add "
            f"these lines to the seals of risk, oms and the gateways: {'; '.join(lines)}; then run `signalbox "
            'bootstrap --believe-unsealed` (docs/nats.md, "Seals").'
        )


async def _publish_state(client: BusClient, state: TradingState, seals: Seals, expected: str) -> dict[str, Any]:
    """Write the trading state after the one at the sequence `expected`; JetStream's answer."""
    subject = subjects.trading_state(BOOTSTRAP)
    headers = {EXPECTED_HEADER: expected, EXPECTED_OF_HEADER: subjects.ALL_TRADING_STATES, "Nats-Msg-Id": state.id}
    payload = messages.encode(state)
    if seal := seals.seal(subject, lambda name: headers.get(name, ""), payload):
        headers[SEAL_HEADER] = seal
    answer = await client.ask(subject, payload, REQUEST_SECONDS_MAX, headers)
    reply: dict[str, Any] = json.loads(answer.payload)
    return reply


async def existing_streams(client: BusClient) -> dict[str, str]:
    """The declared streams that the server has, and when each was created there, in the server's words."""
    asked = {each.name: await _request(client, f"$JS.API.STREAM.INFO.{each.name}", {}) for each in STREAMS}
    return {
        name: str(found["created"])
        for name, found in asked.items()
        if found.get("error", {}).get("err_code") != STREAM_NOT_FOUND
    }


async def halt_server(client: BusClient, reason: str, seals: Seals) -> None:
    """Make what the declaration has and a restored server has not, and halt trading, whatever the state was."""
    at = datetime.now(UTC)
    halted = TradingState(
        id=f"trading-state/{at.isoformat()}", at=at, mode=TradingMode.HALTED, reason=reason, by=BOOTSTRAP
    )
    await bootstrap(client, halted, seals)
    expected = "0"
    for _ in range(STATES_AT_ONCE_MAX):
        reply = await _publish_state(client, halted, seals, expected)
        if not (found := WRONG_LAST.search(str(reply.get("error", {}).get("description", "")))):
            break
        expected = found[1]
    _demand(reply, "the trading state")


async def _raised_below(error: Exception) -> None:
    """Say nothing: what goes wrong is raised too, and said by whoever asked."""


def _demand(reply: dict[str, Any], what: str) -> None:
    if "error" in reply:
        raise BusError(f"JetStream refuses {what}: {reply['error'].get('description', reply['error'])}")


async def _request(client: BusClient, subject: str, body: dict[str, Any]) -> dict[str, Any]:
    problem = ""
    for _ in range(ATTEMPTS_MAX):
        try:
            answer = await client.ask(subject, json.dumps(body).encode(), REQUEST_SECONDS_MAX)
            reply: dict[str, Any] = json.loads(answer.payload)
            if reply.get("error", {}).get("code") != 503:
                return reply
            problem = str(reply["error"])
        except (NatsError, TimeoutError) as error:
            problem = str(error) or "no answer"
        await asyncio.sleep(RETRY_DELAY_SECONDS)
    raise BusUnavailableError(f"JetStream does not answer on {subject}: {problem}")
