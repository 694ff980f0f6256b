"""The symbology: accepted forms, one canonical form each, refusals a person understands, ticks and lots."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signalbox.errors import SymbolError
from signalbox.instruments import (
    IbkrContract,
    OptionRight,
    OptionTerms,
    Symbol,
    conforms_to_lot,
    conforms_to_tick,
    ibkr_contract,
    parse_symbol,
    parse_symbols,
    symbol_of_ibkr,
)
from signalbox.messages import InstrumentKind
from signalbox.sessions import CALENDARS
from signalbox.subjects import decode_token, encode_token

FARTCOIN = "FARTCOIN,RAYDIUM,9BB6NFECJBCTNNLFKO2FQVQBQ8HHM13KCYYCDQBGPUMP-USD"
BUFFI = "BUFFI,UNISWAP_V3,0X4C1B1302220D7DE5C22B495E78B72F2DD2457D45-USD"
"""As the public chain names them."""

ACCEPTED = [
    ("AAPL", "AAPL", InstrumentKind.STOCK, "USD", "XNYS"),
    ("aapl", "AAPL", InstrumentKind.STOCK, "USD", "XNYS"),
    ("F", "F", InstrumentKind.STOCK, "USD", "XNYS"),
    ("BRK B", "BRK B", InstrumentKind.STOCK, "USD", "XNYS"),
    ("BRK.B", "BRK B", InstrumentKind.STOCK, "USD", "XNYS"),
    ("BAC PRL", "BAC PRL", InstrumentKind.STOCK, "USD", "XNYS"),
    ("700", "0700.HK", InstrumentKind.STOCK, "HKD", "XHKG"),
    ("0700", "0700.HK", InstrumentKind.STOCK, "HKD", "XHKG"),
    ("00700", "0700.HK", InstrumentKind.STOCK, "HKD", "XHKG"),
    ("0700.HK", "0700.HK", InstrumentKind.STOCK, "HKD", "XHKG"),
    ("00700.hk", "0700.HK", InstrumentKind.STOCK, "HKD", "XHKG"),
    ("5", "0005.HK", InstrumentKind.STOCK, "HKD", "XHKG"),
    ("9988.HK", "9988.HK", InstrumentKind.STOCK, "HKD", "XHKG"),
    ("13456", "13456.HK", InstrumentKind.STOCK, "HKD", "XHKG"),
    ("80700.HK", "80700.HK", InstrumentKind.STOCK, "CNH", "XHKG"),
    ("AAPL 240119C00190000", "AAPL 240119C00190000", InstrumentKind.OPTION, "USD", "XNYS"),
    ("AAPL  240119C00190000", "AAPL 240119C00190000", InstrumentKind.OPTION, "USD", "XNYS"),
    ("AAPL240119C00190000", "AAPL 240119C00190000", InstrumentKind.OPTION, "USD", "XNYS"),
    ("BTC-USD", "BTC-USD", InstrumentKind.PERPETUAL, "USD", "24/7"),
    ("1INCH-USD", "1INCH-USD", InstrumentKind.PERPETUAL, "USD", "24/7"),
    (FARTCOIN, FARTCOIN, InstrumentKind.PERPETUAL, "USD", "24/7"),
    (FARTCOIN.lower(), FARTCOIN, InstrumentKind.PERPETUAL, "USD", "24/7"),
    (BUFFI, BUFFI, InstrumentKind.PERPETUAL, "USD", "24/7"),
    ("EUR.USD", "EUR.USD", InstrumentKind.FOREX, "USD", "24/7"),
    ("USD.JPY", "USD.JPY", InstrumentKind.FOREX, "JPY", "24/7"),
]

JUNK = [
    "", " ", "*", ">", ".", "-", "A*", ">.>", "AAPL>", " AAPL", "AAPL ", "AA PL", "A  B", "AAPL\n", "AAPL\x00", "\x7f",
    "ÄPL", "ＡＡＰＬ", "ſPY", "٧٠٠", "700\u00a0", "🚀", "\ud800", "TOOLONG", "0", "00000", "000700", "123456", "-700",
    "+700", "7e2", "7_00", "0700.hk.HK", "ABC.HK", ".HK", "700.T", "BTC-EUR", "-USD", "BTC-", "EUR.EUR", "EUR.XXX",
    "XXX.USD", "EURUSD", "AAPL 241319C00190000", "AAPL 240119C00000000", "AAPL 240119X00190000",
    "AAPL 240119C0019000", "A" * 1_000_000,
    "SPY,AAPL,BTC-USD", f"{FARTCOIN},SPY", f"{FARTCOIN[:-4]}-EUR", FARTCOIN.replace(",", "."),
    FARTCOIN.replace(",", ", "),
    f"{'A' * 21}{BUFFI}", BUFFI.replace("-USD", f"{'A' * 40}-USD"), "A,B," + "C" * 25 + "-USD", f"{FARTCOIN}\n",
    "AAPL;DROP", "$KV.CONTROL", "md.bar", "%41APL", "BRK/B",
]  # fmt: skip


@pytest.mark.parametrize(("text", "canonical", "kind", "currency", "calendar"), ACCEPTED)
def test_every_form_of_a_symbol_has_one_canonical_form(
    text: str, canonical: str, kind: InstrumentKind, currency: str, calendar: str
) -> None:
    found = parse_symbol(text)
    assert (found.canonical, found.kind, found.currency, found.calendar) == (canonical, kind, currency, calendar)
    assert calendar in CALENDARS


@pytest.mark.parametrize("canonical", sorted({row[1] for row in ACCEPTED}))
def test_canonical_form_reads_as_itself_and_survives_a_subject(canonical: str) -> None:
    assert parse_symbol(canonical).canonical == canonical
    assert decode_token(encode_token(canonical)) == canonical


@pytest.mark.parametrize("text", JUNK, ids=lambda text: ascii(text[:24]))
def test_junk_is_refused_with_a_short_plain_sentence(text: str) -> None:
    with pytest.raises(SymbolError) as refusal:
        parse_symbol(text)
    sentence = str(refusal.value)
    assert sentence.isascii()
    assert sentence.isprintable()
    assert 20 < len(sentence) < 300


def test_refusal_guesses_what_was_meant() -> None:
    with pytest.raises(SymbolError, match=r"did you mean EUR\.USD\?"):
        parse_symbol("EURUSD")
    with pytest.raises(SymbolError, match="remove the spaces"):
        parse_symbol(" AAPL")


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("SPY,AAPL,BTC-USD", ["SPY", "AAPL", "BTC-USD"]),
        (f"SPY, {FARTCOIN},ETH-USD,", ["SPY", FARTCOIN, "ETH-USD"]),
        (f"{BUFFI},{FARTCOIN.lower()}", [BUFFI, FARTCOIN]),
        ("", []),
    ],
)
def test_symbols_with_commas_between_them_are_told_from_those_with_commas(text: str, symbols: list[str]) -> None:
    assert [each.canonical for each in parse_symbols(text)] == symbols


@given(st.text(max_size=40))
def test_any_text_is_a_symbol_with_a_stable_form_or_a_symbol_error(text: str) -> None:
    try:
        found = parse_symbol(text)
    except SymbolError:
        return
    assert parse_symbol(found.canonical) == found


def test_option_terms_are_those_of_its_occ_form() -> None:
    assert parse_symbol("AAPL 240119C00190500").option == OptionTerms(
        "AAPL", date(2024, 1, 19), OptionRight.CALL, Decimal("190.5")
    )


IBKR = [
    ("AAPL", IbkrContract("STK", "AAPL", "SMART", "USD")),
    ("BRK.B", IbkrContract("STK", "BRK B", "SMART", "USD")),
    ("0700.HK", IbkrContract("STK", "700", "SEHK", "HKD")),
    ("80700", IbkrContract("STK", "80700", "SEHK", "CNH")),
    ("EUR.USD", IbkrContract("CASH", "EUR", "IDEALPRO", "USD")),
    ("SPXW 240119P04700000", IbkrContract("OPT", "", "SMART", "USD", "SPXW  240119P04700000")),
]


@pytest.mark.parametrize(("text", "contract"), IBKR)
def test_ibkr_contract_is_translated_both_ways(text: str, contract: IbkrContract) -> None:
    symbol = parse_symbol(text)
    assert ibkr_contract(symbol) == contract
    assert symbol_of_ibkr(contract) == symbol


def test_ibkr_does_not_trade_perpetuals() -> None:
    with pytest.raises(SymbolError, match="BTC-USD is a perpetual"):
        ibkr_contract(parse_symbol("BTC-USD"))


@pytest.mark.parametrize(
    "contract",
    [
        IbkrContract("FUT", "ES", "CME", "USD"),
        IbkrContract("STK", "7203", "TSEJ", "JPY"),
        IbkrContract("STK", "VOD", "LSE", "GBP"),
        IbkrContract("STK", "", "", ""),
        IbkrContract("OPT", "AAPL", "SMART", "USD", ""),
    ],
)
def test_foreign_ibkr_contract_is_refused_and_never_mistaken_for_another(contract: IbkrContract) -> None:
    with pytest.raises(SymbolError):
        symbol_of_ibkr(contract)


@pytest.mark.parametrize(
    ("price", "tick", "conforms"),
    [
        ("100.01", "0.01", True),
        ("100.010", "0.01", True),
        ("100.011", "0.01", False),
        ("0", "0.01", True),
        ("-1.05", "0.05", True),
        ("0.3", "0.1", True),
        ("388.2", "0.2", True),
        ("388.3", "0.2", False),
        ("5", "1E+1", False),
        ("20", "1E+1", True),
        ("1E+40", "0.01", True),
        ("1E+999999", "0.01", False),
        ("1E-999999", "0.01", False),
        ("1", "1E-999999", False),
        ("NaN", "0.01", False),
        ("sNaN", "0.01", False),
        ("Infinity", "0.01", False),
        ("1", "0", False),
        ("1", "-0.01", False),
        ("1", "NaN", False),
    ],
)
def test_price_conforms_to_tick(price: str, tick: str, conforms: bool) -> None:
    assert conforms_to_tick(Decimal(price), Decimal(tick)) is conforms


@pytest.mark.parametrize(
    ("quantity", "lot", "conforms"),
    [("100", "100", True), ("150", "100", False), ("1.5", "0.5", True), ("0", "1", False), ("-1", "1", False),
     ("NaN", "1", False), ("sNaN", "1", False), ("1", "0", False)],
)  # fmt: skip
def test_quantity_conforms_to_lot(quantity: str, lot: str, conforms: bool) -> None:
    assert conforms_to_lot(Decimal(quantity), Decimal(lot)) is conforms


decimals = st.decimals(-(10**12), 10**12, places=8, allow_nan=False, allow_infinity=False)


@given(decimals, st.decimals("0.00000001", 1000, places=8, allow_nan=False, allow_infinity=False))
def test_conformity_is_exact_division(price: Decimal, tick: Decimal) -> None:
    assert conforms_to_tick(price, tick) is ((Fraction(price) / Fraction(tick)).denominator == 1)


def test_symbol_prints_as_its_canonical_form() -> None:
    assert str(Symbol("SPY", InstrumentKind.STOCK, "USD", "XNYS")) == "SPY"
