"""A limit is its row: with one row more it denies, is explained, shown, marked and documented, with no other list."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from risk import decide
from risk.asked import ground_of
from risk.checks.rows import Limit, Row, Rows, Told
from risk.decide import OF_ORDERS, explain
from risk.facts import OrderFacts
from risk.limits import bounds_of, limit_use, limits_of
from risk.state import AccountKey, RiskState
from signalbox.desk import Limits
from signalbox.limits import OF_LOSSES
from signalbox.messages import IntentApproved, IntentDenied
from signalbox_cli.limits_reference import page

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = ("ibkr", "DU1234567")
NEAR_AT_80 = ".*loss.*|drawdown.*"
"""Of what is lost it is told earlier (LossNearLimit) than of what is held."""


def too_round(facts: OrderFacts) -> str:
    return "" if facts.intent.quantity % 10 else "the quantity is too round"


def tell_too_round(facts: OrderFacts) -> Told:
    return "no zero at its end", str(facts.intent.quantity), "intent"


def half(state: RiskState, account: AccountKey, now: datetime) -> float:
    return 0.5


ADDED: Row[OrderFacts] = Row(
    "roundness", too_round, tell_too_round, Limit("round_orders_max", "How round an order may be.", half), is_bound=True
)


def test_a_row_is_all_that_a_limit_needs(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world().ready()
    monkeypatch.setattr(decide, "OF_ORDERS", Rows((*OF_ORDERS, ADDED), ground_of))
    denied, approved = w.decide(w.order(quantity="10")), w.decide(w.order(quantity="11"))
    assert isinstance(approved, IntentApproved)
    assert isinstance(denied, IntentDenied)
    assert (denied.reason, [check.name for check in denied.checks]) == ("the quantity is too round", ["roundness"])
    assert approved.passed == len(explain(w.state.rules, approved))
    assert explain(w.state.rules, approved)[-1].limit == "no zero at its end"
    rows = (*OF_ORDERS, ADDED)
    assert limit_use(w.state, ACCOUNT, w.now, rows)["round_orders_max"] == 0.5
    assert "roundness" in bounds_of(rows)
    assert "| `round_orders_max` | How round an order may be. |  | `roundness` | yes | denies |" in page(rows)


def test_every_limit_of_the_desk_file_has_one_row_and_every_row_its_limit() -> None:
    assert sorted(limit.name for _, limit in limits_of()) == sorted(Limits.__struct_fields__)


def test_page_of_limits_is_what_the_rows_say() -> None:
    told = "run: python -m signalbox_cli.limits_reference > docs/limits.md"
    assert (ROOT / "docs" / "limits.md").read_text() == page(), told


def test_every_limit_says_what_it_bounds() -> None:
    for row, limit in limits_of():
        assert limit.about.endswith("."), row.name


def test_whoever_looks_at_use_names_none_but_the_one_that_is_no_use() -> None:
    """Panels and alerts go by the label, so that they show a limit that is added."""
    looked = [path.read_text() for path in (ROOT / "deploy/prometheus/rules").glob("*.yml")]
    looked += [
        query["expr"]
        for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")
        for panel in _panels(json.loads(path.read_text()))
        for query in panel.get("targets", ())
    ]
    named = {name for text in looked for name in re.findall(r"signalbox_risk_limit_use\{[^}]*limit=~?\"([^\"]+)", text)}
    assert named == {"account_age_seconds_max", NEAR_AT_80}
    limits = {limit.name for _, limit in limits_of() if limit.used is not None}
    assert {name for name in limits if re.fullmatch(NEAR_AT_80, name)} == limits & OF_LOSSES
    assert any("ExposureNearLimit" in text and 'limit!="account_age_seconds_max"' in text for text in looked)


def _panels(found: Any) -> list[Any]:
    below = [panel for each in found.get("panels", ()) for panel in _panels(each)]
    return [found, *below] if "targets" in found else below
