"""What keeps an installation from starting live, found before anything of it runs.

Owns the question, not the rules: the desk file's are `signalbox.desk`'s, a gateway's are those of its own settings,
which it asks with the gateway's own environment and files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gateway_dydx.settings as dydx
import gateway_ibkr.settings as ibkr
import msgspec
from gateway_dydx.translate import VENUE as DYDX
from gateway_dydx.venue_key import key_of
from gateway_ibkr.translate import VENUE as IBKR
from signalbox.desk import Desk, Mode, load_desk
from signalbox.errors import ConfigurationError
from signalbox.settings import load
from signalbox.venues import gateway_of

MOUNTED = "/run/secrets/"
"""Where a service finds its own secrets in its container."""
DESK_FILE = "SIGNALBOX_DESK_FILE"


def is_asked_for(environ: Mapping[str, str], word: Path | None) -> bool:
    """Whether this start is a live one: its desk file says so, or somebody left word, which is taken away."""
    if word is not None and word.exists():
        word.unlink()
        return True
    return load_desk(Path(environ.get(DESK_FILE, ""))).mode is Mode.LIVE


def mistakes_before_live(environ: Mapping[str, str], folder: Path) -> list[str]:
    """Every reason not to start, as sentences; `folder` holds each gateway's secrets in a folder of its name."""
    path = Path(environ.get(DESK_FILE, ""))
    try:
        desk = load_desk(path)
    except ConfigurationError as error:
        return list(error.mistakes)
    mistakes = []
    if desk.mode is not Mode.LIVE:
        mistakes.append(
            f'the desk file ({path}, {desk.name!r}) says mode = "{desk.mode}", so this would not be live: set '
            'SIGNALBOX_DESK to a desk file of your own that says mode = "live", with your accounts and your limits'
        )
    as_live = msgspec.structs.replace(desk, mode=Mode.LIVE)  # so that everything that is missing is said at once
    for venue in desk.venues:
        gateway = gateway_of(venue)
        mistakes += [f"{gateway}: {sentence}" for sentence in _of_gateway(venue, as_live, environ, folder)]
    return mistakes


def _of_gateway(venue: str, desk: Desk, environ: Mapping[str, str], folder: Path) -> list[str]:
    service = gateway_of(venue)
    seen = {
        name: str(folder / service / value.removeprefix(MOUNTED)) if value.startswith(MOUNTED) else value
        for name, value in environ.items()
    }
    seen["SIGNALBOX_NATS_USER"] = service
    try:
        _STARTS_OF[venue](desk, seen)
    except ConfigurationError as error:
        return list(error.mistakes)
    return []


def _start_of_ibkr(desk: Desk, environ: Mapping[str, str]) -> None:
    ibkr.accounts_of(desk, load(ibkr.Settings, environ))


def _start_of_dydx(desk: Desk, environ: Mapping[str, str]) -> None:
    settings = load(dydx.Settings, environ)
    subaccount = dydx.subaccount_to_trade(desk, settings)
    dydx.endpoints(settings)
    key_of(dydx.signing_key(settings), subaccount.address)


_STARTS_OF = {IBKR: _start_of_ibkr, DYDX: _start_of_dydx}
"""What each gateway reads first of all, and refuses to start over."""
