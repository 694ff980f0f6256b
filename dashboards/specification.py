"""What a dashboard says: rows of panels, each with its queries, unit, thresholds and explanation. Plain data.

It must not know how Grafana writes it down (`drawing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GREEN, BLUE, YELLOW, ORANGE, RED = "green", "blue", "yellow", "orange", "red"


class Unit(StrEnum):
    """Grafana's ids of the units in use."""

    COUNT = "none"
    MONEY = "locale"
    QUANTITY = "short"
    SECONDS = "s"
    DURATION = "dtdurations"
    SHARE = "percentunit"
    BYTES = "bytes"
    PER_SECOND = "ops"
    BASIS_POINTS = "suffix: bp"
    BLOCKS = "suffix: blocks"
    TIME = "dateTimeFromNow"
    TEXT = "string"


class Kind(StrEnum):
    """How a panel is shown."""

    NUMBER = "stat"
    LINES = "timeseries"
    TABLE = "table"
    BARS = "bargauge"
    STATES = "state-timeline"


@dataclass(frozen=True)
class Step:
    """From `value` on (None = from below), the colour."""

    value: float | None
    color: str


ALL_GREEN = (Step(None, GREEN),)
PLAIN = (Step(None, BLUE),)
ZERO_IS_GOOD = (Step(None, GREEN), Step(1, RED))
ZERO_IS_BETTER = (Step(None, GREEN), Step(1, ORANGE))


def rising(orange: float, red: float) -> tuple[Step, ...]:
    """The more, the worse."""
    return (Step(None, GREEN), Step(orange, ORANGE), Step(red, RED))


def falling(red: float, orange: float) -> tuple[Step, ...]:
    """The less, the worse: red below `red`, orange below `orange`."""
    return (Step(None, RED), Step(red, ORANGE), Step(orange, GREEN))


@dataclass(frozen=True)
class Word:
    """What a value is called, and its colour."""

    text: str
    color: str


@dataclass(frozen=True)
class Query:
    """One PromQL expression; in a table, `legend` is its column's heading.

    `empty_when_healthy` says which fault makes it return something: only such a query may return nothing on a healthy
    desk. `unit`, `steps` and `words` are of its column alone.
    """

    expression: str
    legend: str = ""
    empty_when_healthy: str = ""
    unit: Unit | None = None
    steps: tuple[Step, ...] = ()
    words: dict[int, Word] | None = None
    buckets: bool = False
    """The series are the buckets of a histogram: one bar each."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel. `about` answers "what is this, and what is normal?"; `runbook` names docs/runbooks/<runbook>.md.

    `more` is the uid of the dashboard that shows it in detail. `labels` are a table's label columns: name and heading.
    `words` name a panel's values (a state). `sort_by` is the heading of the column that a table is sorted by.
    """

    title: str
    about: str
    kind: Kind
    unit: Unit
    queries: tuple[Query, ...]
    width: int
    height: int = 8
    steps: tuple[Step, ...] = PLAIN
    words: dict[int, Word] | None = None
    minimum: float | None = None
    maximum: float | None = None
    decimals: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    sort_by: str = ""
    nothing: str = ""
    """What is shown when there is nothing to show."""
    stacked: bool = False
    runbook: str = ""
    more: str = ""


def number(
    title: str,
    about: str,
    unit: Unit,
    query: str | Query,
    *,
    steps: tuple[Step, ...] = PLAIN,
    words: dict[int, Word] | None = None,
    decimals: int | None = None,
    width: int = 3,
    height: int = 4,
    runbook: str = "",
    more: str = "",
) -> Panel:
    """The value now, in large."""
    query = Query(query) if isinstance(query, str) else query
    return Panel(
        title=title, about=about, kind=Kind.NUMBER, unit=unit, queries=(query,), steps=steps, words=words,
        decimals=decimals, width=width, height=height, runbook=runbook, more=more,
    )  # fmt: skip


def lines(
    title: str,
    about: str,
    unit: Unit,
    *queries: Query,
    steps: tuple[Step, ...] = PLAIN,
    minimum: float | None = None,
    maximum: float | None = None,
    stacked: bool = False,
    width: int = 8,
    runbook: str = "",
    more: str = "",
) -> Panel:
    """Values over time."""
    return Panel(
        title=title, about=about, kind=Kind.LINES, unit=unit, queries=queries, steps=steps, minimum=minimum,
        maximum=maximum, stacked=stacked, width=width, runbook=runbook, more=more,
    )  # fmt: skip


def states(
    title: str, about: str, query: Query, words: dict[int, Word], *, width: int = 12, runbook: str = ""
) -> Panel:
    """Which state, over time."""
    return Panel(
        title=title, about=about, kind=Kind.STATES, unit=Unit.COUNT, queries=(query,), words=words, width=width,
        height=6, runbook=runbook,
    )  # fmt: skip


def bars(
    title: str,
    about: str,
    unit: Unit,
    *queries: Query,
    steps: tuple[Step, ...] = PLAIN,
    maximum: float | None = None,
    width: int = 8,
    runbook: str = "",
) -> Panel:
    """The values now, as bars to compare."""
    return Panel(
        title=title, about=about, kind=Kind.BARS, unit=unit, queries=queries, steps=steps, minimum=0, maximum=maximum,
        width=width, runbook=runbook,
    )  # fmt: skip


def table(
    title: str,
    about: str,
    labels: tuple[tuple[str, str], ...],
    *queries: Query,
    sort_by: str = "",
    nothing: str = "",
    width: int = 24,
    height: int = 9,
    runbook: str = "",
    more: str = "",
) -> Panel:
    """The values now, a line for each set of labels."""
    return Panel(
        title=title, about=about, kind=Kind.TABLE, unit=Unit.QUANTITY, queries=queries, labels=labels, sort_by=sort_by,
        nothing=nothing, width=width, height=height, runbook=runbook, more=more,
    )  # fmt: skip


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice at the top: the values of `label` on the series of `metric`."""

    name: str
    title: str
    metric: str
    label: str


VENUE = Variable(name="venue", title="Venue", metric="signalbox_venue_link", label="venue")
ACCOUNT = Variable(
    name="account", title="Account", metric='signalbox_risk_account_equity{venue=~"$venue"}', label="account"
)
SYMBOL = Variable(
    name="symbol", title="Symbol", metric='signalbox_venue_subscription_open{venue=~"$venue"}', label="symbol"
)
SERVICE = Variable(name="service", title="Service", metric="signalbox_ready", label="service")


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One dashboard; `annotations` are the tags of the events that are drawn over its panels."""

    uid: str
    title: str
    about: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    annotations: tuple[str, ...] = ()
