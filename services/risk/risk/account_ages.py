"""How old the venue's figures of an account are: each has an age of its own, and the oldest one that counts, counts.

A gateway tells an account again by its own clock, and so the time of its message says nothing of what is in it. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from signalbox.messages import AccountState

from risk.wording import seconds

COUNTED = (
    "available_funds",
    "net_liquidation",
    "cash",
    "initial_margin",
    "maintenance_margin",
    "buying_power",
    "rates",
)
"""What an account can afford and is worth: nothing is decided while one of these is old. Profit and loss is not."""
FUNDS = "available_funds"


def said_at(account: AccountState, figure: str) -> datetime:
    """When the venue last said a figure."""
    return account.said_at.get(figure, account.at)


def oldest(account: AccountState) -> tuple[str, datetime]:
    """The figure among those that count that was said longest ago, and when; "" = the gateway says of none when."""
    if not account.said_at:
        return "", account.at
    figure = min(COUNTED, key=lambda name: said_at(account, name))
    return figure, said_at(account, figure)


def told(account: AccountState, now: datetime) -> str:
    """The same for a person: which figure, and how old."""
    figure, at = oldest(account)
    return f"{figure or 'all'}, {seconds(max(now - at, timedelta(0)))} s old"
