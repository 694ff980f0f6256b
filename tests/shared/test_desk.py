"""The desk file: what is shipped is right, and every mistake is told at once with what to do."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.desk import MISTAKES_MAX, ClockSource, Desk, Durability, Mode, load_desk
from signalbox.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "desk.toml"
TEXT = """
name = "demo"
mode = "paper"
clock = "simulated"
timeframes = ["1m", "5m"]
[venues.ibkr]
accounts = ["DU1234567"]
market_data_type = "LIVE"
[[instruments]]
venue = "ibkr"
symbol = "SPY"
[[instruments]]
venue = "ibkr"
symbol = "AAPL"
[[instruments]]
venue = "ibkr"
symbol = "0700.HK"
exchange = "SEHK"
currency = "HKD"
[fx_rates]
HKD = "0.128"
[indicators]
supertrend_multiplier = 2.0
ema_period = 21
[limits]
order_quantity_max = "1000"
order_notional_max = "200000"
position_quantity_max = "2000"
position_notional_max = "400000"
gross_exposure_max = "600000"
price_collar_fraction = "0.05"
price_age_seconds_max = 60
account_age_seconds_max = 300
intent_age_seconds_max = 120
intents_per_minute_max = 60
open_orders_max = 20
"""


def mistakes_of(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refusal:
        load_desk(path)
    return refusal.value.mistakes


def changed(old: str, new: str) -> str:
    assert old in TEXT, f"{old!r} is in the text"
    return TEXT.replace(old, new, 1)


def test_shipped_desk_file_is_right() -> None:
    desk = load_desk(SHIPPED)
    assert desk.mode is Mode.PAPER
    assert desk.limits.price_collar_fraction == Decimal("0.05")
    assert desk.indicators.supertrend_multiplier == 2.0


def test_decimal_without_quotes_keeps_its_digits(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(changed('price_collar_fraction = "0.05"', "price_collar_fraction = 0.1"), encoding="utf-8")
    assert load_desk(path).limits.price_collar_fraction == Decimal("0.1")


ONE_MISTAKE = [
    *(
        ('order_quantity_max = "1000"', f"order_quantity_max = {written}", "limits.order_quantity_max is ")
        for written in ("1e400", '"1e400"', "nan", '"NaN"', "inf", '"Infinity"', '"१००"', '"1_000"', '"0x10"', '" 5"')
    ),
    ("price_age_seconds_max = 60", "price_age_seconds_max = 99999999999999999999", "limits.price_age_seconds_max is 9"),
    ("supertrend_multiplier = 2.0", "supertrend_multiplier = 1e400", "indicators.supertrend_multiplier is 1E+400"),
    ('name = "demo"', 'name = ""', "name is ''"),
    ('name = "demo"', "name = 3", "name is 3: it must be a text in quotes."),
    ('name = "demo"', "", "name is missing"),
    ('mode = "paper"', 'mode = "papper"', 'mode is \'papper\': it must be "paper" or "live".'),
    ('mode = "paper"', 'moode = "paper"', "moode is no key that is read: did you mean mode?"),
    ('accounts = ["DU1234567"]', "accounts = []", "venues.ibkr.accounts is empty"),
    ('accounts = ["DU1234567"]', 'accounts = "DU1"', "venues.ibkr.accounts is 'DU1': it must be an array."),
    ('accounts = ["DU1234567"]', 'accounts = ["DU1", "DU1"]', "venues.ibkr.accounts names 'DU1' more than once"),
    ('accounts = ["DU1234567"]', 'accounts = ["DU*"]', "venues.ibkr.accounts[1] is 'DU*'"),
    ('accounts = ["DU1234567"]', 'accounts = ["U123"]', "venues.ibkr.accounts[1] is 'U123', no paper account"),
    ('"LIVE"', '"LIFE"', "venues.ibkr.market_data_type is 'LIFE'"),
    ('symbol = "SPY"', 'symbol = "AAPL"', "instruments names AAPL at ibkr more than once"),
    ('symbol = "SPY"', 'symbol = "00005"', "instruments[1].symbol is '00005': write it as '0005.HK'."),
    (
        'symbol = "SPY"',
        'symbol = "BTC-USD"',
        "instruments[1].symbol: BTC-USD is a perpetual, which IBKR does not trade",
    ),
    ('symbol = "SPY"', 'symbol = "S>Y"', "instruments[1].symbol: 'S>Y' is not a symbol"),
    ('symbol = "SPY"', "", "instruments[1].symbol is missing"),
    ('symbol = "SPY"', 'symbol = "SPY"\nexchange = "nyse"', "instruments[1].exchange is 'nyse'"),
    ('symbol = "SPY"', 'symbol = "SPY"\ncurrency = "UDS"', "instruments[1].currency is 'UDS': did you mean USD?"),
    (
        'venue = "ibkr"',
        'venue = "ibrk"',
        "instruments[1].venue is 'ibrk', which is not under [venues]: did you mean ibkr?",
    ),
    ('timeframes = ["1m", "5m"]', "timeframes = []", "timeframes is empty"),
    (
        'timeframes = ["1m", "5m"]',
        'timeframes = ["1m", "30s"]',
        "timeframes[2] is '30s': bars are scored from one minute",
    ),
    ('timeframes = ["1m", "5m"]', 'timeframes = ["60m"]', "timeframes[1] is '60m': write it as '1h'."),
    ('timeframes = ["1m", "5m"]', 'timeframes = ["7m"]', "timeframes[1]: '7m' is not a timeframe"),
    ('timeframes = ["1m", "5m"]', 'timeframes = ["1m", "1m"]', "timeframes names '1m' more than once"),
    ("ema_period = 21", "ema_period = 0", "indicators.ema_period is 0"),
    ("ema_period = 21", "ema_period = 2.5", "indicators.ema_period is 2.5: it must be a whole number."),
    ("supertrend_multiplier = 2.0", "supertrend_multiplier = nan", "indicators.supertrend_multiplier is NaN"),
    ('order_quantity_max = "1000"', 'order_quantity_max = "0"', "limits.order_quantity_max is '0': a limit is"),
    ('order_quantity_max = "1000"', "order_quantity_max = -1", "limits.order_quantity_max is -1: a limit is"),
    ('order_quantity_max = "1000"', "order_quantity_max = nan", "limits.order_quantity_max is NaN: a limit is"),
    ('order_quantity_max = "1000"', "order_quantity_max = inf", "limits.order_quantity_max is Infinity: a limit is"),
    ('order_quantity_max = "1000"', 'order_quantity_max = "many"', "limits.order_quantity_max is 'many': it must be"),
    ('order_quantity_max = "1000"', "order_quantity_max = true", "limits.order_quantity_max is true: it must be"),
    ('order_quantity_max = "1000"', "", "limits.order_quantity_max is missing: state it, there is no default."),
    ('price_collar_fraction = "0.05"', "price_collar_fraction = 5", "limits.price_collar_fraction is 5"),
    ("[limits]", "[nats]\nroom_used_fraction_max = 1\n[limits]", "nats.room_used_fraction_max is 1: it is a fraction"),
    ("[limits]", "[nats]\nroom_used_fraction_max = 0\n[limits]", "nats.room_used_fraction_max is 0: it is a fraction"),
    ("open_orders_max = 20", "open_orders_max = 0", "limits.open_orders_max is 0: a limit is"),
    ("open_orders_max = 20", "open_orders_max = 2.5", "limits.open_orders_max is 2.5: it must be a whole number."),
    ('HKD = "0.128"', "HKD = 0", "fx_rates.HKD is 0"),
    ('HKD = "0.128"', "HDK = 0.128", "fx_rates.HDK is no currency"),
]


@pytest.mark.parametrize(("old", "new", "beginning"), ONE_MISTAKE, ids=[row[1][:40] for row in ONE_MISTAKE])
def test_mistake_is_told_by_its_path_what_was_found_and_what_to_do(
    tmp_path: Path, old: str, new: str, beginning: str
) -> None:
    (mistake,) = mistakes_of(tmp_path / "desk.toml", changed(old, new))
    assert mistake.startswith(beginning)
    assert mistake.endswith((".", "?"))


DYDX = """
[venues.dydx]
accounts = ["dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-0"]
[[instruments]]
venue = "dydx"
symbol = "BTC-USD"
"""


def test_two_venues_stand_in_one_desk_file(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(TEXT + DYDX, encoding="utf-8")
    desk = load_desk(path)
    assert set(desk.venues) == {"ibkr", "dydx"}
    assert desk.venues["dydx"].accounts == ("dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-0",)


@pytest.mark.parametrize(
    ("old", "new", "beginning"),
    [
        (
            "erelz-0",
            "erelz-0x",
            "venues.dydx.accounts[1] is 'dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-0x': an account",
        ),
        ("erelz-0", "erelz-128", "venues.dydx.accounts[1] is 'dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz-128': a sub"),
        ("erelz-0", "erelx-0", "venues.dydx.accounts[1] is 'dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelx-0': the addr"),
        ('symbol = "BTC-USD"', 'symbol = "SPY"', "instruments[4].symbol: SPY is no perpetual such as BTC-USD"),
        (
            'symbol = "BTC-USD"',
            'symbol = "BTC-USD"\nexchange = "DYDX"',
            "instruments[4].exchange says which of several",
        ),
        ('symbol = "BTC-USD"', 'symbol = "BTC-USD"\ncurrency = "USD"', "instruments[4].currency says which of several"),
        ("[[instr", 'market_data_type = "DELAYED"\n[[instr', "venues.dydx.market_data_type is 'DELAYED': dydx has no"),
    ],
)
def test_mistake_about_dydx_is_told(tmp_path: Path, old: str, new: str, beginning: str) -> None:
    assert old in DYDX
    (mistake,) = mistakes_of(tmp_path / "desk.toml", TEXT + DYDX.replace(old, new, 1))
    assert mistake.startswith(beginning)
    assert mistake.endswith(".")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    text = (
        changed('mode = "paper"', 'mode = "real"')
        .replace('symbol = "SPY"', 'symbol = "*"')
        .replace('venue = "ibkr"', 'venue = "nowhere"')
        .replace("open_orders_max = 20", "open_order_max = 20")
        .replace('order_quantity_max = "1000"', 'order_quantity_max = "-1"')
    )
    found = "\n".join(mistakes_of(tmp_path / "desk.toml", text))
    for beginning in ("mode is 'real'", "instruments[1].symbol:", "instruments[1].venue", "instruments[3].venue"):
        assert beginning in found
    assert "limits.open_order_max is no key that is read: did you mean open_orders_max?" in found
    assert "limits.open_orders_max is missing" in found
    assert "limits.order_quantity_max is '-1'" in found


LIVE = (
    changed('mode = "paper"', 'mode = "live"').replace('"simulated"', '"wall"').replace("DU1234567", "U1234567")
    + '\n[nats]\ndurability = "fsync"\n'
)


def test_live_desk_needs_live_accounts_the_wall_clock_and_live_data(tmp_path: Path) -> None:
    text = changed('mode = "paper"', 'mode = "live"').replace('"LIVE"', '"DELAYED"')
    found = "\n".join(mistakes_of(tmp_path / "desk.toml", text))
    assert "clock is 'simulated'" in found
    assert "'DU1234567', a paper account" in found
    assert "market_data_type is 'DELAYED'" in found
    assert "nats.durability must be stated" in found


def test_a_live_desk_does_not_rely_on_what_a_machine_may_lose(tmp_path: Path) -> None:
    text = LIVE.replace('"fsync"', '"relaxed"')
    [mistake] = mistakes_of(tmp_path / "desk.toml", text)
    assert mistake.startswith("nats.durability must be stated")


def test_right_live_desk_is_read(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(LIVE, encoding="utf-8")
    desk = load_desk(path)
    assert (desk.mode, desk.clock) == (Mode.LIVE, ClockSource.WALL)
    assert desk.nats.durability is Durability.FSYNC


@pytest.mark.parametrize(
    ("content", "beginning"),
    [
        (None, "can not be read: No such file"),
        (b"name = ", "is not TOML"),
        (b"\xff\xfen\x00", "is UTF-16"),
        (b"name = 1\n\xe9", "is no text in UTF-8: see line 2"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "begins with a byte order mark"),
        (b"x = " + b"[" * 3_000, "is not TOML"),
        (b"x = 1e99999999999999999999", "is not TOML"),
        (b"a." * 50_000 + b"b = 1", "has a line of 100005 characters"),
        (b"#\n" * 200_000, "has more than 200000 bytes"),
    ],
)
def test_unreadable_file_is_one_plain_sentence(tmp_path: Path, content: bytes | None, beginning: str) -> None:
    path = tmp_path / "desk.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=beginning):
        load_desk(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigurationError, match="can not be read"):
            load_desk(path)


def test_a_number_that_python_does_not_write_out_is_a_mistake_like_any_other(tmp_path: Path) -> None:
    huge = "0x" + "f" * 3_900
    [mistake] = mistakes_of(
        tmp_path / "desk.toml", changed('order_quantity_max = "1000"', f"order_quantity_max = {huge}")
    )
    assert mistake.startswith("limits.order_quantity_max is a number of thousands of digits: it must be")


def test_mistakes_beyond_a_hundred_are_not_looked_for(tmp_path: Path) -> None:
    mistakes = mistakes_of(tmp_path / "desk.toml", "".join(f"key_{number} = 1\n" for number in range(12_000)))
    assert len(mistakes) == MISTAKES_MAX + 1
    assert mistakes[-1].startswith("There is more")


def test_a_key_is_shown_as_a_line_can_take_it(tmp_path: Path) -> None:
    [mistake] = mistakes_of(tmp_path / "desk.toml", '"\\u001b[2J" = 1\n' + TEXT)
    assert mistake.startswith("'\\x1b[2J' is no key that is read")


def test_empty_file_names_all_that_is_missing(tmp_path: Path) -> None:
    found = mistakes_of(tmp_path / "desk.toml", "")
    assert [mistake.split()[0] for mistake in found] == ["name", "venues", "instruments", "limits"]


keys = st.sampled_from([*Desk.__struct_fields__, "other"])
toml_values = st.recursive(
    st.one_of(
        st.integers(-5, 5), st.booleans(), st.sampled_from(["", "ibkr", "1m", "SPY", "*"]), st.just(float("inf"))
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["ibkr", "accounts", "venue", "symbol", "order_quantity_max"]), inner, max_size=3
        ),
    ),
    max_leaves=8,
)


def toml_of(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_of, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


@given(st.dictionaries(keys, toml_values))
def test_any_toml_is_a_desk_or_a_list_of_mistakes(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("\n".join(f"{key} = {toml_of(value)}" for key, value in document.items()), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refusal:
        load_desk(path)
    assert all(mistake.endswith((".", "?")) for mistake in refusal.value.mistakes)


def test_the_shipped_file_states_what_orders_cost() -> None:
    assert {(stated.venue, stated.kind, stated.scheme) for stated in load_desk(SHIPPED).commissions} == {
        ("ibkr", "STOCK", "PER_SHARE"),
        ("dydx", "PERPETUAL", "MAKER_TAKER"),
    }


def test_a_commission_at_a_venue_that_is_not_there_is_told(tmp_path: Path) -> None:
    stated = '[[commissions]]\nvenue = "dydx"\nkind = "PERPETUAL"\nscheme = "FIXED"\namount = "-1"\n'
    assert mistakes_of(tmp_path / "desk.toml", TEXT + stated) == (
        "commissions[1].venue is 'dydx', which is not under [venues]: name one that is.",
        "commissions[1].amount is '-1': it must be 0 or more.",
    )


STUDY = """
[[studies]]
name = "rsi"
"""


def test_studies_are_read_with_numbers_of_any_form(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(TEXT + STUDY + 'parameters = { period = 7, k = 1.5 }\nsymbols = ["SPY"]\ntimeframes = ["5m"]\n')
    (study,) = load_desk(path).studies
    assert (study.name, study.formula, study.symbols, study.timeframes) == ("rsi", "", ("SPY",), ("5m",))
    assert study.parameters == {"period": 7.0, "k": 1.5}
    assert load_desk(SHIPPED).studies == ()


@pytest.mark.parametrize(
    ("line", "beginning"),
    [
        ('formula = "R S I"', "studies[1].formula is 'R S I': write small letters"),
        ('symbols = ["QQQ"]', "studies[1].symbols[1] is 'QQQ', not one of the desk's: there is 0700.HK, AAPL, SPY."),
        ('timeframes = ["15m"]', "studies[1].timeframes[1] is '15m', not one of the desk's: did you mean 5m?"),
        ("parameters = { period = -1 }", "studies[1].parameters.period is -1: it must be from 0 to 10000."),
        ("parameters = { period = nan }", "studies[1].parameters.period is NaN: it must be from 0 to 10000."),
        ("parameters = { period = inf }", "studies[1].parameters.period is Infinity: it must be from 0 to 10000."),
        ("parameters = { period = 10001 }", "studies[1].parameters.period is 10001: it must be from 0 to 10000."),
        ("parameters = { period = true }", "studies[1].parameters.period is true: it must be a number."),
        ("parameters = 7", "studies[1].parameters is 7: it must be a table."),
        ("period = 7", "studies[1].period is no key that is read"),
    ],
)
def test_mistake_about_a_study_is_told(tmp_path: Path, line: str, beginning: str) -> None:
    (mistake,) = mistakes_of(tmp_path / "desk.toml", TEXT + STUDY + line)
    assert mistake.startswith(beginning)


def test_name_of_a_study_is_a_word(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(tmp_path / "desk.toml", TEXT + STUDY.replace('"rsi"', '"r.s.i"'))
    assert mistake.startswith("studies[1].name is 'r.s.i': write small letters, digits and _")


def test_studies_have_a_bound(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(tmp_path / "desk.toml", TEXT + STUDY * 65)
    assert mistake.startswith("studies has 65 tables: 64 at most")
    (tmp_path / "desk.toml").write_text(TEXT + STUDY * 64)
    assert len(load_desk(tmp_path / "desk.toml").studies) == 64


def test_levels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text(TEXT + '[levels]\ntimeframes = ["5m"]\nopening_range_minutes = 30\n')
    levels = load_desk(path).levels
    assert (levels.timeframes, levels.opening_range_minutes) == (("5m",), 30)
    path.write_text(TEXT)
    assert load_desk(path).levels.timeframes == ()


@pytest.mark.parametrize(
    ("line", "beginning"),
    [
        ('timeframes = ["15m"]', "levels.timeframes[1] is '15m', not one of the desk's: did you mean 5m?"),
        ('timeframes = ["1d"]', "levels.timeframes[1] is a whole day's"),
        ("opening_range_minutes = 0", "levels.opening_range_minutes is 0: it must be from 1 to 720."),
        ("opening_range_minutes = 721", "levels.opening_range_minutes is 721: it must be from 1 to 720."),
        ("opening_range_minutes = true", "levels.opening_range_minutes is true: it must be a whole number."),
        ("minutes = 15", "levels.minutes is no key that is read"),
    ],
)
def test_mistake_about_levels_is_told(tmp_path: Path, line: str, beginning: str) -> None:
    text = TEXT.replace('"5m"]', '"5m", "1d"]') + "[levels]\n" + line
    (mistake,) = mistakes_of(tmp_path / "desk.toml", text)
    assert mistake.startswith(beginning)
