"""For how long a list was without its stop, from the record alone: what the OMS counts, and no other figure."""

from __future__ import annotations

from typing import Any

from signalbox import messages
from signalbox_cli.unprotected import unprotected


def stored(desk: Any) -> list[tuple[int, str]]:
    return [(number, messages.encode(event).decode()) for number, event in enumerate(desk.log, 1)]


def test_the_record_of_a_list_says_what_the_oms_counts(make: Any) -> None:
    desk = make.desk().run(make.bracket(targets=("1",)), make.accepted("b.entry"))
    desk.take(make.fill("100", order_id="b.entry", execution_id="in1"))
    begun = unprotected("b", stored(desk))
    assert begun is not None
    assert (begun.seconds, begun.since) == (0.0, desk.state.lists["b"].unprotected_since)
    assert begun.since is not None
    desk.run(make.accepted("b.stop", "9002", seconds=5))
    known = desk.state.lists["b"]
    ended = unprotected("b", stored(desk))
    assert ended is not None
    assert (ended.seconds, ended.since) == (known.unprotected_seconds, None)
    assert ended.seconds > 0


def test_what_is_no_list_has_no_such_figure(make: Any) -> None:
    assert unprotected("o1", stored(make.desk().run(make.approved()))) is None
