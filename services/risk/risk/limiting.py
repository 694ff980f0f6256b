"""What risk says to limits that an operator proposes: set from here on, or refused with a sentence. A part of the fold.

Owns when a set takes the place of another: the proposal names the version that holds (nobody overwrites what he has not
seen), says who and why, contradicts nothing, and whoever loosens something knows it; where the desk file wants two for
that, a second operator has proposed the very same. What is said stands in TRADE among the decisions: the next one is
made under it, and a process that starts, or takes over, folds it at the same place. Pure; it must not know what a limit
means for an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from signalbox.limits import Change, changes, loosened, mistakes, name_of
from signalbox.messages import LimitsProposed, LimitsRefused, LimitsRuling, LimitsSet, Loosening

from risk.facts import AGE_MIN
from risk.rules import with_limits
from risk.state import RiskState

AGE_MAX = timedelta(minutes=5)
"""A proposal that nobody could answer for so long is not acted on when somebody can: its sender has been told so."""
TOLD_MAX, TOLD_CHARACTERS_MAX = 8, 200
TEXT_CHARACTERS_MAX = 500
NAMES_CHARACTERS_MAX = 128


def rule_on(state: RiskState, proposed: LimitsProposed, at: datetime) -> tuple[LimitsRuling, ...]:
    """What is said to a proposal at desk time `at`, folded already; nothing to one that has its answer."""
    if proposed.id in state.limits_answered.ids:
        return ()
    ruling = _ruling(state, proposed, at)
    fold_limits(state, ruling)
    return (ruling,)


def refuse(state: RiskState, proposed: LimitsProposed, at: datetime, reason: str) -> LimitsRefused:
    """Say why the limits stay as they are, and take that in."""
    refused = _refused(state, proposed, at, reason)
    fold_limits(state, refused)
    return refused


def fold_limits(state: RiskState, ruling: LimitsRuling) -> None:
    """Take in what was said, once or more often: a version that is no newer changes nothing."""
    if isinstance(ruling, LimitsRefused):
        state.limits_answered.add(ruling.cause, ruling)
        return
    state.limits_answered.add(ruling.cause, None)
    if ruling.version > state.rules.limits_version:
        state.rules = with_limits(state.rules, ruling)


def _ruling(state: RiskState, proposed: LimitsProposed, at: datetime) -> LimitsRuling:
    reason = _why_not(state, proposed, at)
    if reason:
        return _refused(state, proposed, at, reason)
    looser = loosened(state.rules.stated, proposed.limits)
    if looser and not proposed.loosens:
        return _refused(state, proposed, at, f"it loosens {_told(looser)}: say that it is meant to (--loosen)")
    first = ""
    if looser and state.desk.loosen_limits is Loosening.TWO:
        first = _agreed_with(state, proposed)
        if not first:
            reason = (
                f"it loosens {_told(looser)}, which two operators have to want: another one says "
                f"`signalbox limits agree {proposed.id}`"
            )
            return _refused(state, proposed, at, reason, waits=True)
    return LimitsSet(
        id=f"limits/{proposed.id}",
        at=at,
        cause=proposed.id,
        version=state.rules.limits_version + 1,
        limits=proposed.limits,
        by=proposed.by,
        reason=proposed.reason,
        desk_file=name_of(state.desk.limits),
        loosened=tuple(map(str, looser)),
        agreed_with=first,
    )


def _why_not(state: RiskState, proposed: LimitsProposed, at: datetime) -> str:
    """Why it can not be, whatever it loosens; "" = it can."""
    held, age = state.rules.limits_version, at - proposed.at
    if not proposed.by or not proposed.reason.strip() or len(proposed.reason) > TEXT_CHARACTERS_MAX:
        return f"nobody knows who wants it, or why: say so with --reason, in up to {TEXT_CHARACTERS_MAX} characters"
    if proposed.replaces != held:
        return (
            f"it is to replace version {proposed.replaces}, and version {held} holds{_whose(state)}: look what that "
            "has (`signalbox limits show`), and propose it again"
        )
    if not AGE_MIN <= age <= AGE_MAX:
        return f"it was proposed {age.total_seconds():.0f} s ago by the desk's clock: propose it again if it is wanted"
    if wrong := mistakes(proposed.limits, state.desk):
        return " ".join(wrong[:TOLD_MAX]) + f" (And {len(wrong) - TOLD_MAX} more.)" * (len(wrong) > TOLD_MAX)
    if not changes(state.rules.stated, proposed.limits) and not state.rules.is_file_changed:
        return "it is what holds already"
    return ""


def _whose(state: RiskState) -> str:
    last = state.rules.limits
    return f" (set by {last.by}: {last.reason})" if last is not None else " (the desk file's)"


def _agreed_with(state: RiskState, proposed: LimitsProposed) -> str:
    """Who had proposed the very same last, and is somebody else; "" = nobody."""
    waits = state.limits_answered.refused
    if waits is None or not proposed.agrees or waits.cause != proposed.agrees or waits.waiting != proposed.limits:
        return ""
    return waits.by if waits.by != proposed.by else ""


def _told(looser: Sequence[Change]) -> str:
    shown = ", ".join(map(str, looser[:TOLD_MAX]))
    return shown + f" and {len(looser) - TOLD_MAX} more" * (len(looser) > TOLD_MAX)


def _refused(
    state: RiskState, proposed: LimitsProposed, at: datetime, reason: str, *, waits: bool = False
) -> LimitsRefused:
    return LimitsRefused(
        id=f"limits/{proposed.id[:NAMES_CHARACTERS_MAX]}",
        at=at,
        cause=proposed.id[:NAMES_CHARACTERS_MAX],
        version=state.rules.limits_version,
        by=proposed.by,
        reason=reason,
        waiting=proposed.limits if waits else None,
    )


def told(state: RiskState) -> str:
    """For a person: which version holds, whose it is, and what was refused since."""
    last, refused = state.rules.limits, state.limits_answered.refused
    text = "0 (the desk file's)" if last is None else f"{last.version} by {last.by}: {last.reason}"
    if state.rules.is_file_changed:
        text += "; the desk file has others since, which hold too where they are tighter"
    if refused is None:
        return text
    return f"{text}; refused since: {refused.by}: {refused.reason[:TOLD_CHARACTERS_MAX]}"
