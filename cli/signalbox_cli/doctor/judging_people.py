"""The verdicts on people: on people.conf, whether the server lets them in, and whether they have names at all. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from signalbox_cli.doctor.facts import PeopleSeen
from signalbox_cli.doctor.verdicts import Check, bad_for_money, failed, not_checked, ok, warning

FILE, PEOPLE, NAMES = "people.conf", "people", "names"
HOW = "docs/nats.md, People"


def judge_people(seen: PeopleSeen | None, *, live: bool) -> Iterator[Check]:
    """Three checks, or the first alone where nothing is known of people."""
    if seen is None:
        yield not_checked(FILE, "which one the server reads is not known", "name it: SIGNALBOX_PEOPLE_FILE")
        return
    if seen.problem:
        yield failed(FILE, seen.problem, f"put back the last good one; nats-server does not start without: {HOW}")
        return
    yield _judge_file(seen, live=live)
    yield _judge_standing(seen)
    yield _judge_names(seen, live=live)


def _judge_file(seen: PeopleSeen, *, live: bool) -> Check:
    if not seen.private:
        observed = f"others may read {seen.path} ({seen.mode:o}): who there is, and a hash of each password"
        return bad_for_money(FILE, observed, f"chmod 600 {seen.path}", live=live)
    if not seen.is_up_to_date:
        observed = f"{seen.path} was written by another version: its accounts are not those that roles have now"
        return bad_for_money(FILE, observed, f"`signalbox people reload`: {HOW}", live=live)
    return ok(FILE, f"{seen.path}: {len(seen.added)} were added; nobody else can read it")


def _judge_standing(seen: PeopleSeen) -> Check:
    if seen.refused:
        observed = f"the server does not let in {', '.join(seen.refused)}, who stand in people.conf"
        action = f"have it read people.conf again, `signalbox people reload`, or renew the password: {HOW}"
        return failed(PEOPLE, observed, action)
    if seen.unheard:
        observed = f"the server lets in {', '.join(seen.unheard)}, but nothing that they say arrives"
        return failed(PEOPLE, observed, f"have it read people.conf once more, `signalbox people reload`: {HOW}")
    tried = [name for name in seen.added if name not in seen.untried]
    untried = f"not tried, for want of a password here: {', '.join(seen.untried)}" if seen.untried else ""
    let_in = f"the server lets in {', '.join(tried)}" if tried else ""
    return ok(PEOPLE, "; ".join(filter(None, (let_in, untried))) or "nobody was added")


def _judge_names(seen: PeopleSeen, *, live: bool) -> Check:
    if seen.added:
        return ok(NAMES, f"{', '.join(seen.added)}, beside `user` and `operator`")
    observed = "everybody is `user` or `operator`: nobody knows who did what, and all share one's bounds"
    if live:
        return warning(NAMES, observed, f"`signalbox people add NAME --role ROLE` for each person and program: {HOW}")
    return ok(NAMES, "everybody is `user` or `operator`; with real money each has a name of his own")
