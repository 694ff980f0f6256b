"""A desk with several accounts at a venue, as a person runs it: an order for a group of them, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from signalbox.client import Desk, wishes
from signalbox.messages import OrderStatus

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
    assert f"shared.1  {FIRST}  51" in done.stdout
    assert f"shared.2  {SECOND}  50" in done.stdout

    def held() -> dict[str, Decimal]:
        return {row["account"]: Decimal(row["quantity"]) for row in several.lines("positions")}

    several.until(lambda: held() == {FIRST: Decimal(51), SECOND: Decimal(50)}, 60)
    assert [row["quantity"] for row in several.lines("positions", "--account", SECOND)] == ["50"]
    several.until(lambda: {row["account"] for row in several.lines("fills")} == {FIRST, SECOND}, 60)


def test_one_decision_has_what_it_was_shared_out_by(several: RunningDesk) -> None:
    wanted = "SELECT order_id, account, intent_id FROM decisions WHERE intent_id = 'shared'"
    several.until(lambda: len(several.lines("query", wanted)) == 1, 60)
    story = several.run("order", "shared")
    assert story.returncode == 0, story.stderr
    assert "shared.1" in story.stdout
    assert "shared.2" in story.stdout
    again = several.run("replay", "decisions")
    assert again.returncode == 0, again.stdout


def test_a_groups_order_is_changed_and_cancelled_as_one(several: RunningDesk) -> None:
    done = several.run(
        "intent", "buy", "10", "SPY", "--id", "rests", "--limit", "100", "--tif", "GTC", "--group", "both"
    )
    assert done.returncode == 0, done.stdout + done.stderr

    def rests() -> dict[str, tuple[str, str, Decimal]]:
        wanted = "SELECT order_id, account, status, quantity FROM orders WHERE starts_with(order_id, 'rests.')"
        rows = several.lines("query", wanted)
        return {row["order_id"]: (row["account"], row["status"], Decimal(row["quantity"])) for row in rows}

    several.until(lambda: rests() == {"rests.1": (FIRST, "NEW", 5), "rests.2": (SECOND, "NEW", 5)}, 60)
    changed = several.run("modify", "rests", "--quantity", "6", "--follow")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    several.until(lambda: rests() == {"rests.1": (FIRST, "NEW", 3), "rests.2": (SECOND, "NEW", 3)}, 60)
    ended = several.run("cancel", "rests", "--follow")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    several.until(lambda: {status for _, status, _ in rests().values()} <= {"CANCELED"}, 60)


async def test_a_program_has_each_accounts_order(several: RunningDesk) -> None:
    url, password = several.facts["nats_url"], several.password("user")
    async with Desk.connect(url, user="user", password=password) as client:
        wish = wishes.order("BUY", "SPY", 4, limit="100", id="programs", group="both", time_in_force="GTC")
        with pytest.raises(ValueError, match="share_out"):
            await client.place(wish)
        orders = await client.share_out(wish)
        assert [(order.id, order.account, order.quantity) for order in orders] == [
            ("programs.1", FIRST, 2),
            ("programs.2", SECOND, 2),
        ]
        for order in orders:
            await order.working(60)
        await orders[0].cancel()
        await orders[0].done(60)
        await client.cancel("programs")
        await orders[1].done(60)
        assert {order.status for order in orders} == {OrderStatus.CANCELED}


def test_a_percentage_is_of_what_each_holds(several: RunningDesk) -> None:
    done = several.run("intent", "sell", "50%", "SPY", "--id", "half", "--group", "both", "--follow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"half.1  {FIRST}  25" in done.stdout
    assert f"half.2  {SECOND}  25" in done.stdout


def test_a_denial_says_whose_account_stood_in_the_way(several: RunningDesk) -> None:
    done = several.run("intent", "buy", "100000", "SPY", "--id", "vast", "--group", "both")
    assert done.returncode == 3
    assert f"account {FIRST}: " in done.stdout


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
