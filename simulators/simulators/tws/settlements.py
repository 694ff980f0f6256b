"""The control port's commands for what becomes of options without an order: exercise, assignment, and how it is told.

Owns their names and parameters. It must not know what is booked (`signalbox.exchange.settlement`).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from simulators.control import Arguments, Command, CommandError, Kind, Parameter, Reply
from simulators.listings import IBKR
from simulators.tws.faults import Faults
from simulators.world import World


def settlement_commands(world: World, faults: Faults) -> list[Command]:
    """Every command of this file."""
    which = (
        Parameter("symbol", Kind.TEXT, "an option of the simulation"),
        Parameter("quantity", Kind.NUMBER, "how many contracts", "1"),
        Parameter("account", Kind.TEXT, "left out: the first account", ""),
    )

    def settle(*, bought: bool, exercised: bool) -> Callable[[Arguments], Reply]:
        def run(arguments: Arguments) -> Reply:
            account, symbol = arguments["account"] or world.accounts_of(IBKR)[0], arguments["symbol"]
            try:
                held = next((each.held.quantity for each in world.positions(account) if each.held.symbol == symbol), 0)
                if held and (held > 0) is not bought:
                    raise CommandError(f"{account} has {'sold' if bought else 'bought'} {symbol}: it is not so settled")
                world.settle(account, symbol, Decimal(arguments["quantity"]), exercised=exercised)
            except KeyError as error:
                raise CommandError(f"there is no {error.args[0]!r} here") from None
            except ValueError as error:
                raise CommandError(str(error)) from None
            return {"account": account, "symbol": symbol}

        return run

    def by_position(arguments: Arguments) -> Reply:
        faults.settles_by_position = arguments["on"]
        return {"on": arguments["on"]}

    return [
        Command("exercise", "exercise options that were bought", settle(bought=True, exercised=True), which),
        Command("assign", "assign options that were sold", settle(bought=False, exercised=True), which),
        Command(
            "settle_by_position",
            "tell exercises, assignments and expiries as positions alone, without executions",
            by_position,
            (Parameter("on", Kind.FLAG, "false = with executions again", True),),
        ),
    ]
