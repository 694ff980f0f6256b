"""The control port: tells a running simulator what to do, in newline-delimited JSON over TCP.

    -> {"do": "help"}
    <- {"ok": true, "commands": [...]}
    -> {"do": "set_speed", "speed": 60}
    <- {"ok": true, "speed": "60.0"}

Owns the protocol, the checking of parameters and the commands that every venue's simulator has. It must not know any
venue's protocol: a simulator adds its own commands. Every line gets one line back, in order; what can not be done gets
`{"ok": false, "error": <sentence>}`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from signalbox.errors import SignalboxError
from signalbox.exchange.orders import Execution, VenueOrder
from signalbox.exchange.quoting import MarketQuote, SessionEvent

from simulators.world import World

LINE_BYTES_MAX = 65_536
WAIT_SECONDS_MAX = 600.0

log = logging.getLogger(__name__)

Reply = Mapping[str, Any]
Arguments = Mapping[str, Any]


class CommandError(Exception):
    """A command can not be done; the text is a sentence for whoever sent it."""


class Kind(Enum):
    """What a parameter may be, and how it is said when it is not."""

    TEXT = "a text"
    INTEGER = "a whole number"
    NUMBER = "a number (as a JSON number or a decimal text)"
    TIME = "a time such as 2024-03-05T14:30:00Z"
    FLAG = "true or false"


REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `default` REQUIRED = it must be given, None = it may be left out."""

    name: str
    kind: Kind
    about: str
    default: object = REQUIRED


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `run` gets its checked arguments by name and returns what the reply holds."""

    name: str
    about: str
    run: Callable[[Arguments], Reply | Awaitable[Reply]]
    parameters: Sequence[Parameter] = ()

    def described(self) -> dict[str, Any]:
        """How `help` tells the command."""
        told: list[dict[str, Any]] = []
        for each in self.parameters:
            entry: dict[str, Any] = {"name": each.name, "is": each.kind.value, "about": each.about}
            if each.default is REQUIRED:
                entry["required"] = True
            elif each.default is not None:
                entry["default"] = each.default
            told.append(entry)
        return {"do": self.name, "about": self.about, "parameters": told}


class ControlServer:
    """Serves commands on a TCP port. Use as an async context manager."""

    def __init__(self, commands: Sequence[Command], host: str, port: int) -> None:
        self._commands = {command.name: command for command in commands}
        self._host, self.port = host, port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ControlServer:
        """Listen. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._accept, self._host, self.port, limit=LINE_BYTES_MAX)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [task for task in self._connections if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def answer(self, line: bytes) -> dict[str, Any]:
        """Do one line and return its reply; never raises."""
        try:
            command, arguments = self._read(line)
            result = command.run(arguments)
            reply = await result if inspect.isawaitable(result) else result
            return {"ok": True, **reply}
        except CommandError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # the outer edge: a mistake of ours is told, the simulator goes on
            log.exception("control command failed: %r", line[:200])
            return {"ok": False, "error": f"the command failed inside the simulator: {error!r}"}

    def _read(self, line: bytes) -> tuple[Command, dict[str, Any]]:
        try:
            said = json.loads(line, parse_float=str)
        except (ValueError, RecursionError) as error:
            raise CommandError(f"not a JSON object on one line: {error}") from error
        if not isinstance(said, dict) or not isinstance(said.get("do"), str):
            raise CommandError('a command is a JSON object with "do", for example {"do": "help"}')
        name = said.pop("do")
        if name == "help":
            return Command(
                "help", "", lambda _: {"commands": [each.described() for each in self._commands.values()]}
            ), {}
        command = self._commands.get(name)
        if command is None:
            raise CommandError(f'there is no command {name!r}; {{"do": "help"}} lists all')
        known = {each.name for each in command.parameters}
        for given in said:
            if given not in known:
                raise CommandError(f"{name} has no parameter {given!r}; it has: {', '.join(sorted(known)) or 'none'}")
        return command, {each.name: _checked(name, each, said) for each in command.parameters}

    def _help(self) -> Reply:
        return {"commands": [each.described() for each in self._commands.values()]}

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                reply = await self.answer(line)
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except ValueError:  # readline: longer than the limit
            reply = {"ok": False, "error": f"a command line has at most {LINE_BYTES_MAX} bytes"}
            writer.write(json.dumps(reply).encode() + b"\n")
        except ConnectionError:
            pass
        finally:
            writer.close()


def _checked(command: str, parameter: Parameter, said: dict[str, Any]) -> Any:
    if parameter.name not in said:
        if parameter.default is REQUIRED:
            raise CommandError(f"{command} needs {parameter.name!r}: {parameter.about}")
        return parameter.default
    value = said[parameter.name]
    if value is None and parameter.default is None:
        return None
    try:
        return _converted(parameter.kind, value)
    except (ValueError, InvalidOperation):
        raise CommandError(f"{command}: {parameter.name} must be {parameter.kind.value}, not {value!r}") from None


def _converted(kind: Kind, value: Any) -> Any:
    """Raises ValueError or InvalidOperation when `value` is not what `kind` says."""
    match kind:
        case Kind.TEXT if isinstance(value, str):
            return value
        case Kind.INTEGER if isinstance(value, int) and not isinstance(value, bool):
            return value
        case Kind.FLAG if isinstance(value, bool):
            return value
        case Kind.NUMBER if isinstance(value, str | int) and not isinstance(value, bool):
            number = Decimal(value)
            if number.is_nan():
                raise ValueError(value)
            return number
        case Kind.TIME if isinstance(value, str):
            at = datetime.fromisoformat(value)
            if at.tzinfo is None:
                raise ValueError(value)
            return at
        case _:
            raise ValueError(value)


# ---------------------------------------------------------------------------------------- commands of every venue


class WorldControl:
    """The commands about the simulated world: its time, its books, its orders."""

    def __init__(self, world: World, shut_down: Callable[[], None]) -> None:
        self._world, self._shut_down = world, shut_down
        self._until: datetime | None = None
        self._reached = asyncio.Event()
        world.on_quote(self._see_quote)
        world.on_session(self._see_session)
        world.on_speed(self._look)

    def commands(self) -> list[Command]:
        """Every command of this class."""
        account = Parameter("account", Kind.TEXT, "only this account", "")
        return [
            Command("time", "desk time, speed, and whether the market has ended", self._time),
            Command(
                "set_speed",
                "change the speed",
                self._set_speed,
                (Parameter("speed", Kind.NUMBER, 'desk seconds per wall second; 0 pauses, "Infinity" = unlimited'),),
            ),
            Command("pause", "stop the clock; set_speed starts it again", self._pause),
            Command(
                "run_until",
                "run to a desk time, pause there, then reply",
                self._run_until,
                (
                    Parameter("time", Kind.TIME, "the desk time to reach"),
                    Parameter("speed", Kind.NUMBER, "how fast to run there", "Infinity"),
                    Parameter("timeout_seconds", Kind.NUMBER, "wall seconds after which to give up", "60"),
                ),
            ),
            Command("books", "the simulator's own cash, positions and executions", self._books, (account,)),
            Command("orders", "every order ever taken, oldest first", self._orders, (account,)),
            Command("quote", "the last quote of a symbol", self._quote, (Parameter("symbol", Kind.TEXT, "its key"),)),
            Command(
                "set_price",
                "move a market to a price at once; it goes on from there",
                self._set_price,
                (
                    Parameter("symbol", Kind.TEXT, "its key"),
                    Parameter("price", Kind.NUMBER, "a positive multiple of the symbol's tick"),
                ),
            ),
            Command("shutdown", "end the simulator", self._shutdown),
        ]

    def _time(self, _: Arguments) -> Reply:
        return {
            "time": self._world.now().isoformat(),
            "speed": str(float(self._world.speed)),
            "ended": self._world.ended,
        }

    def _set_speed(self, arguments: Arguments) -> Reply:
        speed = float(arguments["speed"])
        if not speed >= 0:
            raise CommandError(f"the speed must be 0 or more, not {speed}")
        self._world.set_speed(speed)
        return {"speed": str(speed)}

    def _pause(self, arguments: Arguments) -> Reply:
        self._world.pause()
        return self._time(arguments)

    async def _run_until(self, arguments: Arguments) -> Reply:
        speed, seconds = float(arguments["speed"]), float(arguments["timeout_seconds"])
        if not speed > 0 or not 0 < seconds <= WAIT_SECONDS_MAX:
            raise CommandError(f"speed must be above 0, timeout_seconds above 0 and at most {WAIT_SECONDS_MAX:g}")
        if self._until is not None:
            raise CommandError("another run_until is under way")
        self._until, self._reached = arguments["time"], asyncio.Event()
        try:
            self._world.set_speed(speed)
            async with asyncio.timeout(seconds):
                await self._reached.wait()
        except TimeoutError:
            self._world.pause()
            raise CommandError(f"not there after {seconds:g} s: it is {self._world.now().isoformat()}") from None
        finally:
            self._until = None
        return self._time(arguments)

    def _books(self, arguments: Arguments) -> Reply:
        account = arguments["account"]
        books = {name: book for name, book in self._world.snapshot().items() if account in ("", name)}
        executions = [execution_fields(each) for each in self._world.executions(account)]
        return {"books": books, "executions": executions}

    def _orders(self, arguments: Arguments) -> Reply:
        return {"orders": [order_fields(each) for each in self._world.orders(arguments["account"])]}

    def _quote(self, arguments: Arguments) -> Reply:
        quote = self._world.quote(arguments["symbol"])
        if quote is None:
            raise CommandError(f"there has been no quote of {arguments['symbol']!r}")
        names = ("bid", "ask", "bid_size", "ask_size", "last", "last_size", "volume")
        return {"at": quote.at.isoformat(), **{name: str(getattr(quote, name)) for name in names}}

    def _set_price(self, arguments: Arguments) -> Reply:
        symbol, price = arguments["symbol"], arguments["price"]
        try:
            self._world.set_price(symbol, price)
        except KeyError:
            raise CommandError(f"there is no symbol {symbol!r} here") from None
        except (ValueError, SignalboxError) as error:
            raise CommandError(str(error)) from None
        return {"symbol": symbol, "price": f"{price:f}"}

    def _shutdown(self, _: Arguments) -> Reply:
        # Not before the reply has left.
        asyncio.get_running_loop().call_later(0.05, self._shut_down)
        return {"time": self._world.now().isoformat()}

    async def _see_quote(self, _: MarketQuote) -> None:
        await self._look()

    async def _see_session(self, _: SessionEvent) -> None:
        await self._look()

    async def _look(self) -> None:
        if self._until is not None and (self._world.now() >= self._until or self._world.ended):
            self._until = None
            self._reached.set()
            if not math.isclose(self._world.speed, 0.0):
                self._world.pause()


def order_fields(order: VenueOrder) -> dict[str, str | int]:
    """Write an order for the control port: decimals as texts, times as ISO 8601."""
    terms = order.terms
    return {
        "number": order.number,
        "account": terms.account,
        "symbol": terms.symbol,
        "side": terms.side.value,
        "quantity": str(terms.quantity),
        "order_type": terms.order_type.value,
        "status": order.status.value,
        "filled": str(order.filled),
        "average_price": str(order.average_price),
        "client_reference": terms.client_reference,
        "client_tag": terms.client_tag,
        "reason": order.reason,
        "submitted_at": order.submitted_at.isoformat(),
    }


def execution_fields(execution: Execution) -> dict[str, str | int]:
    """Write an execution for the control port."""
    return {
        "execution_id": execution.execution_id,
        "number": execution.number,
        "at": execution.at.isoformat(),
        "account": execution.account,
        "symbol": execution.symbol,
        "side": execution.side.value,
        "quantity": str(execution.quantity),
        "price": str(execution.price),
        "commission": str(execution.commission),
        "currency": execution.currency,
        "realized_pnl": str(execution.realized_pnl),
        "client_reference": execution.client_reference,
        "client_tag": execution.client_tag,
        "liquidity": execution.liquidity.value,
    }
