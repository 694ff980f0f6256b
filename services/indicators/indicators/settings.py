"""The indicator service's settings: those of every service. Periods and timeframes are in the desk file."""

from __future__ import annotations

from signalbox.settings import ServiceSettings


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """No setting of its own."""
