"""Whether what a gateway says was said on the subject where it belongs.

Owns which messages are a gateway's to say. What a subject is called is `signalbox.subjects`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from signalbox import subjects
from signalbox.messages import AccountState, Bar, FundingRate, Instrument, Message, Quote, Report, VenueLink

SAID_BY_GATEWAYS: dict[type[Message], Callable[[Any], str]] = {
    Quote: lambda said: subjects.quote(said.venue, said.symbol),
    Bar: lambda said: subjects.bar(said.venue, said.symbol, said.timeframe),
    Instrument: lambda said: subjects.instrument(said.venue, said.symbol),
    FundingRate: lambda said: subjects.funding(said.venue, said.symbol),
    AccountState: lambda said: subjects.account(said.venue, said.account),
    VenueLink: lambda said: subjects.link(said.venue, said.account),
    **dict.fromkeys(get_args(Report), subjects.report),
}


def belongs(message: Message, subject: str) -> bool:
    """Whether what a gateway says was said where it belongs; True of what is no gateway's to say.

    The server knows who may publish on a subject, and nobody knows who has written what is in a message: one that
    speaks of another venue, account or symbol than its subject may be of a gateway that has no say there.
    """
    where = SAID_BY_GATEWAYS.get(type(message))
    if where is None:
        return True
    if isinstance(message, Bar):
        words = subject.split(".")
        subject = ".".join((*words[:2], *words[-3:]))  # it is stored with its partition, and told without
    return where(message) == subject
