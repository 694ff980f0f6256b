"""The check of a list by itself: is it one?

What its legs come to is checked leg by leg, by the rows of an order (`risk.list_facts`).
"""

from __future__ import annotations

from signalbox.order_lists import contradiction

from risk.checks.rows import Row, Told
from risk.facts import INTENT, ListFacts


def list_terms(facts: ListFacts) -> str:
    """Its legs are what its contingency is made of, and say one thing only."""
    return contradiction(facts.intent)


def tell_list_terms(facts: ListFacts) -> Told:
    legs = ", ".join(f"{leg.name} {leg.side} {leg.order_type}" for leg in facts.intent.legs)
    return f"the legs of a list ({facts.intent.contingency})", legs, INTENT


LIST_ROWS: tuple[Row[ListFacts], ...] = (Row("list_terms", list_terms, tell_list_terms),)
