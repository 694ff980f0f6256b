"""Limits by scope: what a file may state, every mistake of it at once, and what is looser than before."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from signalbox import messages
from signalbox.desk import Desk, Limits, load_desk
from signalbox.errors import ConfigurationError
from signalbox.limits import (
    LIMITS,
    MISTAKES_MAX,
    PER_NAME,
    Scope,
    as_toml,
    changes,
    load_limits,
    loosened,
    mistakes,
    name_of,
    of_desk_file,
    tables,
    tightest,
)
from signalbox.messages import LimitsByScope

ROOT = Path(__file__).resolve().parents[2]
DESK = load_desk(ROOT / "deploy" / "desk.toml")
ACCOUNT = DESK.venues["ibkr"].accounts[0]
WHOLE = of_desk_file(DESK.limits)


def read(text: str, folder: Path, desk: Desk | None = DESK) -> LimitsByScope:
    file = folder / "limits.toml"
    file.write_text(text)
    return load_limits(file, desk)


def refused(text: str, folder: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text, folder)
    return list(caught.value.mistakes)


def stated(**limits: str | int) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in limits.items()}


def test_the_table_has_every_limit_of_a_desk_file() -> None:
    assert list(LIMITS) == list(Limits.__struct_fields__)


def test_what_is_added_up_over_an_account_is_bounded_for_accounts_alone() -> None:
    for name in ("gross_exposure_max", "open_orders_max", "intents_per_minute_max", "account_age_seconds_max"):
        assert LIMITS[name].scopes == {Scope.DESK, Scope.VENUE, Scope.ACCOUNT}


def test_a_desk_files_limits_are_those_of_the_scope_desk() -> None:
    assert WHOLE.desk["order_quantity_max"] == DESK.limits.order_quantity_max
    assert mistakes(WHOLE, DESK) == []


def test_a_file_states_limits_by_scope(tmp_path: Path) -> None:
    found = read(
        f"""
        [desk]
        order_quantity_max = 100
        price_collar_fraction = "0.05"
        [venue.ibkr]
        order_quantity_max = 50
        [account.{ACCOUNT}]
        gross_exposure_max = 1e5
        [asset_class.STOCK]
        order_quantity_max = 40
        [strategy."slow one"]
        order_quantity_max = 3
        [symbol.SPY]
        order_quantity_max = 10
        """,
        tmp_path,
    )
    assert found.desk == stated(order_quantity_max=100, price_collar_fraction="0.05")
    assert found.strategy == {"slow one": stated(order_quantity_max=3)}
    assert found.account == {ACCOUNT: stated(gross_exposure_max="1E+5")}


def test_what_is_written_as_a_file_is_read_as_the_same(tmp_path: Path) -> None:
    whole = replace(WHOLE, strategy={'a "b" \\c': stated(order_quantity_max=1)}, symbol={"SPY": stated()})
    assert read(as_toml(whole), tmp_path) == replace(whole, symbol={})


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    told = refused(
        """
        [desk]
        order_quantity_max = 0
        order_notional = 5
        price_collar_fraction = 2
        open_orders_max = 1.5
        entries_per_position_max = 2
        [venue.kraken]
        order_quantity_max = 1
        [venue.ibkr]
        exposure_equity_fraction_max = "0.5"
        [account.DU999]
        order_quantity_max = 1
        [asset_class.BOND]
        order_quantity_max = 1
        [strategy.slow]
        gross_exposure_max = 1000
        [symbol.NOPE]
        order_quantity_max = 1
        [symbol.SPY]
        """,
        tmp_path,
    )
    for part in (
        "desk.order_quantity_max is 0: a limit is a number above 0",
        "desk.order_notional is no limit of the desk: did you mean order_notional_max?",
        "desk.price_collar_fraction is 2: it is a fraction, at most 1",
        "desk.open_orders_max is 1.5: it is a whole number",
        "desk.entries_per_position_max is 2: it is a whole number of at most 1.",
        "venue.ibkr.exposure_equity_fraction_max is of the whole desk: state it for desk.",
        "venue.kraken names nothing that the desk trades",
        "account.DU999 names nothing that the desk trades",
        "asset_class.BOND names nothing that the desk trades",
        "strategy.slow.gross_exposure_max is of a whole account: state it for one of desk, venue, account",
        "symbol.NOPE names nothing that the desk trades",
        "symbol.SPY states no limit: take it out.",
    ):
        assert len([line for line in told if line.startswith(part)]) == 1, part
    assert len(told) == 12


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "It states no limit at all"),
        ("[desk", "is not TOML"),
        ("[desk]\norder_quantity_max = [1]", 'desk.order_quantity_max is [1]: it must be a decimal number, as "0.05".'),
        ("[strategie.x]\na = 1", "strategie is no key that is read: did you mean strategy?"),
        ("[desk]\nstop_required = 2", "desk.stop_required is 2: state 1, or leave it out"),
        ("[desk]\ndrawdown_max_fraction = 2", "desk.drawdown_max_fraction is 2: it is a fraction, at most 1"),
        (
            "[desk]\ncooldown_seconds_after_stop = 9\n[symbol.SPY]\ncooldown_seconds_after_stop = 8",
            "symbol:SPY has cooldown_seconds_after_stop 8, and desk 9: the tightest holds, so that this never would. "
            "Raise it, or lower the other.",
        ),
        ("[desk]\norder_quantity_max = nan", "desk.order_quantity_max is NaN: a limit is a number above 0"),
        ("[desk]\norder_quantity_max = 1e99999999999999999999", "is not TOML"),
        ('[strategy.""]\norder_quantity_max = 1', "strategy. is no name"),
    ],
)
def test_what_is_no_limits_file_is_said(text: str, told: str, tmp_path: Path) -> None:
    assert any(told in line for line in refused(text, tmp_path))


@pytest.mark.parametrize(
    "narrow",
    [
        LimitsByScope(desk=stated(order_quantity_max=5), symbol={"SPY": stated(order_quantity_max=6)}),
        LimitsByScope(desk=stated(order_quantity_max=5), strategy={"x": stated(order_quantity_max=6)}),
        LimitsByScope(venue={"ibkr": stated(order_quantity_max=5)}, account={ACCOUNT: stated(order_quantity_max=6)}),
        LimitsByScope(
            asset_class={"STOCK": stated(order_quantity_max=5)}, symbol={"SPY": stated(order_quantity_max=6)}
        ),
    ],
)
def test_what_a_wider_scope_keeps_from_ever_holding_contradicts_itself(narrow: LimitsByScope) -> None:
    [told] = mistakes(narrow, DESK)
    assert "has order_quantity_max 6, and " in told
    assert "the tightest holds, so that this never would" in told


def test_scopes_that_are_not_within_each_other_contradict_nothing() -> None:
    limits = LimitsByScope(venue={"ibkr": stated(order_quantity_max=5)}, symbol={"SPY": stated(order_quantity_max=6)})
    assert mistakes(limits, DESK) == []


def test_one_name_may_not_send_more_than_all() -> None:
    wrong = LimitsByScope(desk=stated(intents_per_minute_max=5, intents_per_minute_per_name_max=6))
    assert mistakes(wrong, None) == ["desk.intents_per_minute_per_name_max is 6, of 5 that all may send: lower it."]


def test_a_set_is_bounded_and_so_is_what_is_told_of_it() -> None:
    many = {f"s{number:03}": stated(order_quantity_max=1) for number in range(400)}
    assert "that a version may have" in mistakes(LimitsByScope(strategy=many), DESK)[-1]
    wrong = LimitsByScope(strategy={name: stated(nothing=1) for name in many})
    assert len(mistakes(wrong, DESK)) == MISTAKES_MAX + 1


def test_what_lets_more_through_is_looser() -> None:
    before = LimitsByScope(desk=stated(order_quantity_max=5), symbol={"SPY": stated(order_quantity_max=2)})
    raised = replace(before, desk=stated(order_quantity_max=6))
    taken_out = replace(before, symbol={})
    lowered = replace(before, desk=stated(order_quantity_max=4), strategy={"x": stated(order_quantity_max=1)})
    assert [str(each) for each in loosened(before, raised)] == ["desk order_quantity_max: 5 -> 6"]
    assert [str(each) for each in loosened(before, taken_out)] == ["symbol:SPY order_quantity_max: 2 -> not stated"]
    assert loosened(before, lowered) == ()
    assert len(changes(before, lowered)) == 2


def test_the_share_of_one_name_is_half_where_it_is_not_stated() -> None:
    before = LimitsByScope(desk=stated(intents_per_minute_max=60))
    after = LimitsByScope(desk=stated(intents_per_minute_max=60, intents_per_minute_per_name_max=60))
    assert [each.limit for each in loosened(before, after)] == ["intents_per_minute_per_name_max"]
    assert loosened(after, before) == ()


def test_where_two_hold_the_tighter_one_does() -> None:
    one = LimitsByScope(desk=stated(order_quantity_max=5), symbol={"SPY": stated(order_quantity_max=2)})
    other = LimitsByScope(desk=stated(order_quantity_max=4, open_orders_max=7))
    assert tightest(one, other) == replace(one, desk=stated(order_quantity_max=4, open_orders_max=7))


def test_other_limits_of_a_desk_file_have_another_name() -> None:
    assert name_of(DESK.limits) == name_of(replace(DESK.limits))
    assert name_of(DESK.limits) != name_of(replace(DESK.limits, open_orders_max=1))


def test_what_is_not_stated_is_not_on_the_wire() -> None:
    assert messages.encode(LimitsByScope(desk=stated(open_orders_max=3))) == b'{"desk":{"open_orders_max":"3"}}'


@pytest.mark.parametrize("profile", ["paper", "conservative", "aggressive"])
def test_a_profile_states_every_limit_and_contradicts_nothing(profile: str) -> None:
    found = load_limits(ROOT / "profiles" / f"{profile}.toml", DESK)
    missing = set(LIMITS) - {name for _, _, each in tables(found) for name in each} - {PER_NAME}
    optional = {name for name in LIMITS if LIMITS[name].is_optional}
    assert missing == {"paper": optional, "aggressive": {"stop_required"}}.get(profile, set())
    assert found == load_limits(ROOT / "profiles" / f"{profile}.toml", None)


def test_the_profiles_are_in_order() -> None:
    conservative, aggressive, paper = (
        load_limits(ROOT / "profiles" / f"{name}.toml", DESK) for name in ("conservative", "aggressive", "paper")
    )
    assert loosened(aggressive, conservative) == loosened(paper, aggressive) == ()


def test_the_paper_profile_is_what_the_desk_file_has() -> None:
    assert changes(WHOLE, load_limits(ROOT / "profiles" / "paper.toml", DESK)) == ()


def test_of_a_cooldown_the_longer_is_the_tighter_one() -> None:
    short, long = (LimitsByScope(desk=stated(cooldown_seconds_after_stop=seconds)) for seconds in (5, 9))
    assert tightest(short, long) == tightest(long, short) == long
    assert loosened(short, long) == ()
    assert [str(change) for change in loosened(long, short)] == ["desk cooldown_seconds_after_stop: 9 -> 5"]


def test_what_a_desk_file_leaves_out_and_may_does_not_change_what_its_limits_are_called() -> None:
    """The name is that of before there were optional limits: sets that operators made beside it still know the file."""
    before = {name: getattr(DESK.limits, name) for name in LIMITS if not LIMITS[name].is_optional}
    assert name_of(DESK.limits) == sha256(msgspec.json.encode(before)).hexdigest()[:16]
    assert name_of(replace(DESK.limits, daily_loss_max=Decimal(5))) != name_of(DESK.limits)
