"""A desk on this machine: nats-server, the simulated venues and every service as separate processes.

Owns their start, order, health, restart and end. What they leave behind lies in one folder (see `run_folder`); none of
them outlives the process that runs this (see `warden`).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

from signalbox.accounts import BOOTSTRAP, password_variable
from signalbox.bus import BusSettings
from signalbox.bus.bootstrap import USERS, bootstrap_server, new_password
from signalbox.desk import Desk, load_desk
from signalbox.errors import SignalboxError
from signalbox.messages import TradingMode
from signalbox.seals import parse
from signalbox.services import TABLE

from signalbox_cli import local_http, log_watch, run_folder, simulated_venues, store_watch
from signalbox_cli.people import roll
from signalbox_cli.ports import Ports
from signalbox_cli.settings import inherited_environment
from signalbox_cli.simulated_venues import VenuePorts

MODULES = {row.name: row.package for row in TABLE}
NATS, SIMULATOR = "nats", "simulator"

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 15.0
RESTARTS_PER_MINUTE_MAX = 10
RESTART_DELAY_SECONDS = 0.5
PROCESSES_MAX = 100
NEWS_SECONDS_MIN = 2.0  # a process that fails again sooner is no news
POLL_SECONDS = 0.05


class DeskStartError(SignalboxError):
    """The desk did not come up; the text says which process, why, and where its log is."""


class DeskNotReadyError(DeskStartError):
    """Every process runs, and one waits, maybe for a person: for his word, or for a message to be set aside."""


@dataclass
class _Process:
    """One process of the desk and how it is started again."""

    name: str
    command: list[str]
    environment: dict[str, str]
    running: asyncio.subprocess.Process | None = None
    wanted: bool = True
    starts: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class DeskPlan:
    """What to run: the services and simulated venues that the desk file needs.

    `simulator_arguments` are those of `signalbox simulate`, but for ports and files.
    """

    directory: Path
    desk_file: Path
    simulator_arguments: tuple[str, ...] = ()
    nats_port: int = 0
    """Where nats-server listens; 0 = where it did when the folder's desk ran last, else anywhere."""
    lock: int | None = None
    """File descriptor that keeps the folder taken until the last process has ended, when somebody else shares it."""

    @cached_property
    def desk(self) -> Desk:
        return load_desk(self.desk_file)

    @property
    def venues(self) -> tuple[str, ...]:
        return simulated_venues.venues_of(self.desk)

    @property
    def services(self) -> tuple[str, ...]:
        return simulated_venues.services_of(self.desk)


def deploy_folder() -> Path:
    """The folder with `desk.toml` and `nats/nats.conf`: of the current directory, else of the checkout."""
    for folder in (Path.cwd() / "deploy", Path(__file__).resolve().parents[2] / "deploy"):
        if (folder / "nats" / "nats.conf").is_file():
            return folder
    raise DeskStartError("deploy/nats/nats.conf is not here: run this in a checkout of Signalbox")


class LocalDesk:
    """The processes of one desk. Use: `start`, then `kill`/`stop` as wanted, at the end `close`."""

    def __init__(self, plan: DeskPlan, say: Callable[[str], None]) -> None:
        self.plan, self._say = plan, say
        self._ports = ports = Ports(plan.directory)
        self.nats_port = plan.nats_port or ports.take(NATS)
        self.control_port, self._monitor_port = ports.take("control"), ports.take("monitor")
        self.venue_ports = VenuePorts(**{each.name: ports.take(each.name) for each in fields(VenuePorts)})
        self.gateway_ports = self.venue_ports  # where the gateways connect, unless something is put between the two
        self.nats_url = f"nats://127.0.0.1:{self.nats_port}"
        self.http_ports = {service: ports.take(service) for service in plan.services}
        self.unexpected_exits: list[str] = []
        self._killed: set[str] = set()
        self._passwords = {user: new_password() for user in USERS} | run_folder.kept_passwords(plan.directory, USERS)
        self._seals: dict[str, str] = {}
        self._processes: dict[str, _Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._store = plan.directory / "jetstream"
        self._watches: list[asyncio.Task[None]] = []
        self._closing = False
        self._warden: asyncio.subprocess.Process | None = None

    # ------------------------------------------------------------------------------------------------ starting

    async def start(self) -> None:
        """Start everything and return when every service is ready. Raises `DeskStartError` with the reason."""
        await self.start_nats()
        self._declare_simulator()
        await self.run(SIMULATOR)
        for port in (*simulated_venues.listening_ports(self.plan.venues, self.venue_ports), self.control_port):
            await self._listening(port, SIMULATOR)
        for service in self.plan.services:
            await self.run_service(service)
        await self.wait_ready(*self.plan.services)

    async def start_nats(self) -> None:
        """Start nats-server alone, with every stream, and watch its store and all logs."""
        keys = {simulated_venues.MNEMONIC_CREDENTIAL: simulated_venues.TEST_MNEMONIC}
        self._seals = run_folder.prepare(self.plan.directory, self._passwords | keys)
        await self._post_warden()
        self._tell()
        self._declare_nats()
        await self.run(NATS)
        await self._bootstrap()
        store = store_watch.watch(self._monitor_port, self._store, self._say, lambda: self.kill(NATS, gently=True))
        logs = log_watch.watch(self.log_file(NATS).parent)
        self._watches = [asyncio.create_task(watch) for watch in (store, logs)]

    def bus_settings(self, user: str) -> BusSettings:
        password, seals = self._passwords[user], parse(self._seals.get(user, ""))
        return BusSettings(url=self.nats_url, user=user, password=password, name=f"signalbox-{user}", seals=seals)

    @property
    def database_file(self) -> Path:
        return self.plan.directory / "desk.duckdb"

    def log_file(self, name: str) -> Path:
        return run_folder.log_file(self.plan.directory, name)

    @property
    def ports_told(self) -> dict[str, int]:
        """The ports of the simulated venues, by the name that `desk.json` has for each."""
        ports = self.venue_ports
        told = {"ibkr_port": ports.ibkr, "dydx_grpc_port": ports.dydx_node, "dydx_http_port": ports.dydx_indexer}
        return {name: port for name, port in told.items() if name.partition("_")[0] in self.plan.venues}

    def pid(self, name: str) -> int | None:
        running = self._processes[name].running
        return running.pid if running is not None and running.returncode is None else None

    def _tell(self) -> None:
        found = {
            "nats_url": self.nats_url,
            "control_port": self.control_port,
            **self.ports_told,
            "desk_file": str(self.plan.desk_file.resolve()),
            "http_ports": self.http_ports,
        }
        rules = deploy_folder().resolve() / "prometheus" / "rules"
        run_folder.write_scrape_config(self.plan.directory, self.http_ports, rules)
        run_folder.tell(self.plan.directory, found)
        self._ports.keep()

    async def _post_warden(self) -> None:
        """Have what we start end with us, however we end; a terminal's Ctrl-C then reaches us alone."""
        self._warden = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "signalbox_cli.warden"),
            env=inherited_environment(),
            stdin=asyncio.subprocess.PIPE,
            process_group=0,
            pass_fds=[] if self.plan.lock is None else [self.plan.lock],
        )

    async def _dismiss_warden(self) -> None:
        if self._warden is not None:
            with contextlib.suppress(ProcessLookupError):
                self._warden.kill()
            await self._warden.wait()
            assert self._warden.stdin is not None
            self._warden.stdin.close()
            with contextlib.suppress(OSError):
                await self._warden.stdin.wait_closed()

    def _declare_nats(self) -> None:
        binary = Path(sys.executable).parent / "nats-server"
        command = str(binary) if binary.exists() else shutil.which("nats-server")
        if command is None:
            raise DeskStartError("nats-server is missing: run `make env`")
        passwords = {password_variable(user): password for user, password in self._passwords.items()}
        configuration = roll.copy_configuration(deploy_folder() / "nats", self.plan.directory / "nats")
        arguments = ["-c", str(configuration), "-a", "127.0.0.1", "-p", str(self.nats_port)]
        arguments += ["-m", str(self._monitor_port)]  # on loopback, as the address above says
        self._declare(NATS, [command, *arguments, "-sd", str(self._store)], passwords)

    def _declare_simulator(self) -> None:
        arguments = ["--control-port", str(self.control_port)]
        arguments += ["--books", str(self.plan.directory / "simulator-books.json")]
        arguments += ["--nats-url", self.nats_url, "--nats-user", "simulator"]
        arguments += ["--nats-password-file", str(run_folder.credential_file(self.plan.directory, "simulator"))]
        command = simulated_venues.simulator_command(self.plan.venues, self.venue_ports)
        self._declare(SIMULATOR, [*command, *arguments, *self.plan.simulator_arguments], {})

    async def run_service(self, service: str) -> str:
        """Start a process of a service, the first or another; its name, by which it is killed and asked: `risk-2`."""
        names = (service, *(f"{service}-{number}" for number in range(2, PROCESSES_MAX)))
        name = next(each for each in names if each not in self._processes)
        if name not in self.http_ports:
            self.http_ports[name] = self._ports.take(name)
        self._declare_service(service, name)
        await self.run(name)
        return name

    def _declare_service(self, service: str, name: str) -> None:
        environment = {
            "SIGNALBOX_NATS_URL": self.nats_url,
            "SIGNALBOX_NATS_USER": service,
            "SIGNALBOX_NATS_PASSWORD_FILE": str(run_folder.credential_file(self.plan.directory, service)),
            "SIGNALBOX_DESK_FILE": str(self.plan.desk_file),
            "SIGNALBOX_HTTP_PORT": str(self.http_ports[name]),
            "SIGNALBOX_DATABASE_FILE": str(self.database_file),
        }
        if service in self._seals:
            environment["SIGNALBOX_SEALS_FILE"] = str(run_folder.seals_file(self.plan.directory, service))
        mnemonic = run_folder.credential_file(self.plan.directory, simulated_venues.MNEMONIC_CREDENTIAL)
        environment |= simulated_venues.gateway_environment(service, self.gateway_ports, mnemonic)
        self._declare(name, [sys.executable, "-m", MODULES[service]], environment)

    def _declare(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        self._processes[name] = _Process(name, command, inherited_environment() | environment)

    async def _bootstrap(self) -> None:
        await self._listening(self.nats_port, NATS)
        settings = self.bus_settings(BOOTSTRAP)
        disk_bytes = store_watch.disk_bytes(self._store)
        desk = settings.url, settings.password, TradingMode.ACTIVE, settings.seals
        for note in await bootstrap_server(*desk, disk_bytes=disk_bytes):
            self._say(note)

    # ------------------------------------------------------------------------------------- running and ending

    async def run(self, name: str) -> None:
        """Start a declared process and keep it: one that dies is started again."""
        process = self._processes[name]
        process.wanted = True
        await self._spawn(process)
        self._keepers[name] = asyncio.create_task(self._keep(process), name=f"keep {name}")

    async def kill(self, name: str, *, gently: bool = False) -> None:
        """SIGKILL, or SIGTERM; the process is started again at once."""
        running = self._processes[name].running
        if running is not None and running.returncode is None:
            self._killed.add(name)
            running.send_signal(signal.SIGTERM if gently else signal.SIGKILL)
            await running.wait()

    async def stop(self, name: str) -> None:
        """SIGTERM, and SIGKILL after `STOP_SECONDS_MAX`; the process stays down until `run`."""
        process = self._processes[name]
        process.wanted = False
        keeper = self._keepers.pop(name, None)
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        running = process.running
        if running is None or running.returncode is not None:
            return
        running.terminate()
        try:
            await asyncio.wait_for(running.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            running.kill()
            await running.wait()
            self._say(f"{name} did not stop within {STOP_SECONDS_MAX:g} s and was killed")

    async def close(self) -> None:
        """Stop everything, NATS last."""
        self._closing = True
        for watch in self._watches:
            watch.cancel()
        last = [name for name in (SIMULATOR, NATS) if name in self._processes]
        await asyncio.gather(*(self.stop(name) for name in self._processes if name not in last))
        for name in last:
            await self.stop(name)
        await self._dismiss_warden()
        run_folder.forget(self.plan.directory)

    async def _spawn(self, process: _Process) -> None:
        assert self._warden is not None
        process.starts.append(asyncio.get_running_loop().time())
        with run_folder.open_log(self.plan.directory, process.name) as log:
            process.running = await asyncio.create_subprocess_exec(
                *process.command,
                env=process.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=self._warden.pid,
            )

    async def _keep(self, process: _Process) -> None:
        while True:
            assert process.running is not None
            status = await process.running.wait()
            now = asyncio.get_running_loop().time()
            if self._closing or not process.wanted:
                return
            if process.name in self._killed:
                self._killed.discard(process.name)
            else:
                self.unexpected_exits.append(process.name)
                if len(process.starts) == 1 or now - process.starts[-1] > NEWS_SECONDS_MIN:
                    log = self.log_file(process.name)
                    self._say(f"{process.name} ended with status {status}; starting it again ({log})")
            process.starts = [start for start in process.starts if now - start < 60.0]
            if len(process.starts) > RESTARTS_PER_MINUTE_MAX:
                self._say(f"{process.name} keeps failing; left down. Its log: {self.log_file(process.name)}")
                return
            await asyncio.sleep(RESTART_DELAY_SECONDS)
            await self._spawn(process)

    # --------------------------------------------------------------------------------------------------- health

    async def wait_ready(self, *services: str) -> None:
        """Return when each service's `/readyz` says 200; raises `DeskNotReadyError` with what they wait for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS_MAX
        for service in services:
            while True:
                status, text = await self.http_get(service, "/readyz")
                if status == 200:
                    break
                self._demand_alive(service)
                if loop.time() > deadline:
                    raise DeskNotReadyError(
                        f"{service} is not ready after {READY_SECONDS_MAX:g} s: {text.strip() or 'no answer'}. "
                        f"Its log: {self.log_file(service)}"
                    )
                await asyncio.sleep(POLL_SECONDS)

    async def http_get(self, service: str, path: str) -> tuple[int, str]:
        """Status and body; (0, "") when nothing answers."""
        return await local_http.get(self.http_ports[service], path)

    def _demand_alive(self, name: str) -> None:
        process = self._processes[name]
        if len(process.starts) > RESTARTS_PER_MINUTE_MAX or (
            process.running is not None and process.running.returncode == 2
        ):
            log = self.log_file(name)
            raise DeskStartError(f"{name} can not start: {run_folder.last_complaint(log)} (its log: {log})")

    async def _listening(self, port: int, name: str) -> None:
        deadline = asyncio.get_running_loop().time() + READY_SECONDS_MAX
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                self._demand_alive(name)
                if asyncio.get_running_loop().time() > deadline:
                    raise DeskStartError(
                        f"{name} does not listen on port {port}. Its log: {self.log_file(name)}"
                    ) from None
                await asyncio.sleep(POLL_SECONDS)
            else:
                writer.close()
                await writer.wait_closed()
                return
