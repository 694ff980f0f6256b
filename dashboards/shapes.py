"""What panels look like that there are many of: each shape once, so that a dashboard's file is the list of its panels.

Owns how counts, times and rates are shown, and the panels that stand on two dashboards. What a panel can be at all is
`specification`'s; which series it shows is said where it stands, or here if that is on two dashboards.
"""

from __future__ import annotations

from dashboards.queries import LINKS_NOT_READY, MODES, OF_VENUE, TRADING_MODE, at_venue, changes, during_range, quantile
from dashboards.specification import (
    PLAIN,
    ZERO_IS_BETTER,
    ZERO_IS_GOOD,
    Panel,
    Query,
    Step,
    Unit,
    bars,
    lines,
    number,
    rising,
)

# ------------------------------------------------------------------------------------------------ how many there are


def count_now(
    title: str, about: str, query: str | Query, *, width: int = 3, runbook: str = "", more: str = ""
) -> Panel:
    """How many there are now."""
    return number(title, about, Unit.COUNT, query, width=width, runbook=runbook, more=more)


def must_be_zero(
    title: str, about: str, query: str | Query, *, width: int = 3, runbook: str = "", more: str = ""
) -> Panel:
    """How many faults there are now: one is red."""
    return number(title, about, Unit.COUNT, query, steps=ZERO_IS_GOOD, width=width, runbook=runbook, more=more)


def should_be_zero(
    title: str, about: str, query: str | Query, *, width: int = 3, runbook: str = "", more: str = ""
) -> Panel:
    """How many there are now of what wants a look: one is orange."""
    return number(title, about, Unit.COUNT, query, steps=ZERO_IS_BETTER, width=width, runbook=runbook, more=more)


def totals(title: str, about: str, *queries: Query, width: int = 8, runbook: str = "") -> Panel:
    """How many there were in the time shown, to compare."""
    return bars(title, about, Unit.COUNT, *queries, width=width, runbook=runbook)


# --------------------------------------------------------------------------------------------------------- over time


def counts(
    title: str,
    about: str,
    *queries: Query,
    steps: tuple[Step, ...] = PLAIN,
    maximum: float | None = None,
    stacked: bool = False,
    width: int = 8,
    runbook: str = "",
    more: str = "",
) -> Panel:
    """How many, over time."""
    return lines(
        title, about, Unit.COUNT, *queries, steps=steps, minimum=0, maximum=maximum, stacked=stacked, width=width,
        runbook=runbook, more=more,
    )  # fmt: skip


def times(
    title: str,
    about: str,
    *queries: Query,
    steps: tuple[Step, ...] = PLAIN,
    stacked: bool = False,
    width: int = 8,
    runbook: str = "",
    more: str = "",
) -> Panel:
    """How many seconds something takes, over time."""
    return lines(
        title, about, Unit.SECONDS, *queries, steps=steps, minimum=0, stacked=stacked, width=width, runbook=runbook,
        more=more,
    )  # fmt: skip


def rates(
    title: str, about: str, *queries: Query, stacked: bool = False, width: int = 8, runbook: str = "", more: str = ""
) -> Panel:
    """How often a second, over time."""
    return lines(
        title, about, Unit.PER_SECOND, *queries, minimum=0, stacked=stacked, width=width, runbook=runbook, more=more
    )


def half_and_most(
    labels: str, histogram: str, matchers: str = "", *, most: float = 0.99, of: str = ""
) -> tuple[Query, Query]:
    """What half of the values are below, and what most of them are."""
    before = f"{of} " if of else ""
    return (
        Query(quantile(0.5, labels, histogram, matchers), f"{before}half"),
        Query(quantile(most, labels, histogram, matchers), f"{before}{most * 100:.0f} of 100"),
    )


# --------------------------------------------------------------------------------------------- on several dashboards


def trading(about: str, more: str = "") -> Panel:
    """The trading state in force."""
    return number(
        "Trading", about, Unit.COUNT, TRADING_MODE, words=MODES, runbook="kill-switch-engaged", more=more
    )  # fmt: skip


def venues_not_ready(about: str, more: str = "") -> Panel:
    """How many venues can not be traded now."""
    return must_be_zero("Venues not READY", about, LINKS_NOT_READY, runbook="venue-disconnected", more=more)


def dead_letters(about: str, more: str = "") -> Panel:
    """How many messages nobody could read."""
    return must_be_zero("Dead letters", about, "max (signalbox_dead_letters)", runbook="dead-letter-growing", more=more)


def reports_not_stored(about: str) -> Panel:
    """How many reports of venues wait for NATS."""
    waiting = f"sum ({at_venue('signalbox_venue_reports_waiting')})"
    return number("Reports not stored", about, Unit.COUNT, waiting, steps=rising(5, 50), more="signalbox-bus")


def fills(width: int = 8, more: str = "") -> Panel:
    """Executions, over time."""
    booked = Query(changes("venue", f"signalbox_oms_fills_total{{{OF_VENUE}}}"), "{{venue}}")
    return counts("Fills", "Executions booked in each interval.", booked, width=width, more=more)


def denials(about: str) -> tuple[Panel, Panel]:
    """What risk denied in the time shown and over time, by check."""
    denied = f"signalbox_risk_denials_total{{{OF_VENUE}}}"
    in_all, each = Query(during_range("check", denied), "{{check}}"), Query(changes("check", denied), "{{check}}")
    return (
        totals("Denials by check", about, in_all, runbook="denial-rate-high"),
        counts("Denials over time", "In each interval, by check.", each, stacked=True, runbook="denial-rate-high"),
    )
