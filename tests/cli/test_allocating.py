"""An order for a group of accounts: which parts it is sent in, and when it is not sent at all."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from signalbox.account_groups import AccountGroup
from signalbox.bus import Bus
from signalbox.desk import Desk, load_desk
from signalbox.errors import ConfigurationError
from signalbox.messages import AllocationMethod, OrderIntent, OrderListIntent, QueryReply
from signalbox_cli import allocating
from signalbox_cli.__main__ import build_parser
from signalbox_cli.allocating import check_options, for_group, group_of, shared_out, weights_of
from signalbox_cli.bracket import list_intent
from signalbox_cli.order_options import order_intent

AT = datetime(2026, 1, 5, 15, tzinfo=UTC)
SHIPPED = Path(__file__).parents[2] / "deploy" / "desk.toml"
GROUP = '\n[[groups]]\nvenue = "ibkr"\nname = "growth"\naccounts = ["DU1", "DU2", "DU3"]\n'


@pytest.fixture
def desk_file(tmp_path: Path) -> Path:
    path = tmp_path / "desk.toml"
    path.write_text(SHIPPED.read_text().replace('accounts = ["DU1234567"]', 'accounts = ["DU1", "DU2", "DU3"]') + GROUP)
    return path


@pytest.fixture
def desk(desk_file: Path) -> Desk:
    return load_desk(desk_file)


def parsed(words: str) -> argparse.Namespace:
    given = words.split()
    return build_parser(given).parse_args(given)


def order(words: str = "intent buy 100 SPY --id a") -> OrderIntent:
    return order_intent(parsed(words), AT)


def bracket(words: str) -> OrderListIntent:
    return list_intent(parsed(words), AT)


def entries(lists: list[Any]) -> list[Decimal]:
    return [each.legs[0].quantity for each in lists]


def figure(account: str, amount: str | None = "100", **changes: Any) -> dict[str, Any]:
    values = {"account": account, "currency": "USD", "figure": amount, "said_at": AT.isoformat()}
    return values | changes


class Recorder:
    """Answers what is asked of the accounts and the instrument."""

    def __init__(self, *figures: dict[str, Any], lot: str | None = "1.000") -> None:
        self.asked: list[str] = []
        self._figures, self._lot = figures, lot

    async def query(self, bus: Bus, sql: str) -> QueryReply:
        self.asked.append(sql)
        if "FROM instruments" in sql:
            return QueryReply(columns=("lot_size",), rows=((self._lot,),) if self._lot else ())
        return QueryReply(
            columns=("account", "currency", "figure", "said_at"),
            rows=tuple(tuple(each.values()) for each in self._figures),
        )


async def sent(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder, desk_file: Path | None, words: str, *statuses: int
) -> tuple[int, list[Any]]:
    """The exit status of a command, and what it has published."""
    arguments, published, left = parsed(words), [], [*statuses]
    monkeypatch.setattr(allocating, "query", recorder.query)

    async def publish(intent: Any) -> int:
        published.append(intent)
        return left.pop(0) if left else 0

    status = await for_group(cast(Bus, None), desk_file, list_intent(arguments, AT), arguments, publish)
    return status, published


async def test_each_account_has_an_intent_of_its_part(
    monkeypatch: pytest.MonkeyPatch, desk_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = Recorder(figure("DU3", "0"), figure("DU1", "300"), figure("DU2", "100"))
    words = "bracket buy 100 SPY --id a --limit 430 --stop 420 --group growth --method NetLiq"
    status, intents = await sent(monkeypatch, recorder, desk_file, words)
    assert status == 0
    assert [(each.id, each.account) for each in intents] == [("a-1", "DU1"), ("a-2", "DU2")]
    assert entries(intents) == [75, 25]
    assert {each.legs[0].limit_price for each in intents} == {Decimal(430)}
    assert "net_liquidation" in recorder.asked[-1]
    told = capsys.readouterr().out
    assert "DU3" in told  # that it gets nothing is said
    assert "75" in told


async def test_available_equity_is_what_is_free(monkeypatch: pytest.MonkeyPatch, desk_file: Path) -> None:
    recorder = Recorder(figure("DU1"), figure("DU2"), figure("DU3"))
    words = "bracket buy 9 SPY --stop 420 --group growth --method AvailableEquity --json"
    _, intents = await sent(monkeypatch, recorder, desk_file, words)
    assert entries(intents) == [3, 3, 3]
    assert "available_funds" in recorder.asked[-1]


async def test_equal_parts_need_no_figures(monkeypatch: pytest.MonkeyPatch, desk_file: Path) -> None:
    recorder = Recorder()
    _, intents = await sent(monkeypatch, recorder, desk_file, "bracket buy 100 SPY --stop 420 --group growth")
    assert entries(intents) == [34, 33, 33]
    assert len(recorder.asked) == 1


async def test_a_brackets_entry_is_shared_out_and_its_exits_follow(
    monkeypatch: pytest.MonkeyPatch, desk_file: Path
) -> None:
    words = "bracket buy 90 SPY --id b --stop 420 --target 440@50% --target 450 --group growth"
    _, lists = await sent(monkeypatch, Recorder(), desk_file, words)
    assert [(each.id, each.account) for each in lists] == [("b-1", "DU1"), ("b-2", "DU2"), ("b-3", "DU3")]
    for each in lists:
        assert isinstance(each, OrderListIntent)
        assert [leg.quantity for leg in each.legs] == [30, None, None, None]


@pytest.mark.parametrize(("statuses", "status"), [((0, 3, 4), 3), ((0, 4, 0), 4), ((0, 0, 1), 1), ((0, 0, 0), 0)])
async def test_the_worst_that_came_of_them_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, desk_file: Path, statuses: tuple[int, ...], status: int
) -> None:
    words = "bracket buy 90 SPY --stop 420 --group growth"
    assert (await sent(monkeypatch, Recorder(), desk_file, words, *statuses))[0] == status


@pytest.mark.parametrize(
    ("recorder", "words", "said"),
    [
        (Recorder(), "bracket buy 9 SPY --stop 420 --group value", "no group 'value' at ibkr: it has growth"),
        (Recorder(), "bracket buy 1 BTC-USD --stop 420 --group growth", "no group 'growth' at dydx: it has none"),
        (Recorder(lot=None), "bracket buy 9 SPY --stop 420 --group growth", "has not said in which lots"),
        (Recorder(), "bracket buy 9.5 SPY --stop 420 --group growth", "must be a number of lots of 1"),
        (
            Recorder(),
            "bracket buy 9 SPY --stop 420 --group growth --method NetLiq",
            "has not said what account DU1 has",
        ),
    ],
)
async def test_what_can_not_be_shared_out_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, desk_file: Path, recorder: Recorder, words: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        await sent(monkeypatch, recorder, desk_file, words)


async def test_without_a_desk_file_nobody_knows_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="is said by the desk file"):
        await sent(monkeypatch, Recorder(), None, "bracket buy 9 SPY --stop 420 --group growth")


@pytest.mark.parametrize(
    ("third", "said"),
    [
        (figure("DU3", None), "has not said what account DU3 has"),
        (figure("DU3", said_at=None), "has not said what account DU3 has"),
        (figure("DU3", currency="HKD"), "account DU3 is in HKD and account DU1 in USD"),
        (figure("DU3", said_at=(AT - timedelta(hours=1)).isoformat()), "account DU3 is 3600 s old"),
    ],
)
def test_figures_that_are_missing_old_or_of_other_money_are_told(desk: Desk, third: dict[str, Any], said: str) -> None:
    group = group_of(desk, "ibkr", "growth")
    with pytest.raises(ConfigurationError, match=said):
        weights_of(desk, group, [figure("DU1"), figure("DU2"), third], AT)


def test_figures_of_accounts_outside_the_group_do_not_count(desk: Desk) -> None:
    group = AccountGroup(venue="ibkr", name="pair", accounts=("DU2", "DU1"))
    told = [figure("DU9", "1000"), figure("DU1", "20"), figure("DU2", "10.5")]
    assert weights_of(desk, group, told, AT) == {"DU2": Decimal("10.5"), "DU1": Decimal(20)}


def test_whoever_gets_nothing_has_no_intent() -> None:
    intents = shared_out(bracket("bracket buy 7 SPY --id a --stop 420"), {"DU1": Decimal(0), "DU2": Decimal(100)})
    assert [(each.id, each.account) for each in intents] == [("a-1", "DU2")]
    assert entries(intents) == [100]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("intent buy 9 SPY --group growth --account DU1", "--account or for a --group"),
        ("bracket buy 9 SPY --stop 420 --method NetLiq", "name the group"),
        ("intent sell 25% SPY", "of a --group holds: name the group"),
        ("intent sell 25% SPY --group growth --method NetLiq", "a percentage is of what each account holds"),
    ],
)
def test_options_that_contradict_each_other_are_told(words: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        check_options(parsed(words))


def test_an_order_for_a_group_is_one_intent() -> None:
    found = order("intent buy 100 SPY --group growth --method NetLiq")
    assert (found.group, found.method, found.account) == ("growth", AllocationMethod.NET_LIQ, "")
    assert (found.quantity, found.percent) == (100, None)


def test_a_percentage_is_of_what_each_holds() -> None:
    found = order("intent sell 25% SPY --group growth")
    assert (found.method, found.quantity, found.percent) == (AllocationMethod.PCT_CHANGE, 0, 25)
    with pytest.raises(SystemExit):
        parsed("bracket buy 25% SPY --stop 420 --group growth")
