"""The command that lists what may be written into a desk file: chain, the options on a share at IBKR."""

from __future__ import annotations

import argparse
import sys

from gateway_ibkr.chain import add_arguments, listing

from signalbox_cli.commands import add_command


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    chain = add_command(
        commands,
        "chain",
        "the options on a share at IBKR, as a desk file takes them",
        """
        It asks IB Gateway or TWS itself, with a client id of its own: no desk need run, and one may. It places nothing.

        Examples:
          signalbox chain SPY                              the days on which SPY's options expire
          signalbox chain SPY --expiry 2024-03-15 --right C
        """,
    )
    add_arguments(chain)
    chain.set_defaults(run=_chain)


async def _chain(arguments: argparse.Namespace) -> int:
    sys.stdout.write("".join(f"{line}\n" for line in await listing(arguments)))
    return 0
