"""Rows of the indexer in which a field makes no sense, over REST and the websocket alike.

Owns which rows those are, and how long. Pure but for the rules; it must not know what a field means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RULES_MAX = 100


@dataclass
class Rule:
    """Have `field` say `value` in the next `count` rows that have it; `symbol` "" = of any market."""

    field: str
    value: str | None
    symbol: str
    count: int


class Garbling:
    """The rules that hold now. Without one nothing is looked at."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def applied(self, contents: Any, about: str = "") -> Any:
        """Contents as they are told; `about` is the market of rows that name none."""
        return self._walked(contents, about) if self.rules else contents

    def _walked(self, node: Any, about: str) -> Any:
        if isinstance(node, list | tuple):
            return [self._walked(each, about) for each in node]
        if not isinstance(node, dict):
            return node
        symbol = str(node.get("ticker") or node.get("market") or about)
        told = {name: self._walked(each, name if "-USD" in name else symbol) for name, each in node.items()}
        for rule in self.rules:
            if rule.field in told and rule.symbol in ("", symbol) and rule.count > 0:
                rule.count -= 1
                told[rule.field] = rule.value
        self.rules = [rule for rule in self.rules if rule.count > 0]
        return told
