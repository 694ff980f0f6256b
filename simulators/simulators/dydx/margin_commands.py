"""The control port's commands for what lets a position bind more margin: open interest, and its owner's leverage.

Owns their names and parameters. It must not know how margins are reckoned.
"""

from __future__ import annotations

from decimal import Decimal

from simulators.control import Arguments, Command, CommandError, Kind, Parameter, Reply
from simulators.dydx.chain import Chain
from simulators.dydx.commands import ACCOUNT, account_of
from simulators.dydx.interest import MILLION, Interest

_SYMBOL = Parameter("symbol", Kind.TEXT, "the market")


class MarginControl:
    """The commands about margins of one chain."""

    def __init__(self, chain: Chain) -> None:
        self._book = chain.book

    def commands(self) -> list[Command]:
        """Every command of this class."""
        return [
            Command(
                "open_interest",
                "cap a market's open interest, near which initial margins grow; not kept over restarts",
                self._open_interest,
                (
                    _SYMBOL,
                    Parameter("lower_cap", Kind.NUMBER, "USD: margins grow from here on"),
                    Parameter("upper_cap", Kind.NUMBER, "USD: all of the value from here on; 0 = no caps"),
                    Parameter("others", Kind.NUMBER, "what others hold, in base units", "0"),
                ),
            ),
            Command(
                "leverage",
                "set a subaccount's leverage in a market as its owner would; not kept over restarts",
                self._leverage,
                (ACCOUNT, _SYMBOL, Parameter("leverage", Kind.NUMBER, "such as 5, at least 1; 0 = none set")),
            ),
        ]

    def _open_interest(self, arguments: Arguments) -> Reply:
        symbol = self._listed(arguments)
        lower, upper, others = (Decimal(arguments[name]) for name in ("lower_cap", "upper_cap", "others"))
        if lower < 0 or others < 0 or (upper and upper <= lower):
            raise CommandError("nothing may be below 0, nor the upper cap at or below the lower one")
        self._book.interest[symbol] = Interest(lower_cap=lower, upper_cap=upper, others=others)
        return {"open_interest": str(self._book.open_interest(symbol))}

    def _leverage(self, arguments: Arguments) -> Reply:
        chosen, symbol = Decimal(arguments["leverage"]), self._listed(arguments)
        if chosen and not 1 <= chosen <= MILLION:
            raise CommandError("leverage must be at least 1, or 0 for none")
        ppm = int(MILLION / chosen) if chosen else 0
        self._book.leverage.setdefault(account_of(arguments["account"]), {})[symbol] = ppm
        return {"custom_imf_ppm": ppm}

    def _listed(self, arguments: Arguments) -> str:
        symbol: str = arguments["symbol"]
        if symbol not in self._book.markets:
            raise CommandError(f"there is no market {symbol!r}; there are {', '.join(self._book.markets)}")
        return symbol
