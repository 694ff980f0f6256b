"""How TWS writes and reads times.

Owns the formats. Pure: the present is an argument. `LOGIN_ZONE` is the time zone chosen in a gateway's login window;
this one is set to UTC, which any client can read (ib_async loses fills whose zone its machine does not know).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOGIN_ZONE = "UTC"

_TWS_NAMES = {"America/New_York": "US/Eastern"}
"""Zones that TWS calls by another name."""


def zone_name(time_zone: str) -> str:
    """The name TWS has for an exchange's time zone."""
    return _TWS_NAMES.get(time_zone, time_zone)


def stamp(at: datetime, time_zone: str = LOGIN_ZONE) -> str:
    """Write `20240305 09:30:00 US/Eastern`, seconds cut off."""
    return f"{at.astimezone(ZoneInfo(time_zone)):%Y%m%d %H:%M:%S} {zone_name(time_zone)}"


def epoch(at: datetime) -> str:
    """Write whole seconds since 1970."""
    return str(int(at.timestamp()))


def day(at: date) -> str:
    """Write `20240305`."""
    return f"{at:%Y%m%d}"


def minute(at: datetime) -> str:
    """Write `14:31`, as account updates have it."""
    return f"{at.astimezone(ZoneInfo(LOGIN_ZONE)):%H:%M}"


def read(text: str, exchange_zone: str = LOGIN_ZONE) -> datetime:
    """Read any of the forms that TWS takes, to UTC. Raises ValueError.

    `20240305-14:30:00` is UTC; `20240305 14:30:00 US/Eastern` names its zone; without one it is the login zone, as is
    `20240305 14:30:00`; `20240305` is that day's midnight at the exchange.
    """
    text = " ".join(text.split())
    if len(text) == 8:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=ZoneInfo(exchange_zone)).astimezone(UTC)
    if len(text) > 8 and text[8] == "-":
        return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    parts = text.split(" ")
    zone: ZoneInfo = ZoneInfo(LOGIN_ZONE)
    if len(parts) == 3:
        try:
            zone = ZoneInfo(parts[2])
        except (ZoneInfoNotFoundError, OSError) as error:
            raise ValueError(f"unknown time zone {parts[2]!r}") from error
        parts = parts[:2]
    if len(parts) != 2:
        raise ValueError(f"not a time: {text!r}")
    return datetime.strptime(" ".join(parts), "%Y%m%d %H:%M:%S").replace(tzinfo=zone).astimezone(UTC)


def names_zone(text: str) -> bool:
    """Whether a time text says which zone it is in (TWS warns with 2174 when it does not)."""
    return "-" in text or len(text.split()) != 2
