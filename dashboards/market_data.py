"""The Market data and scores dashboard: how fresh each symbol is, and the ranking by the four scores."""

from __future__ import annotations

from dashboards.queries import OF_MARKET, OF_VENUE, at_work, changes, during_range, one, quantile_now, rate
from dashboards.shapes import count_now, counts, half_and_most, rates, should_be_zero, times, totals
from dashboards.specification import (
    BLUE,
    GREEN,
    RED,
    SYMBOL,
    VENUE,
    Dashboard,
    Query,
    Row,
    Step,
    Unit,
    Word,
    lines,
    number,
    rising,
    table,
)

LAST_BAR = "signalbox_indicators_last_bar_timestamp_seconds"
FRESHEST = (
    f"(max by (instance, venue, symbol) ({LAST_BAR}) == on (venue, symbol) group_left () "
    f"max by (venue, symbol) ({LAST_BAR}))"
)
"""The replica that scored each symbol's latest bar."""
LONG_OR_SHORT = (Step(None, RED), Step(0, BLUE), Step(0.000001, GREEN))
OPEN_OR_CLOSED = {0: Word("closed", BLUE), 1: Word("open", GREEN)}
MARKET = (("venue", "Venue"), ("symbol", "Symbol"))


def score(name: str) -> str:
    """One score of each symbol, from the replica that scored its latest bar."""
    series = f'signalbox_indicators_score{{{OF_MARKET},score="{name}"}}'
    return one("venue, symbol", f"{series} and on (instance, venue, symbol) {FRESHEST}")


def while_open(series: str) -> str:
    """The series of symbols whose market is open: others are silent and nothing is wrong."""
    return f"{series} and on (instance, venue, symbol) (signalbox_venue_subscription_open == 1)"


def age(data: str) -> str:
    return one("venue, symbol", f'signalbox_venue_last_message_age_seconds{{{OF_MARKET},data=~"{data}"}}')


BAR_AGE = (
    'min by (venue, symbol, timeframe) (signalbox_desk_time_seconds{service="indicators"} - on (instance) '
    f"group_right () {LAST_BAR}{{{OF_MARKET}}})"
)

NOW = Row(
    "Now",
    (
        number(
            "Longest silence of an open market",
            "Wall time since the last message of the subscription that has been silent longest, of those whose market "
            "is open now.",
            Unit.SECONDS,
            f"max ({while_open(f'signalbox_venue_last_message_age_seconds{{{OF_MARKET}}}')})",
            steps=rising(30, 60),
            width=4,
            runbook="market-data-stale",
        ),
        number(
            "Latest live bar was late by",
            "Desk time from a bar's end to its publication, at the symbol that is worst.",
            Unit.SECONDS,
            f"max ({one('venue, symbol', f'signalbox_venue_bar_lateness_seconds{{{OF_MARKET}}}')})",
            steps=rising(10, 30),
            width=4,
            runbook="bars-late",
        ),
        count_now(
            "Gaps",
            "Missing bars that the gateways asked their venues for in the time shown. A start and a reconnect ask.",
            during_range("", f"signalbox_venue_gaps_total{{{OF_VENUE}}}"),
            width=4,
            runbook="sequence-gap",
        ),
        number(
            "Scored, 99 of 100 within",
            "From a gateway's receipt of a bar to its score being stored.",
            Unit.SECONDS,
            f"max ({quantile_now(0.99, 'timeframe', 'signalbox_indicators_score_latency_seconds')})",
            steps=rising(0.5, 2),
            width=4,
            runbook="order-path-slow",
        ),
        should_be_zero(
            "Could not be read",
            "Messages of the venues that a gateway could not read, in the time shown. Normal: 0.",
            during_range("", f"signalbox_venue_undecodable_total{{{OF_VENUE}}}"),
            width=4,
            runbook="dead-letter-growing",
        ),
        count_now(
            "Partitions scored",
            "Into how many of eight partitions the symbols fall whose bars a replica has scored. A desk of few symbols "
            "fills a part of them; fewer than a while ago: bars of some symbols do not come.",
            "sum (max by (partition) (signalbox_indicators_partition_owned))",
            width=4,
            more="signalbox-services",
        ),
    ),
)

SCORES = Row(
    "Scores",
    (
        table(
            "Ranking",
            "The four scores of each symbol at its last bar; click a heading to sort by it. SuperTrend counts the bars "
            "in the present direction (above 0: long, below 0: short) on 1-minute and on 5-minute bars. Of 5-minute "
            "bars too: deviation = (close - EMA) / ATR, and new high, the closes that made a new high of the day.",
            MARKET,
            Query(score("supertrend_m1"), "SuperTrend 1m", unit=Unit.COUNT, steps=LONG_OR_SHORT),
            Query(score("supertrend_m5"), "SuperTrend 5m", unit=Unit.COUNT, steps=LONG_OR_SHORT),
            Query(score("ema_deviation"), "Deviation from EMA", unit=Unit.QUANTITY, steps=LONG_OR_SHORT),
            Query(score("new_high"), "New high", unit=Unit.COUNT, steps=LONG_OR_SHORT),
            sort_by="SuperTrend 1m",
            nothing="no scores yet",
            width=16,
            height=12,
        ),
        times(
            "Time to a score",
            "From a gateway's receipt of a bar to its score being stored: half of the bars, and 99 of 100.",
            *half_and_most("timeframe", "signalbox_indicators_score_latency_seconds", of="{{timeframe}}"),
            steps=rising(0.5, 2),
        ),
    ),
)

FRESHNESS = Row(
    "Freshness",
    (
        table(
            "Symbols",
            "Is the market open by its calendar, how long ago came the last quote and the last bar data (wall time), "
            "how late was the last live bar, and how old is the quote that risk would decide on (desk time).",
            MARKET,
            Query(
                one("venue, symbol", f"signalbox_venue_subscription_open{{{OF_MARKET}}}"),
                "Market",
                words=OPEN_OR_CLOSED,
            ),
            Query(age("quote.*"), "Quote heard", unit=Unit.SECONDS),
            Query(age("bar.*|candle.*|trade.*"), "Bar data heard", unit=Unit.SECONDS),
            Query(
                one("venue, symbol", f"signalbox_venue_bar_lateness_seconds{{{OF_MARKET}}}"),
                "Bar late by",
                unit=Unit.SECONDS,
                steps=rising(10, 30),
            ),
            Query(
                one("venue, symbol", at_work("risk", f"signalbox_risk_quote_age_seconds{{{OF_MARKET}}}")),
                "Quote at risk",
                unit=Unit.DURATION,
            ),
            sort_by="Bar late by",
            runbook="market-data-stale",
        ),
        times(
            "Silence of open markets",
            "Wall time since each subscription's last message, while the symbol's market is open.",
            Query(
                one(
                    "venue, symbol, data",
                    while_open(f"signalbox_venue_last_message_age_seconds{{{OF_MARKET}}}"),
                ),
                "{{symbol}} {{data}}",
            ),
            steps=rising(30, 60),
            runbook="market-data-stale",
        ),
        times(
            "Lateness of bars",
            "Desk time from a live bar's end to its publication.",
            Query(one("venue, symbol", f"signalbox_venue_bar_lateness_seconds{{{OF_MARKET}}}"), "{{symbol}}"),
            steps=rising(10, 30),
            runbook="bars-late",
        ),
        lines(
            "Age of the last scored bar",
            "Desk time since its end. It grows while a market is closed, and by one bar's length while it is open.",
            Unit.DURATION,
            Query(BAR_AGE, "{{symbol}} {{timeframe}}"),
            minimum=0,
            runbook="bars-late",
        ),
    ),
)

FLOW = Row(
    "Flow",
    (
        counts(
            "Bars",
            "Published by the gateways in each interval; BACKFILL are those that were missed and asked for.",
            Query(
                changes("venue, timeframe, source", f"signalbox_venue_bars_total{{{OF_MARKET}}}"),
                "{{venue}} {{timeframe}} {{source}}",
            ),
            stacked=True,
        ),
        rates(
            "Quotes",
            "Sent by the gateways, each second.",
            Query(rate("venue, symbol", f"signalbox_venue_quotes_total{{{OF_MARKET}}}"), "{{symbol}}"),
        ),
        counts(
            "Bars scored",
            "By what became of them, in each interval.",
            Query(changes("timeframe, outcome", "signalbox_indicators_bars_total"), "{{timeframe}} {{outcome}}"),
        ),
        totals(
            "Gaps by outcome",
            "Missing bars that the gateways asked their venues for in the time shown.",
            Query(during_range("venue, outcome", f"signalbox_venue_gaps_total{{{OF_VENUE}}}"), "{{venue}} {{outcome}}"),
            runbook="sequence-gap",
        ),
        times(
            "Bars wait for history",
            "For how long each symbol's bars have waited for a gap to be filled. Normal: none.",
            Query(one("venue, symbol", f"signalbox_venue_open_gap_seconds{{{OF_MARKET}}}"), "{{symbol}}"),
            runbook="sequence-gap",
        ),
        counts(
            "Resubscriptions",
            "Subscriptions made anew because they had been silent, in each interval. Normal: none.",
            Query(
                changes("venue, symbol", f"signalbox_venue_resubscriptions_total{{{OF_MARKET}}}"),
                "{{symbol}}",
                empty_when_healthy="live bars that the venue ends",
            ),
            runbook="market-data-stale",
        ),
        counts(
            "Lost subscriptions",
            "What should be heard and is not, so that the gateway asks for it again. Normal: none.",
            Query(f"sum by (venue, data) (signalbox_venue_subscriptions_lost{{{OF_VENUE}}})", "{{venue}} {{data}}"),
            runbook="market-data-stale",
        ),
        counts(
            "Markets that take no orders",
            "Symbols for which their venue takes no ordinary orders now, by the state it says. Normal: 0.",
            Query(
                "sum by (state) (max by (venue, symbol, state) "
                f'(signalbox_venue_market_state{{{OF_MARKET},state!="OPEN"}}))',
                "{{state}}",
            ),
            runbook="market-not-open",
        ),
        counts(
            "Could not be read",
            "Messages of the venues that a gateway could not read, and facts that it set aside, in each interval; and "
            "how many of those nothing has put right yet.",
            Query(
                changes("venue, connection", f"signalbox_venue_undecodable_total{{{OF_VENUE}}}"),
                "{{venue}} {{connection}}",
            ),
            Query(
                changes("venue, kind", f"signalbox_venue_facts_parked_total{{{OF_VENUE}}}"),
                "{{venue}} {{kind}}",
                empty_when_healthy="a fact that makes no sense",
            ),
            Query(f"max by (venue) (signalbox_venue_facts_unread{{{OF_VENUE}}})", "{{venue}} not put right"),
            runbook="venue-fact-unread",
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="signalbox-market-data",
    title="Market data and scores",
    about="How fresh each symbol's data is, what was missed, and the ranking of all symbols by the four scores.",
    variables=(VENUE, SYMBOL),
    rows=(NOW, SCORES, FRESHNESS, FLOW),
    annotations=("link",),
)
