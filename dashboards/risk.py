"""The Risk dashboard: each limit with its use, what was denied and why, and what risk knows of the world."""

from __future__ import annotations

from dashboards.queries import (
    MODES,
    OF_ACCOUNT,
    OF_MARKET,
    OF_VENUE,
    TRADING_MODE,
    USED_UP,
    at_work,
    changes,
    during_range,
    one,
    quantile,
)
from dashboards.shapes import count_now, counts, denials, must_be_zero, should_be_zero, times, trading
from dashboards.specification import (
    ACCOUNT,
    GREEN,
    RED,
    SYMBOL,
    VENUE,
    Dashboard,
    Query,
    Row,
    Unit,
    Word,
    falling,
    lines,
    number,
    rising,
    states,
    table,
)

READY = {0: Word("no", RED), 1: Word("READY", GREEN)}
USE_STEPS = rising(0.8, 0.9)


def of_account(metric: str, labels: str = "venue, account", matchers: str = OF_ACCOUNT) -> str:
    """A figure of each account, of the instance that works."""
    return one(labels, at_work("risk", f"{metric}{{{matchers}}}"))


USE = of_account("signalbox_risk_limit_use", "venue, account, limit")
LIMIT_OF_EACH = f"{USE} * 0 + on (limit) group_left () max by (limit) (signalbox_risk_limit)"
"""The limit itself, with the labels of its use: so that one table has both."""
DENIED = during_range("", f'signalbox_risk_decisions_total{{{OF_VENUE},verdict="denied"}}')
DECIDED = during_range("", f"signalbox_risk_decisions_total{{{OF_VENUE}}}")

NOW = Row(
    "Now",
    (
        trading(
            "The trading state in force. HALTED denies every order, REDUCING lets only those through that make a "
            "position smaller. `signalbox halt` and `signalbox resume` set it."
        ),
        number(
            "Fullest limit",
            "The largest used share of any limit that orders and positions use up. From 100 % on risk denies what "
            "would use more.",
            Unit.SHARE,
            f"max ({of_account('signalbox_risk_limit_use', 'venue, account, limit', f'{OF_ACCOUNT},{USED_UP}')})",
            steps=USE_STEPS,
            decimals=0,
            runbook="exposure-near-limit",
        ),
        number(
            "Gateways heard and READY",
            "The share of the desk's accounts whose gateway risk hears and that is READY. Others' orders are denied. "
            "Normal: 100 %.",
            Unit.SHARE,
            f"avg ({of_account('signalbox_risk_link_ready')})",
            steps=falling(0.5, 1),
            decimals=0,
            runbook="venue-disconnected",
            more="signalbox-venues",
        ),
        number(
            "Denied of all decided",
            "The share of the decisions in the time shown that were denials.",
            Unit.SHARE,
            f"{DENIED} / {DECIDED}",
            steps=rising(0.25, 0.75),
            decimals=0,
            runbook="denial-rate-high",
        ),
        count_now(
            "Approved in a minute",
            "Orders let through in the last minute of desk time, at the account with most.",
            f"max ({of_account('signalbox_risk_approvals_last_minute')})",
        ),
        must_be_zero(
            "Symbols without a value",
            "Symbols held or worked for which no price or exchange rate is known: risk denies what would need one. "
            "Normal: 0.",
            f"sum ({of_account('signalbox_risk_unvalued_symbols')})",
            runbook="market-data-stale",
        ),
        number(
            "Oldest account figures",
            "Desk time since a venue last said what an account holds. Beyond account_age_seconds_max risk denies.",
            Unit.DURATION,
            f"max ({of_account('signalbox_risk_account_age_seconds')})",
            steps=rising(120, 300),
            runbook="account-stale",
        ),
        should_be_zero(
            "Could not be read",
            "Quotes, heartbeats, accounts, trading states and order events that risk could not read, in the time "
            "shown. Normal: 0.",
            Query(
                during_range("", "signalbox_risk_unreadable_observations_total"),
                empty_when_healthy="a trading state that is no JSON",
            ),
            runbook="dead-letter-growing",
        ),
    ),
)

LIMITS = Row(
    "Limits",
    (
        table(
            "Limits that accumulate, and their use",
            "Each limit of the desk file that positions, orders or time use up, and the share in use; of the limits "
            "for one symbol, the worst symbol's.",
            (("limit", "Limit"), ("venue", "Venue"), ("account", "Account")),
            Query(USE, "Use", unit=Unit.SHARE, steps=USE_STEPS),
            Query(LIMIT_OF_EACH, "Limit is", unit=Unit.MONEY),
            sort_by="Use",
            width=12,
            runbook="exposure-near-limit",
        ),
        table(
            "Every limit of the desk file",
            "As the desk file states it: quantities, money in the account's currency, seconds of desk time, counts.",
            (("limit", "Limit"),),
            Query("max by (limit) (signalbox_risk_limit)", "Value", unit=Unit.MONEY),
            width=12,
        ),
        lines(
            "Use over time",
            "From 100 % on risk denies what would use more.",
            Unit.SHARE,
            Query(USE, "{{venue}} {{account}} {{limit}}"),
            steps=USE_STEPS,
            minimum=0,
            width=12,
            runbook="exposure-near-limit",
        ),
        lines(
            "Exposure",
            "The worst value that positions and working orders can come to, in the account's currency.",
            Unit.MONEY,
            Query(of_account("signalbox_risk_exposure"), "{{venue}} {{account}}"),
            Query('max (signalbox_risk_limit{limit="gross_exposure_max"})', "gross_exposure_max"),
            minimum=0,
            width=12,
            runbook="exposure-near-limit",
        ),
    ),
)

DECISIONS = Row(
    "Decisions",
    (
        *denials("In the time shown, by the first check that failed."),
        counts(
            "Verdicts",
            "In each interval, by verdict and kind of intent.",
            Query(changes("verdict, kind", f"signalbox_risk_decisions_total{{{OF_VENUE}}}"), "{{verdict}} {{kind}}"),
            stacked=True,
        ),
        states(
            "Trading state",
            "When trading was halted, reducing, active. The annotations say by whom and why.",
            Query(TRADING_MODE, "trading"),
            MODES,
            runbook="kill-switch-engaged",
        ),
        states(
            "Switched beside the desk",
            "What of the desk is REDUCING or HALTED: a venue, an account, a strategy, a symbol. Empty: nothing.",
            Query(
                at_work("risk", "signalbox_risk_trading_state"),
                "{{scope}} {{name}}",
                empty_when_healthy="a strategy that is switched off",
            ),
            MODES,
            runbook="switch-pulled-itself",
        ),
        times(
            "Time of a decision",
            "From the intent's arrival to its decision being stored; and of that the deciding itself, without the bus. "
            "99 of 100.",
            Query(quantile(0.99, "job", "signalbox_risk_decision_latency_seconds"), "stored"),
            Query(quantile(0.99, "job", "signalbox_risk_decide_seconds"), "decided"),
            steps=rising(0.05, 0.25),
            width=12,
            runbook="order-path-slow",
        ),
    ),
)

KNOWN = Row(
    "What risk knows",
    (
        lines(
            "Age of quotes",
            "Desk time since each symbol's last quote. Beyond price_age_seconds_max risk denies orders in it; a closed "
            "market's quotes grow old.",
            Unit.DURATION,
            Query(
                one("venue, symbol", at_work("risk", f"signalbox_risk_quote_age_seconds{{{OF_MARKET}}}")),
                "{{venue}} {{symbol}}",
            ),
            minimum=0,
            runbook="market-data-stale",
            more="signalbox-market-data",
        ),
        lines(
            "Age of account figures",
            "Desk time since the venue last said what the account holds: the oldest figure that a check goes by, and "
            "each figure by its name. One that grows while the others do not is no longer said.",
            Unit.DURATION,
            Query(of_account("signalbox_risk_account_age_seconds"), "{{venue}} {{account}}"),
            Query(
                of_account("signalbox_risk_account_figure_age_seconds", "venue, account, figure"),
                "{{venue}} {{account}} {{figure}}",
            ),
            steps=rising(120, 300),
            minimum=0,
            runbook="account-stale",
        ),
        states(
            "Gateways as risk hears them",
            "1 while an account's gateway is heard and READY. What risk does not hear, it does not trade.",
            Query(of_account("signalbox_risk_link_ready"), "{{venue}} {{account}}"),
            READY,
            width=8,
            runbook="venue-disconnected",
        ),
        counts(
            "Working orders",
            "Orders that may still fill, as risk counts them: an approved order counts from its approval.",
            Query(of_account("signalbox_risk_working_orders"), "{{venue}} {{account}}"),
            Query('max (signalbox_risk_limit{limit="open_orders_max"})', "open_orders_max"),
            width=12,
            more="signalbox-orders",
        ),
        counts(
            "Approved in a minute",
            "Orders let through in a minute of desk time, and the limit.",
            Query(of_account("signalbox_risk_approvals_last_minute"), "{{venue}} {{account}}"),
            Query('max (signalbox_risk_limit{limit="intents_per_minute_max"})', "intents_per_minute_max"),
            Query('max (signalbox_risk_limit{limit="intents_per_minute_per_name_max"})', "for one name"),
            width=12,
        ),
        counts(
            "Intents that wait",
            "Undecided, by who sent them; NATS refuses a name that has 10,000. Held back: it has had its decisions.",
            Query(one("name", at_work("risk", "signalbox_risk_intents_waiting")), "{{name}}"),
            Query(one("name", at_work("risk", "signalbox_risk_name_held_back")), "{{name}} is held back"),
            width=12,
            runbook="name-held-back",
        ),
        counts(
            "Decisions stored at once",
            "1 while nothing waits, 64 under a flood.",
            Query(
                "sum (rate(signalbox_risk_batch_messages_sum[$__rate_interval]))"
                " / sum (rate(signalbox_risk_batch_messages_count[$__rate_interval]))",
                "decisions",
            ),
            width=12,
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="signalbox-risk",
    title="Risk",
    about="Each limit with its use, what was denied and why, the trading state, and how fresh what risk decides on is.",
    variables=(VENUE, ACCOUNT, SYMBOL),
    rows=(NOW, LIMITS, DECISIONS, KNOWN),
    annotations=("trading-state", "limit", "link"),
)
