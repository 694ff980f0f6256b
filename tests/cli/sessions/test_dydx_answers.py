"""Which recorded answer a question gets: none from the future, and none that contradicts another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from signalbox.errors import ConfigurationError
from signalbox_cli.sessions.dydx_answers import Answers
from signalbox_cli.sessions.dydx_node_messages import BROADCAST, LATEST_BLOCK
from signalbox_cli.sessions.dydx_script import Script, key_of_call, script_of
from signalbox_cli.sessions.dydx_today import Today
from signalbox_cli.sessions.session_file import Header, Line, Session

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
HEADER = Header(
    format="signalbox-session", version=1, venue="dydx", started=AT, account="dydx1x-0", clock="wall",
    market_data_type="LIVE", timeframes=("1m",), instruments=(),
)  # fmt: skip
SUBACCOUNT = "/v4/addresses/dydx1x/subaccountNumber/0"
SUBSCRIBED = ("gateway", 3, ("text", '{"type":"subscribe","channel":"v4_subaccounts","id":"dydx1x/0"}'))
Said = tuple[str, int, tuple[str, ...]]


def script(*said: Said) -> Script:
    lines = [
        Line(at=AT + timedelta(seconds=at), link=link, by=by, fields=fields)  # type: ignore[arg-type]
        for at, (by, link, fields) in enumerate((SUBSCRIBED, *said))
    ]
    return script_of(Session(HEADER, tuple(lines)))


def asked(path: str, body: str, status: str = "200", query: str = "", number: int = 0) -> list[Said]:
    """A question and its answer."""
    number = number or asked_count()
    return [("gateway", 2, ("ask", str(number), path, query)), ("venue", 2, ("answer", str(number), status, body))]


_count = iter(range(1, 10**9))


def asked_count() -> int:
    return next(_count)


def chain(height: int, fills: str) -> list[Said]:
    """What a gateway asks when it holds everything against the venue."""
    return [
        *asked("/v4/height", f'{{"height":"{height}","time":""}}'),
        *asked("/v4/orders", f"orders at {height}"),
        *asked("/v4/fills", fills),
        *asked(SUBACCOUNT, f"figures at {height}"),
        *asked("/v4/fills", fills),
    ]


def body(answers: Answers, key: str, asked_at: int = 10**9, *, in_a_hurry: bool = True) -> str | None:
    found = answers.answer(key, asked_at, in_a_hurry=in_a_hurry)
    return found.body if found is not None else None


def test_nothing_is_told_before_its_place() -> None:
    answers = Answers(script(*asked("/v4/perpetualMarkets", "markets")))
    assert body(answers, "/v4/perpetualMarkets") is None
    answers.place = 3
    assert body(answers, "/v4/perpetualMarkets") == "markets"


def test_answers_that_belong_together_are_of_one_inquiry() -> None:
    said = [*chain(7, "none"), *chain(9, "a fill")]
    answers = Answers(script(*said))
    for place in range(len(said) + 2):
        answers.place = place
        height = body(answers, "/v4/height")
        fills, orders = body(answers, "/v4/fills"), body(answers, "/v4/orders")
        if fills is not None and height is not None and '"9"' in height:
            assert fills == "a fill", f"at {place}: what the height contains is missing"
        if orders is not None and height is not None and '"9"' in height:
            assert orders == "orders at 9"


def test_figures_are_not_older_than_the_fills_that_were_told() -> None:
    said = [*chain(7, "none"), *chain(9, "a fill")]
    answers = Answers(script(*said))
    answers.place = 1 + 10 + 6  # behind the second inquiry's fills, before its figures
    assert body(answers, "/v4/height", 11, in_a_hurry=False) == '{"height":"9","time":""}'
    assert body(answers, "/v4/fills", in_a_hurry=False) == "a fill"
    assert body(answers, SUBACCOUNT, in_a_hurry=False) is None
    answers.place += 2
    assert body(answers, SUBACCOUNT, in_a_hurry=False) == "figures at 9"


def test_a_height_that_is_asked_for_is_the_next_one_unless_it_takes_long() -> None:
    answers = Answers(script(*chain(7, "none"), *chain(9, "none")))
    answers.place = 11
    assert body(answers, "/v4/height", 11, in_a_hurry=False) is None
    assert body(answers, "/v4/height", 11, in_a_hurry=True) == '{"height":"7","time":""}'


def test_a_height_is_not_told_before_what_belongs_to_it() -> None:
    said = chain(7, "none")
    answers = Answers(script(*said, *asked("/v4/height", '{"height":"8","time":""}')))
    answers.place = 13  # the last height of an inquiry has nothing behind it
    assert body(answers, "/v4/height", 1, in_a_hurry=False) == '{"height":"7","time":""}'
    for path in ("/v4/orders", "/v4/fills", SUBACCOUNT, "/v4/fills"):
        assert body(answers, path, in_a_hurry=False) is not None


def test_a_failure_is_met_once_and_not_when_it_is_over() -> None:
    said = [*asked("/v4/height", "", "503"), *asked("/v4/height", '{"height":"7","time":""}')]
    answers = Answers(script(*said))
    answers.place = 3
    failure = answers.failure("/v4/height")
    assert failure is not None
    assert failure.status == "503"
    assert answers.failure("/v4/height") is None
    late = Answers(script(*said))
    late.place = 5
    assert late.failure("/v4/height") is None


def test_candles_that_were_not_recorded_are_no_empty_answer() -> None:
    rows = '{"candles":[{"startedAt":"2026-11-30T10:00:00Z"},{"startedAt":"2026-11-30T11:00:00Z"}]}'
    query = "fromISO=2026-11-30T09:00:00Z&toISO=2026-11-30T12:00:00Z&resolution=1MIN"
    answers = Answers(script(*asked("/v4/candles/perpetualMarkets/X", rows, query=query)))
    answers.place = 3
    key = "/v4/candles/perpetualMarkets/X resolution=1MIN"

    def asked_for(begin: str, end: str) -> list[str] | None:
        found = answers.candles(key, {"fromISO": f"2026-11-30T{begin}:00Z", "toISO": f"2026-11-30T{end}:00Z"})
        return [row["startedAt"] for row in found["candles"]] if found is not None else None

    assert asked_for("09:00", "10:30") == ["2026-11-30T10:00:00Z"]
    assert asked_for("09:00", "12:01") == ["2026-11-30T11:00:00Z", "2026-11-30T10:00:00Z"]
    assert asked_for("11:30", "11:40") == []
    assert asked_for("07:00", "08:00") is None
    assert asked_for("11:30", "13:00") is None


def placed(number: str, verdict: str) -> Sequence[Said]:
    about = '{"hash":"00","place":{"id":"recorded"}}'
    return [
        ("gateway", 1, ("call", number, BROADCAST, about)),
        ("venue", 1, ("answer", number, "OK", verdict)),
    ]


def test_a_transaction_that_is_sent_again_is_answered_as_then_and_the_rest_as_the_last() -> None:
    answers, today = Answers(script(*placed("91", "first"), *placed("92", "second"), *placed("93", "third"))), Today()
    today.pair("recorded", "today")
    told = [answers.repeated({"place": {"id": "today"}}, today) for _ in range(5)]
    assert told == [None, ("OK", "second"), ("OK", "third"), ("OK", "third"), ("OK", "third")]


def test_the_newest_block_is_of_the_node_or_of_the_indexer() -> None:
    call = [
        ("gateway", 1, ("call", "81", LATEST_BLOCK, "{}")),
        ("venue", 1, ("answer", "81", "OK", '{"height":"12","time":"then"}')),
    ]
    answers = Answers(script(*chain(7, "none"), *call))
    answers.place = 5
    assert answers.newest_block() == {"blockHeight": "7", "time": ""}
    answers.place = 20
    assert answers.newest_block() == {"blockHeight": "12", "time": "then"}
    assert body(answers, key_of_call(LATEST_BLOCK, {})) == '{"height":"12","time":"then"}'


def test_at_the_end_the_latest_answer_counts() -> None:
    call = [
        ("gateway", 1, ("call", "82", LATEST_BLOCK, "{}")),
        ("venue", 1, ("answer", "82", "OK", '{"height":"12","time":"then"}')),
    ]
    answers = Answers(script(*chain(7, "none"), *call))
    answers.place, answers.over = 13, True
    assert body(answers, "/v4/height") == '{"height":"12","time":"then"}', "as the node had it last"
    assert body(answers, SUBACCOUNT) == "figures at 7"
    assert body(answers, "/v4/transfers") is None


def test_a_session_without_a_websocket_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        script_of(Session(HEADER, ()))
    assert "there is nothing to play" in caught.value.mistakes[0]
