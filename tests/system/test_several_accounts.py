"""A desk with several accounts at a venue, as a person runs it: an order for a group of them, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.running_desk import SPEED, START, RunningDesk

SHIPPED = Path(__file__).parents[2] / "deploy" / "desk.toml"
FIRST, SECOND = "DU1234567", "DU7654321"
GROUP = f'\n[[groups]]\nvenue = "ibkr"\nname = "both"\naccounts = ["{FIRST}", "{SECOND}"]\n'


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    folder = tmp_path_factory.mktemp("several")
    file = folder / "mine.toml"
    accounts = f'accounts = ["{FIRST}"]', f'accounts = ["{FIRST}", "{SECOND}"]'
    file.write_text(SHIPPED.read_text().replace(*accounts) + GROUP)
    running = RunningDesk(folder / "desk", "--start", START, "--speed", SPEED, "--desk", str(file))
    try:
        running.up()
        yield running
    finally:
        if running.process is not None:
            running.end()


def test_an_order_for_a_group_is_an_order_fill_and_position_in_each_account(several: RunningDesk) -> None:
    done = several.run("intent", "buy", "101", "SPY", "--id", "shared", "--group", "both")
    assert done.returncode == 0, done.stderr
    assert "shared-1" in done.stdout
    assert "shared-2" in done.stdout

    def held() -> dict[str, Decimal]:
        return {row["account"]: Decimal(row["quantity"]) for row in several.lines("positions")}

    several.until(lambda: held() == {FIRST: Decimal(51), SECOND: Decimal(50)}, 60)
    assert [row["quantity"] for row in several.lines("positions", "--account", SECOND)] == ["50"]
    several.until(lambda: {row["account"] for row in several.lines("fills")} == {FIRST, SECOND}, 60)


def test_an_order_that_names_no_account_is_denied_with_their_names(several: RunningDesk) -> None:
    done = several.run("intent", "buy", "1", "SPY", "--id", "nobodys")
    assert done.returncode == 3
    assert f"name the account: the desk has several at ibkr ({FIRST}, {SECOND})" in done.stdout


def test_what_the_accounts_have_together_is_told_with_its_rates(several: RunningDesk) -> None:
    several.until(lambda: {FIRST, SECOND} <= {row["account"] for row in several.lines("account")}, 60)
    *rows, total = several.lines("account", "--venue", "ibkr", "--in", "USD")
    worth = sum(Decimal(row["net_liquidation"]) for row in rows)
    assert (Decimal(total["net_liquidation"]), total["missing"]) == (worth, [])
    told = several.run("account", "--venue", "ibkr", "--in", "HKD").stdout
    assert "\nin HKD: net_liquidation " in told
    assert "\n1 USD = 7.8125 HKD: desk file\n" in told


def test_the_desk_adds_up(several: RunningDesk) -> None:
    several.until(lambda: several.run("check").returncode == 0, 60)
