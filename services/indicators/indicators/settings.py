"""The indicator service's settings. Periods, timeframes and studies are in the desk file."""

from __future__ import annotations

from pathlib import Path

from signalbox.settings import ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """Those of every service, and where a user's own studies are."""

    studies_folder: Path | None = None
    """A folder of Python files, one study each (docs/indicators.md). They are run: whoever may write there may do all
    that this service may."""
