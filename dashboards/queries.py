"""Pieces of PromQL that several dashboards use.

Risk and OMS may run as several instances of which one works: what a stand-by exports must not be added to it. So a
figure of theirs is taken `at_work`, and then from one instance only (`one`): during a take-over there may be two.
Counters are added up over instances: each counted what it did itself.
"""

from __future__ import annotations

from dashboards.specification import BLUE, GREEN, ORANGE, RED, Word

OF_VENUE = 'venue=~"$venue"'
OF_ACCOUNT = f'{OF_VENUE},account=~"$account"'
OF_SYMBOL = f'{OF_ACCOUNT},symbol=~"$symbol"'
OF_MARKET = f'{OF_VENUE},symbol=~"$symbol"'
OF_SERVICE = 'service=~"$service"'
OF_JOB = 'job=~"$service"'
USED_UP = 'limit!="account_age_seconds_max"'
"""Limits that orders and positions use up: the age of account figures goes up and down by itself."""


def at_work(service: str, series: str) -> str:
    """The series of the instance that works."""
    return f'{series} and on (instance) (signalbox_active{{service="{service}"}} == 1)'


def one(labels: str, series: str) -> str:
    """One series for each set of labels, whichever instance it comes from."""
    return f"max by ({labels}) ({series})"


def at_venue(metric: str, labels: str = "venue") -> str:
    """A gauge of the gateways, whichever of them works."""
    return one(labels, f"{metric}{{{OF_VENUE}}}")


def rate(labels: str, counter: str) -> str:
    """Per second, added up over instances."""
    return f"sum by ({labels}) (rate({counter}[$__rate_interval]))"


def changes(labels: str, counter: str) -> str:
    """How often in each interval, added up over instances."""
    return f"sum by ({labels}) (increase({counter}[$__rate_interval]))"


def during_range(labels: str, counter: str) -> str:
    """How often in the time that is shown, added up over instances.

    A series that began in that time counts in full: it begins with its first event, which `increase` does not see, and
    orders are few.
    """
    return f"sum by ({labels}) (({counter} unless {counter} offset $__range) or increase({counter}[$__range]))"


def quantile(share: float, labels: str, histogram: str, matchers: str = "") -> str:
    """A quantile of a histogram, over all instances."""
    selector = f"{{{matchers}}}" if matchers else ""
    return (
        f"histogram_quantile({share:g}, sum by (le, {labels}) (rate({histogram}_bucket{selector}[$__rate_interval])))"
    )


def quantile_now(share: float, labels: str, histogram: str, matchers: str = "") -> str:
    """A quantile over the time that is shown: there need not have been anything in the last interval."""
    selector = f"{{{matchers}}}" if matchers else ""
    return f"histogram_quantile({share:g}, sum by (le, {labels}) (increase({histogram}_bucket{selector}[$__range])))"


def mean(labels: str, histogram: str, matchers: str = "") -> str:
    """The mean of a histogram, over all instances."""
    selector = f"{{{matchers}}}" if matchers else ""
    return (
        f"sum by ({labels}) (rate({histogram}_sum{selector}[$__rate_interval])) / "
        f"sum by ({labels}) (rate({histogram}_count{selector}[$__rate_interval]))"
    )


LINK_STATES = {
    1: Word("DOWN", RED),
    2: Word("RECONCILING", ORANGE),
    3: Word("FROZEN", BLUE),
    4: Word("READY", GREEN),
}
MODES = {1: Word("HALTED", RED), 2: Word("REDUCING", ORANGE), 3: Word("ACTIVE", GREEN)}


def word_number(metric: str, matchers: str, label: str, words: dict[int, Word]) -> str:
    """The series of a metric with one 0/1 series a word, each times the word's number: the largest says which it is."""
    before = f"{matchers}," if matchers else ""
    terms = (f'{metric}{{{before}{label}="{word.text}"}} * {number}' for number, word in words.items())
    return "(" + " or ".join(terms) + ")"


LINKS = f"max by (venue) {word_number('signalbox_venue_link', OF_VENUE, 'status', LINK_STATES)}"
"""Each venue's link as a number; of several gateways, the one that can do most."""
LINKS_NOT_READY = f'sum (1 - max by (venue) (signalbox_venue_link{{{OF_VENUE},status="READY"}}))'
TRADING_MODE = f"max ({at_work('risk', word_number('signalbox_risk_trading_mode', '', 'mode', MODES))})"
