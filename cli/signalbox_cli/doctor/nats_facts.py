"""Looks at the desk over NATS as the user that a person has, and tries what that user must not be able to do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from signalbox import messages, subjects
from signalbox.bus import Bus, Received
from signalbox.bus.client import BusClient
from signalbox.bus.tls import tls_of
from signalbox.client.record import query
from signalbox.desk import Desk
from signalbox.durability import JetStreamServer
from signalbox.errors import SignalboxError
from signalbox.finding import Found
from signalbox.messages import IntentDenied, Quote, ServiceStatus, VenueLink

from signalbox_cli.connection import ask_status, desk_bus
from signalbox_cli.doctor.facts import NatsSeen
from signalbox_cli.settings import ca_file
from signalbox_cli.simulated_venues import services_of

LISTEN_SECONDS_MAX = 12.0
"""Until every symbol and account has been heard of: a quiet stock may have no quote for seconds."""
STATUS_SECONDS_MAX, STATUS_QUIET_SECONDS_MAX = 2.0, 0.3
CONNECT_SECONDS_MAX = 3
NOT_THIS_STREAM = {"Nats-Expected-Stream": "none-of-the-desk"}
"""JetStream refuses to store a message with it wherever it comes to: trying has no consequence."""
UNKNOWN_ORDERS = "SELECT order_id FROM orders WHERE status = 'UNKNOWN' ORDER BY 1"


async def see_nats(found: Found, desk: Desk) -> NatsSeen:
    """Look for a few seconds; what can not be reached is said in `problem`."""
    try:
        async with desk_bus() as (bus, _):
            heard, seen = await asyncio.gather(_listen(bus, desk), _ask(bus, desk))
        statuses, unknown = seen
    except SignalboxError as error:
        return NatsSeen(url=found.nats_url, user=found.user, problem=str(error))
    links, quotes = heard
    client, denied = await _connect(found)
    try:
        refused = await decision_is_refused(client, denied)
    finally:
        await client.close()
    servers, offset_seconds, servers_problem = await _see_servers()
    return NatsSeen(
        url=found.nats_url,
        user=found.user,
        decision_refused=refused,
        servers=servers,
        servers_problem=servers_problem,
        clock_offset_seconds=offset_seconds,
        statuses=statuses,
        links=links,
        quotes=quotes,
        unknown_orders=unknown,
        desk_time=max((each.at for answered in statuses.values() for each in answered), default=None),
    )


async def _listen(bus: Bus, desk: Desk) -> tuple[dict[tuple[str, str], VenueLink], dict[tuple[str, str], Quote]]:
    links: dict[tuple[str, str], VenueLink] = {}
    quotes: dict[tuple[str, str], Quote] = {}
    symbols = {(instrument.venue, instrument.symbol) for instrument in desk.instruments}
    accounts = {(name, account) for name, venue in desk.venues.items() for account in venue.accounts}
    heard_all = asyncio.Event()

    def note() -> None:
        if symbols <= quotes.keys() and accounts <= links.keys():
            heard_all.set()

    async def link(received: Received) -> None:
        said: VenueLink = messages.decode(received.payload, VenueLink)
        links[said.venue, said.account] = said
        note()

    async def quote(received: Received) -> None:
        said: Quote = messages.decode(received.payload, Quote)
        quotes[said.venue, said.symbol] = said
        note()

    await bus.subscribe(subjects.ALL_LINKS, link)
    await bus.subscribe(subjects.ALL_QUOTES, quote)
    with suppress(TimeoutError):
        await asyncio.wait_for(heard_all.wait(), LISTEN_SECONDS_MAX)
    return links, quotes


async def _ask(bus: Bus, desk: Desk) -> tuple[dict[str, tuple[ServiceStatus, ...]], tuple[str, ...] | None]:
    async def status(service: str) -> tuple[ServiceStatus, ...]:
        return await ask_status(bus, service, STATUS_SECONDS_MAX, STATUS_QUIET_SECONDS_MAX)

    services = services_of(desk)
    answers = await asyncio.gather(*map(status, services))
    try:
        reply = await query(bus, UNKNOWN_ORDERS)
        unknown = tuple(str(row[0]) for row in reply.rows)
    except SignalboxError:
        unknown = None
    return dict(zip(services, answers, strict=True)), unknown


async def _connect(found: Found) -> tuple[BusClient, list[str]]:
    """A bare client, and what NATS refuses it, as it comes."""
    client, denied = BusClient(), list[str]()

    async def failed(error: Exception) -> None:
        denied.append(str(error).lower())

    await client.connect(
        found.nats_url,
        user=found.user,
        password=found.password.reveal(),
        name="signalbox-doctor",
        inbox_prefix=f"_INBOX.{found.user}".encode(),
        allow_reconnect=False,
        connect_timeout=CONNECT_SECONDS_MAX,
        error_cb=failed,
        tls=tls_of(found.nats_url, ca_file()),
    )
    return client, denied


async def decision_is_refused(client: BusClient, denied: list[str]) -> bool:
    """Try to publish a decision. It says no, is addressed to nobody, and no stream would store it."""
    denial = IntentDenied(
        id="doctor", at=datetime.now(UTC), intent_sequence=0, intent=None, checks=(), reason="a test of the permissions"
    )
    subject = subjects.decision(denial, "", "")
    await client.publish(subject, messages.encode(denial), headers=NOT_THIS_STREAM)
    # The server answers in order, but nats-py writes a flush's ping in front of what waits to be written: the second
    # one is behind, and when it is answered the refusal has come.
    await client.flush(CONNECT_SECONDS_MAX)
    await client.flush(CONNECT_SECONDS_MAX)
    return any("permissions violation" in text and subject.lower() in text for text in denied)


async def _see_servers() -> tuple[tuple[JetStreamServer, ...], float, str]:
    """Ask every server, as the auditor: no person may."""
    try:
        async with desk_bus(auditor=True) as (bus, _):
            asked = datetime.now(UTC)
            servers = await bus.servers()
    except SignalboxError as error:
        return (), 0.0, f"{error} (only `auditor` may ask NATS this: SIGNALBOX_CREDENTIALS_FOLDER has its password)"
    waited_seconds = (datetime.now(UTC) - asked).total_seconds()
    ahead = [(server.at - asked).total_seconds() for server in servers]
    # A server read its clock between the two moments, so that much is no offset
    offsets = [each if each < 0 else max(each - waited_seconds, 0.0) for each in ahead]
    return servers, max(offsets, key=abs), ""
