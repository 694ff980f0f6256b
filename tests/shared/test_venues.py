"""A venue is a row: what the desk needs for one comes of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from signalbox.client.wishes import venue_of
from signalbox.instruments import parse_symbol
from signalbox.venues import VENUES, venue, venue_names
from signalbox_cli import preflight
from signalbox_cli.doctor import judging

ROW_MORE = """
from pathlib import Path
from signalbox import venues
row = venues.VenueRow(
    name="newex", translate=str, read_account=str, paper_accounts_begin="P", pays_funding=True, names_exchanges=False
)
venues.VENUES = (*venues.VENUES, row)
"""
"""What a process does that knows a venue more, before anything else reads the table."""

EVERYTHING_HAS_IT = """
import sys
from signalbox import accounts, accounts_file, desk, seals, services, streams, subjects
from signalbox.bus import bootstrap
from signalbox.registry import REGISTRY
from signalbox_cli import simulated_venues, local_desk, looking

assert "gateway-newex" in services.SERVICES and "gateway-newex" in services.GATEWAYS
writers = {declared.pattern: declared.written_by for declared in REGISTRY}
for pattern in ("md.quote.*.*", "md.bar.*.*.*", "md.funding.*.*", "report.*.*.*", "ledger.*.*", "link.*.*"):
    assert "gateway-newex" in writers[pattern], pattern
[commands] = [stream for stream in streams.STREAMS if stream.name == "COMMANDS"]
assert streams.Consumer("gateway-newex", ("command.newex.>",)) in commands.consumers
[account] = [account for account in accounts.ACCOUNTS if account.name == "gateway-newex"]
assert {"md.funding.newex.*", "report.newex.*.*", "$KV.LEASES.newex.*"} <= set(account.stores)
assert account.pulls == (("COMMANDS", "gateway-newex"),)
assert "gateway-newex" in bootstrap.USERS
assert seals.links_of("gateway-newex") == ("oms-gateway-newex", "control")
assert "oms-gateway-newex" in seals.links_of("oms")
assert local_desk.MODULES["gateway-newex"] == "gateway_newex"
text = Path("deploy/desk.toml").read_text().replace(
    "[venues.dydx]", '[venues.newex]\\naccounts = ["P1"]\\n\\n[venues.dydx]'
)
file = Path(sys.argv[1]) / "desk.toml"
file.write_text(text)
assert desk.load_desk(file).venues["newex"].accounts == ("P1",)
file.write_text(text.replace('"P1"', '"L1"'))
try:
    desk.load_desk(file)
except desk.ConfigurationError as error:
    assert "(they begin with P)" in str(error), error
else:
    raise AssertionError("a live account in a paper desk")
sys.stdout.write(accounts_file.configuration())
"""


def test_a_row_more_is_a_venue_more_everywhere(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", ROW_MORE + EVERYTHING_HAS_IT, str(tmp_path)],
        cwd=root, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    configuration = tmp_path / "accounts.conf"
    configuration.write_text(f"accounts {{\n{done.stdout}\n}}\n")
    passwords = {name: "x" for name in re.findall(r"NATS_PASSWORD_[A-Z_]+", done.stdout)}
    assert "NATS_PASSWORD_GATEWAY_NEWEX" in passwords
    checked = subprocess.run(
        [str(Path(sys.executable).parent / "nats-server"), "-c", str(configuration), "-t"],
        env=os.environ | passwords, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("symbol", "name"), [("SPY", "ibkr"), ("0700.HK", "ibkr"), ("EUR.USD", "ibkr"), ("BTC-USD", "dydx")]
)
def test_a_symbol_is_of_the_venue_that_trades_it(symbol: str, name: str) -> None:
    assert venue_of(symbol) == name
    assert [row.name for row in VENUES if row.trades(parse_symbol(symbol))] == [name]


def test_a_venue_is_found_by_its_name() -> None:
    assert [venue(name).name for name in venue_names()] == [row.name for row in VENUES]
    with pytest.raises(KeyError):
        venue("newex")


@pytest.mark.parametrize("table", [preflight._STARTS_OF, judging._MISTAKES_AT], ids=["preflight", "doctor"])
def test_what_is_judged_before_live_is_judged_at_every_venue(table: dict[str, object]) -> None:
    assert table.keys() == set(venue_names())
