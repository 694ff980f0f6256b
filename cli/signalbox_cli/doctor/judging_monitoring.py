"""The verdicts on what watches the desk: is it scraped, and does a person hear of an alert? Pure."""

from __future__ import annotations

from collections.abc import Iterator

from signalbox.desk import ClockSource

from signalbox_cli.doctor.facts import AlertmanagerSeen, Facts, PrometheusSeen
from signalbox_cli.doctor.verdicts import Check, bad_for_money, failed, not_checked, ok, warning
from signalbox_cli.simulated_venues import services_of

VENUE_CLOCK_SECONDS_MAX = 3.0
"""The alert ClockSkew's bound."""
PAGE, DEAD_MANS_SWITCH = "page", "dead-mans-switch"
SET_RECEIVER = 'give it a way out: docs/alerting.md, "Set a receiver"'


def judge_monitoring(facts: Facts, *, live: bool) -> list[Check]:
    """Every check that needs Prometheus or Alertmanager."""
    prometheus, alertmanager = facts.prometheus, facts.alertmanager
    checks: list[Check] = []
    if prometheus is None or prometheus.problem:
        names = ("prometheus", "clocks of venues", "positions and cash")
        checks += _unseen(names, "Prometheus", "--prometheus-url", prometheus.problem if prometheus else "", live=live)
    else:
        checks += _judge_prometheus(facts, prometheus)
    if alertmanager is None or alertmanager.problem:
        names = ("alertmanager", f"receiver {PAGE}", f"receiver {DEAD_MANS_SWITCH}")
        checks += _unseen(
            names, "Alertmanager", "--alertmanager-url", alertmanager.problem if alertmanager else "", live=live
        )
    else:
        checks += _judge_alertmanager(alertmanager, live=live)
    return checks


def _unseen(names: tuple[str, ...], what: str, option: str, problem: str, *, live: bool) -> Iterator[Check]:
    for name in names:
        if problem:
            observed, action = f"{what} does not answer ({problem})", f"start {what}, or correct {option}"
            yield bad_for_money(name, observed, action, live=live)
        else:
            yield not_checked(name, f"no address of {what} was given", f"name it with {option}")


def _judge_prometheus(facts: Facts, seen: PrometheusSeen) -> Iterator[Check]:
    down = [service for service in services_of(facts.desk) if not seen.up.get(service, (0, 0))[0]]
    if down:
        yield failed(
            "prometheus", f"does not reach {', '.join(down)}", "docs/runbooks/service-down.md; its targets page"
        )
    elif not seen.has_watchdog:
        yield failed("prometheus", "has no rule Watchdog", "let it read deploy/prometheus/rules")
    elif not seen.alertmanagers:
        yield failed("prometheus", "sends to no Alertmanager", "set `alerting` as in deploy/prometheus/prometheus.yml")
    else:
        yield ok("prometheus", "scrapes every service, has the rules, sends to Alertmanager")
    offsets = ", ".join(f"{venue} {offset:+.3f} s" for venue, offset in sorted(seen.clock_offset_seconds.items()))
    if any(abs(offset) > VENUE_CLOCK_SECONDS_MAX for offset in seen.clock_offset_seconds.values()):
        simulated = facts.desk.clock is ClockSource.SIMULATED
        judge = warning if simulated else failed
        yield judge("clocks of venues", offsets, "docs/runbooks/clock-skew.md")
    elif unseen := sorted(set(facts.desk.venues) - set(seen.clock_offset_seconds)):
        yield not_checked("clocks of venues", f"not told: {', '.join(unseen)}", "wait until the gateway is connected")
    else:
        yield ok("clocks of venues", offsets)
    drifting = [f"{where}: {count:g}" for where, count in sorted(seen.drift.items()) if count]
    if drifting:
        yield failed("positions and cash", "; ".join(drifting), "docs/runbooks/position-mismatch.md")
    elif not seen.drift:
        yield not_checked("positions and cash", "the OMS has compared nothing yet", "wait for the venue's snapshot")
    else:
        yield ok("positions and cash", "the desk's are the venues' own")


def _judge_alertmanager(seen: AlertmanagerSeen, *, live: bool) -> Iterator[Check]:
    if seen.watchdog_receivers is None:
        action = "it comes each minute while all is well: see Prometheus' alerts page, and docs/runbooks/watchdog.md"
        yield failed("alertmanager", "the alert Watchdog has not arrived", action)
    elif seen.failed_notifications:
        observed = f"{seen.failed_notifications} notifications have failed since it started"
        yield warning("alertmanager", observed, "its log says which; mend the receiver, then restart it")
    else:
        yield ok("alertmanager", "has the alert Watchdog")
    yield _judge_receivers(PAGE, seen.test_receivers, seen, live=live)
    yield _judge_receivers(DEAD_MANS_SWITCH, seen.watchdog_receivers, seen, live=live)
    if seen.test_receivers is not None:
        observed = f"sent to {', '.join(seen.test_receivers) or 'nobody'}"
        yield ok("test alert", f"{observed}: only you can say whether it has reached you")


def _judge_receivers(expected: str, went_to: tuple[str, ...] | None, seen: AlertmanagerSeen, *, live: bool) -> Check:
    """Whether somebody is told: by the receivers that such an alert went to, else by the one that is meant for it."""
    receivers = went_to or (expected,)
    name, ways = f"receiver {expected}", {receiver: seen.ways_out.get(receiver, 0) for receiver in receivers}
    if not any(ways.values()):
        told = "is not there" if expected not in seen.ways_out and not went_to else "tells nobody"
        return bad_for_money(name, f"{', '.join(receivers)} {told}", SET_RECEIVER, live=live)
    return ok(name, ", ".join(f"{receiver}: {count} kind(s) of ways out" for receiver, count in ways.items()))
