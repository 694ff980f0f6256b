"""`signalbox whatif ORDER...`: what would become of it, asked of the gate that decides, and not sent.

Owns which commands can be asked about: their words are read as those commands read them, and where they would publish
an intent they ask. It must not know what an intent says.
"""

from __future__ import annotations

import argparse
import inspect
import json

from signalbox import messages
from signalbox.bus import Bus
from signalbox.client.asking import what_if
from signalbox.errors import BusUnavailableError, ConfigurationError
from signalbox.messages import Intent, WouldBe

from signalbox_cli.commands import EXIT_DENIED, EXIT_NO_ANSWER, add_command
from signalbox_cli.output import complain, show_json
from signalbox_cli.verdicts import show_what_if

ASKED_ABOUT = ("intent", "bracket", "target", "position", "modify", "cancel", "flatten")
SIDES = ("buy", "sell")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    whatif = add_command(
        commands,
        "whatif",
        "what would become of an order, a list, a wish, a change: the same gate, and nothing is sent",
        """
        The same state, the same checks, and an answer for you alone: nothing is published, reserved or counted, and no
        id is used up. It is no approval: between the answer and the order the market, and what others send, goes on.
        What a command takes it takes here too, but --follow: `signalbox intent --help` and so on. A name may ask 20
        times a second, 100 at a stretch.

        Exit status: 0 it would be approved, 3 it would be denied, 4 it would wait for its venue, or no answer in time.

        Examples:
          signalbox whatif buy 100 SPY --limit 470
          signalbox whatif bracket buy 100 SPY --stop 420 --target 450
          signalbox whatif target SPY 250
          signalbox whatif modify i-20240305-150000-1a2b3c4d --quantity 500
          signalbox whatif cancel --all --strategy trend
        """,
    )
    whatif.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        metavar="ORDER",
        help=f"buy, sell, {', '.join(ASKED_ABOUT[1:])}, and what follows as these commands have it",
    )
    whatif.set_defaults(run=_whatif)


def asked_about(words: list[str]) -> argparse.Namespace:
    """The command that is asked about, as it would be carried out, but that it asks; raises `ConfigurationError`."""
    from signalbox_cli.__main__ import build_parser

    words = ["intent", *words] if words[:1] and words[0].lower() in SIDES else words
    if words[:1] and words[0] not in ASKED_ABOUT:
        raise ConfigurationError([f"there is no asking about {words[0][:60]!a}, but about {_named()}"])
    if not words:
        raise ConfigurationError([f"say what is asked about: {_named()}, and what follows"])
    arguments = build_parser(words).parse_args(words)
    arguments.what_if = True
    return arguments


def _named() -> str:
    return ", ".join((*SIDES, *ASKED_ABOUT[1:]))


async def _whatif(arguments: argparse.Namespace) -> int:
    asked = asked_about(arguments.words)
    status = asked.run(asked)
    return int(await status if inspect.isawaitable(status) else status)


async def ask_and_report(bus: Bus, intent: Intent, arguments: argparse.Namespace) -> int:
    """Ask what would become of an intent, and show it; the exit status."""
    try:
        answer = await what_if(bus, intent)
    except BusUnavailableError as error:
        complain(str(error))
        return EXIT_NO_ANSWER
    if arguments.json:
        show_json(json.loads(messages.encode(answer)))
    else:
        show_what_if(answer, intent)
    if answer.would_be is WouldBe.WAITING:
        return EXIT_NO_ANSWER
    return 0 if answer.would_be is WouldBe.APPROVED else EXIT_DENIED
