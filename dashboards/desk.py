"""The Desk dashboard: what needs attention now, money, positions. The first page of whoever trades or operates."""

from __future__ import annotations

from dashboards.queries import OF_ACCOUNT, OF_SYMBOL, USED_UP, at_work, one
from dashboards.shapes import counts, dead_letters, fills, must_be_zero, trading, venues_not_ready
from dashboards.specification import (
    ACCOUNT,
    GREEN,
    RED,
    SYMBOL,
    VENUE,
    Dashboard,
    Query,
    Row,
    Step,
    Unit,
    lines,
    number,
    rising,
    table,
)

ALERT_LABELS = "alertname, severity, venue, account, symbol, job"


def of_account(service: str, metric: str, more: str = "") -> str:
    """A figure of each account."""
    return one("venue, account", at_work(service, f"{metric}{{{OF_ACCOUNT}{more}}}"))


def of_position(metric: str) -> str:
    """A figure of each position."""
    return one("venue, account, symbol", at_work("oms", f"{metric}{{{OF_SYMBOL}}}"))


def added_up(metric: str) -> str:
    """A figure of the positions, for each account."""
    return f"sum by (venue, account) ({of_position(metric)})"


EQUITY = Query(of_account("risk", "signalbox_risk_account_equity"), "{{venue}} {{account}}")

ATTENTION = Row(
    "Needs attention now",
    (
        trading(
            "The trading state in force, as risk applies it. HALTED denies every order, REDUCING lets only those "
            "through that make a position smaller. Normal: ACTIVE.",
            more="signalbox-risk",
        ),
        venues_not_ready(
            "Venues whose gateway can not trade now: its link is down, being reconciled or frozen. Risk denies their "
            "orders. Normal: 0.",
            more="signalbox-venues",
        ),
        must_be_zero(
            "Orders UNKNOWN",
            "Orders that may or may not be at the venue; the gateway is asking. They are never sent again, and count "
            "as working until the venue has answered. Normal: 0.",
            "sum (" + of_account("oms", "signalbox_oms_orders", ',status="UNKNOWN"') + ")",
            runbook="unknown-order",
            more="signalbox-orders",
        ),
        number(
            "Longest without a stop",
            "For how long (desk time) a held position has had less working stop quantity on the other side than its "
            "size. 0 = every position is protected, or none is held. A desk that trades without stops always shows a "
            "time here.",
            Unit.DURATION,
            f"max ({of_position('signalbox_oms_unprotected_position_seconds')})",
            steps=rising(300, 900),
            runbook="position-unprotected",
        ),
        must_be_zero(
            "Differences with the venue",
            "Positions, cash figures and orders in which the desk's own books and the venue's last snapshot differ. "
            "Normal: 0.",
            f"sum ({one('venue, account, kind', at_work('oms', f'signalbox_oms_drift{{{OF_ACCOUNT}}}'))})",
            runbook="position-mismatch",
        ),
        number(
            "Fullest limit",
            "The largest used share of any limit that orders and positions use up. From 100 % on risk denies what "
            "would use more.",
            Unit.SHARE,
            f"max ({at_work('risk', f'signalbox_risk_limit_use{{{OF_ACCOUNT},{USED_UP}}}')})",
            steps=rising(0.8, 0.9),
            decimals=0,
            runbook="exposure-near-limit",
            more="signalbox-risk",
        ),
        must_be_zero(
            "Down or not ready",
            "Scrape targets that do not answer, and processes that answer and are not ready (connecting, rebuilding, "
            "waiting for their venue). Normal: 0.",
            "sum (1 - up) + sum (1 - signalbox_ready)",
            runbook="service-not-ready",
            more="signalbox-services",
        ),
        dead_letters(
            "Messages that a service could not read and has parked, with the error. Nothing reads them again: each "
            "wants a look. Normal: 0.",
            more="signalbox-bus",
        ),
        table(
            "Alerts that fire",
            "Every alert that fires now, but for the watchdog, which always does. Each has a runbook of its name in "
            "docs/runbooks.",
            (
                ("severity", "Severity"),
                ("alertname", "Alert"),
                ("venue", "Venue"),
                ("account", "Account"),
                ("symbol", "Symbol"),
                ("job", "Service"),
            ),
            Query(
                f'sum by ({ALERT_LABELS}) (ALERTS{{alertstate="firing",alertname!="Watchdog"}})',
                empty_when_healthy="an intent that is no JSON",
            ),
            nothing="no alert fires",
            height=6,
        ),
    ),
)

MONEY = Row(
    "Money",
    (
        number(
            "Equity",
            "What the venue last said that the account is worth (net liquidation), in the account's currency.",
            Unit.MONEY,
            EQUITY,
            decimals=2,
            width=6,
            height=8,
        ),
        lines(
            "Equity over time",
            "The same over time. A step without a fill is a deposit, a withdrawal or funding.",
            Unit.MONEY,
            EQUITY,
            width=9,
        ),
        lines(
            "Drawdown from the highest of 24 hours",
            "By how much of itself the equity is below its highest value of the last 24 hours.",
            Unit.SHARE,
            Query(f"signalbox:drawdown:fraction24h{{{OF_ACCOUNT}}}", "{{venue}} {{account}}"),
            steps=rising(0.05, 0.1),
            minimum=0,
            width=9,
            runbook="drawdown-high",
        ),
        lines(
            "Profit and loss",
            "Realised and unrealised, in the desk's own books since it adopted the account, at the last bar's close; "
            "before commission and funding.",
            Unit.MONEY,
            Query(added_up("signalbox_oms_realised_pnl"), "realised {{venue}} {{account}}"),
            Query(added_up("signalbox_oms_unrealised_pnl"), "unrealised {{venue}} {{account}}"),
            width=12,
        ),
        lines(
            "Cash",
            "The desk's own cash for each account and currency: the adopted cash, plus fills and funding, less "
            "commissions.",
            Unit.MONEY,
            Query(
                one("venue, account, currency", at_work("oms", f"signalbox_oms_cash{{{OF_ACCOUNT}}}")),
                "{{venue}} {{account}} {{currency}}",
            ),
            width=6,
        ),
        lines(
            "Costs",
            "Commission paid and funding received (below 0: paid) since the desk adopted the account.",
            Unit.MONEY,
            Query(of_account("oms", "signalbox_oms_commission_paid"), "commission {{venue}} {{account}}"),
            Query(of_account("oms", "signalbox_oms_funding_received"), "funding {{venue}} {{account}}"),
            width=6,
        ),
    ),
)

POSITIONS = Row(
    "Positions",
    (
        table(
            "What is held",
            "Every position of the desk's own books: quantity (below 0: short), value at the last bar's close, profit "
            "and loss, for how long it has had no full stop, and by how much the venue's last snapshot differed (desk "
            "less venue; 0 = they agree).",
            (("venue", "Venue"), ("account", "Account"), ("symbol", "Symbol")),
            Query(of_position("signalbox_oms_position_quantity"), "Quantity", unit=Unit.QUANTITY),
            Query(of_position("signalbox_oms_position_value"), "Value", unit=Unit.MONEY),
            Query(
                of_position("signalbox_oms_unrealised_pnl"),
                "Unrealised",
                unit=Unit.MONEY,
                steps=(Step(None, RED), Step(0, GREEN)),
            ),
            Query(of_position("signalbox_oms_realised_pnl"), "Realised", unit=Unit.MONEY),
            Query(
                of_position("signalbox_oms_unprotected_position_seconds"),
                "Without a stop for",
                unit=Unit.DURATION,
                steps=rising(300, 900),
            ),
            Query(of_position("signalbox_oms_drift_quantity"), "Desk less venue", unit=Unit.QUANTITY),
            sort_by="Value",
            nothing="no position",
        ),
        lines(
            "Value of each position",
            "Signed, at the last bar's close, in the account's currency.",
            Unit.MONEY,
            Query(of_position("signalbox_oms_position_value"), "{{venue}} {{symbol}}"),
            width=12,
        ),
        lines(
            "Exposure and its limit",
            "The worst value that positions and working orders can come to, in the account's currency, and the desk "
            "file's gross_exposure_max.",
            Unit.MONEY,
            Query(of_account("risk", "signalbox_risk_exposure"), "{{venue}} {{account}}"),
            Query('max (signalbox_risk_limit{limit="gross_exposure_max"})', "limit"),
            minimum=0,
            width=12,
            runbook="exposure-near-limit",
            more="signalbox-risk",
        ),
        fills(width=12, more="signalbox-orders"),
        counts(
            "Working orders",
            "Orders of the desk that may still fill.",
            Query(of_account("risk", "signalbox_risk_working_orders"), "{{venue}} {{account}}"),
            width=12,
            more="signalbox-orders",
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="signalbox-desk",
    title="Desk",
    about="What needs attention now, what the accounts are worth, and what is held.",
    variables=(VENUE, ACCOUNT, SYMBOL),
    rows=(ATTENTION, MONEY, POSITIONS),
    annotations=("fill", "trading-state", "limit", "link"),
)
