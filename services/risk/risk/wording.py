"""How figures are written in checks and reasons: exact, plain and short. It must not know what they mean."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from signalbox.sessions import Session

UNKNOWN = "unknown"

# Where an exchange's day opens by its own clock: with that, a session in UTC is enough to write local times
_LOCAL_OPEN = {"XNYS": (timedelta(hours=9, minutes=30), "ET"), "XHKG": (timedelta(hours=9, minutes=30), "HKT")}


def plain(number: Decimal | None) -> str:
    """All digits of a number, no exponent and no idle zeros: `200000`, not `2E+5` or `200000.000`.

    How many zeros a sum carries depends on its history; equal numbers must give equal decisions.
    """
    if number is None:
        return UNKNOWN
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def stated(limit: Decimal | int | None, words: str = "{}") -> str:
    """A limit, in these words; "none" where none is stated."""
    if limit is None:
        return "none"
    return words.format(plain(limit) if isinstance(limit, Decimal) else limit)


def money(amount: Decimal | None, currency: str = "") -> str:
    """An amount for a sentence, to the cent."""
    return UNKNOWN if amount is None else f"{amount:,.2f} {currency}".rstrip()


def moment(at: datetime) -> str:
    """`2024-01-02 15:04:05 UTC`, of a time in UTC."""
    return f"{at.isoformat(' ')[:19]} UTC"


def hour(at: datetime) -> str:
    """`15:04`, of a time in UTC."""
    return at.isoformat(" ")[11:16]


def local_time(calendar: str, session: Session, at: datetime) -> str:
    """The time of day on the exchange's own clock where it is known (`15:45 ET`), else UTC."""
    if calendar not in _LOCAL_OPEN:
        return f"{hour(at)} UTC"
    opening, zone = _LOCAL_OPEN[calendar]
    minutes = int((at - session.open + opening).total_seconds() // 60)
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d} {zone}"


def seconds(span: timedelta) -> str:
    """A span in seconds with a millisecond's precision, as few digits as that takes."""
    return f"{span.total_seconds():.3f}".rstrip("0").rstrip(".")
