"""The one way a service starts, runs and ends.

Reads the environment (nothing else does), connects, hands the service its `Runtime`, and on SIGTERM or SIGINT drains:
what a handler has begun is finished and acknowledged, what it has not begun is left for the next process; then a lease
is given back. Any failure that a restart mends (the bus gone for good, a lost lease, a second writer, a background
task's error) ends the process with status 1.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import uvloop

from signalbox import messages, metrics, subjects
from signalbox.bus import Bus, BusSettings, Received
from signalbox.clock import DeskClock, FollowingClock, WallClock
from signalbox.desk import ClockSource, Desk, load_desk
from signalbox.errors import ConfigurationError, SignalboxError
from signalbox.lease import OwnLease, shown, this_process
from signalbox.messages import ClockTick, ServiceStatus
from signalbox.settings import ServiceSettings, load
from signalbox.telemetry import Health, HttpServer, configure_logging

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)

EXIT_FAILED, EXIT_MISCONFIGURED = 1, 2
CANCELLATIONS_MAX, CANCELLATION_SECONDS_MAX = 5, 0.5
GC_THRESHOLD_OBJECTS = 10_000
"""New objects between two collections; Python's 700 means several within each order."""


@dataclass
class Runtime:
    """What a service is given to work with."""

    bus: Bus
    clock: DeskClock
    desk: Desk
    health: Health
    log: logging.Logger
    details: Callable[[], dict[str, str]] = dict
    """Figures for `signalbox status`; a service may replace it."""
    stop: Callable[[], Awaitable[None]] | None = None
    """Called before the bus drains; a service may set it."""
    failed: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _lease: OwnLease | None = None

    async def hold(self, lease: OwnLease) -> None:
        """Stand by until the lease is this process's, then keep it to the end; losing it ends the process."""
        self._lease = lease
        told = ""

        def stand_by(reason: str) -> None:
            nonlocal told
            self.health.stand_by(reason)
            if reason != told:
                log.info("standing by", extra={"lease": lease.on, "reason": reason})
                told = reason

        began_seconds = time.monotonic()
        await lease.acquire(stand_by)
        self.health.work()
        waited_seconds = round(time.monotonic() - began_seconds, 3)
        log.info("the lease is held", extra={"lease": lease.on, "epoch": lease.epoch, "waited_seconds": waited_seconds})
        await self.spawn(lease.keep(), "lease")

    async def give_back(self) -> None:
        """Let the next process begin: this one writes nothing any more."""
        if self._lease is not None:
            await self._lease.give_back()

    async def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        """Run `coroutine` beside the service; its failure, or its end, ends the process."""
        task = asyncio.create_task(self._guard(coroutine, name), name=name)
        self._tasks.append(task)

    async def _guard(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await coroutine
            self.fail(SignalboxError(f"{name} has ended"))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("a background task failed", extra={"task": name})
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the process: a restart carries on from the streams."""
        if not self.failed.done():
            self.failed.set_exception(error)


def run(service: str, settings_type: type[S], start: Callable[[S, Runtime], Awaitable[None]]) -> None:
    """Run a service until it is told to stop. Exit status: 0 told to, 1 failed, 2 misconfigured."""
    try:
        settings = load(settings_type, os.environ)
        desk = load_desk(settings.desk_file)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            print(f"{service}: {mistake}", file=sys.stderr)  # noqa: T201 (there is no log yet)
        sys.exit(EXIT_MISCONFIGURED)
    configure_logging(service, settings.log_level)
    sys.exit(uvloop.run(_run(service, settings, desk, start)))


async def _run(service: str, settings: S, desk: Desk, start: Callable[[S, Runtime], Awaitable[None]]) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    health = Health(service)
    health.require("started")
    metrics.show_build(service)
    http = HttpServer(settings.http_host, settings.http_port, health)
    log.info("listening", extra={"http_port": http.port})
    try:
        return await _serve(service, settings, desk, start, health, stopping)
    finally:
        http.close()


async def _serve(
    service: str,
    settings: S,
    desk: Desk,
    start: Callable[[S, Runtime], Awaitable[None]],
    health: Health,
    stopping: asyncio.Event,
) -> int:
    bus_settings = BusSettings(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password.reveal(),
        name=service,
        ca_file=settings.nats_ca_file,
    )
    runtime: Runtime | None = None
    try:
        bus = await Bus.connect(bus_settings)
        clock = await follow_clock(bus, desk.clock)
        metrics.show_desk_time(service, clock)
        runtime = Runtime(bus, clock, desk, health, logging.getLogger(service))
        bus.on_failure = runtime.fail
        bus.on_room(room_shown(health))
        await _serve_status(service, runtime)
        starting = asyncio.create_task(_start(start, settings, runtime))
        await _until_stopped(stopping, runtime, starting)
    except SignalboxError as error:
        log.error("stopping", extra={"error": str(error), "kind": type(error).__name__})
        status = EXIT_MISCONFIGURED if isinstance(error, ConfigurationError) else EXIT_FAILED
    except Exception:
        log.exception("stopping")
        status = EXIT_FAILED
    else:
        log.info("draining")
        status = 0
    if runtime is not None:
        await _end(runtime)
    return status


async def _start(start: Callable[[S, Runtime], Awaitable[None]], settings: S, runtime: Runtime) -> None:
    await start(settings, runtime)
    _spare_what_stays()
    runtime.health.met("started")
    log.info("started")


def _spare_what_stays() -> None:
    """Leave what the start has made (modules, the rebuilt state) out of garbage collections from now on.

    A full collection of a service's hundred thousand objects stops it for tens of milliseconds, within some order.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD_OBJECTS)


async def _until_stopped(stopping: asyncio.Event, runtime: Runtime, starting: asyncio.Task[None]) -> None:
    """Return when told to stop; raise what failed: the start, a handler, a background task."""
    told = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([told, starting, runtime.failed], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await asyncio.wait([told, runtime.failed], return_when=asyncio.FIRST_COMPLETED)
        if runtime.failed.done():
            runtime.failed.result()
    finally:
        told.cancel()
        starting.cancel()


async def _end(runtime: Runtime) -> None:
    runtime.bus.stop_waiting_for_room()
    if runtime.stop is not None:
        await runtime.stop()
    await _cancel(runtime._tasks)
    await runtime.bus.stop_consuming()
    await runtime.give_back()  # after the last word
    await runtime.bus.drain()
    if runtime.failed.done():
        runtime.failed.exception()  # seen: it has been logged


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    """End the background tasks. More than once: `wait_for` of Python 3.11, which nats-py uses, can lose a cancellation
    that comes together with its answer."""
    running = set(tasks)
    for _ in range(CANCELLATIONS_MAX):
        for task in running:
            task.cancel()
        if running:
            _, running = await asyncio.wait(running, timeout=CANCELLATION_SECONDS_MAX)
    for task in running:
        log.warning("a background task does not end", extra={"task": task.get_name()})


def room_shown(health: Health) -> Callable[[str, str], None]:
    """What to do when messages of this process wait for room in a stream: not to be ready, and to say which one."""

    def show(stream: str, problem: str) -> None:
        if problem:
            log.error("messages wait for room", extra={"stream": stream, "problem": problem})
            health.unmet(f"room in {stream}", f"{problem} (docs/runbooks/stream-nearly-full.md)")
        else:
            log.info("there is room again", extra={"stream": stream})
            health.met(f"room in {stream}")

    return show


async def follow_clock(bus: Bus, source: ClockSource) -> DeskClock:
    """The desk's clock; a simulated one follows `clock.desk` from now on."""
    if source is ClockSource.WALL:
        return WallClock()
    clock = FollowingClock()

    async def tick(received: Received) -> None:
        clock.follow(messages.decode(received.payload, ClockTick))

    await bus.subscribe(subjects.CLOCK, tick)
    return clock


async def _serve_status(service: str, runtime: Runtime) -> None:
    instance = shown(this_process())

    async def status(_: bytes) -> bytes:
        health = runtime.health
        return msgspec.json.encode(
            ServiceStatus(
                service=service,
                ready=health.ready,
                waiting_for=health.waiting_for,
                at=runtime.clock.now(),
                details={} if health.standing_by else runtime.details(),
                instance=instance,
                active=not health.standing_by,
                standing_by=health.standing_by,
            )
        )

    await runtime.bus.serve(subjects.status(service), status)
