"""A check and its verdict, and what all of them together mean. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Check:
    """What was looked at, what was seen, and for what is not as it should be, what to do."""

    name: str
    verdict: Verdict
    observed: str
    action: str = ""


def ok(name: str, observed: str) -> Check:
    return Check(name, Verdict.OK, observed)


def warning(name: str, observed: str, action: str) -> Check:
    return Check(name, Verdict.WARNING, observed, action)


def failed(name: str, observed: str, action: str) -> Check:
    return Check(name, Verdict.FAILED, observed, action)


def not_checked(name: str, observed: str, action: str) -> Check:
    return Check(name, Verdict.NOT_CHECKED, observed, action)


def bad_for_money(name: str, observed: str, action: str, *, live: bool) -> Check:
    """What paper trading may do with and real money may not."""
    return failed(name, observed, action) if live else warning(name, observed, action)


def is_fit(checks: Sequence[Check], *, live: bool) -> bool:
    """Whether nothing has failed; where real money is at stake, what was not checked counts as failed."""
    bad = {Verdict.FAILED, Verdict.NOT_CHECKED} if live else {Verdict.FAILED}
    return not any(check.verdict in bad for check in checks)
