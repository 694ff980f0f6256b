"""Paper by default, and live only when it is said twice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from gateway_ibkr.settings import Settings, accounts_of, orders_client_id, session_mistake
from msgspec.structs import replace
from signalbox.desk import Desk, Limits, Mode, Venue
from signalbox.errors import ConfigurationError
from signalbox.settings import Secret


def settings(**changes: Any) -> Settings:
    values = {"nats_url": "", "nats_user": "", "nats_password": Secret(""), "desk_file": Path("desk.toml")}
    return Settings(**(values | changes))


def desk(mode: Mode, *accounts: str) -> Desk:
    limits = Limits(
        order_quantity_max=Decimal(1),
        order_notional_max=Decimal(1),
        position_quantity_max=Decimal(1),
        position_notional_max=Decimal(1),
        gross_exposure_max=Decimal(1),
        price_collar_fraction=Decimal(1),
        price_age_seconds_max=1,
        account_age_seconds_max=1,
        intent_age_seconds_max=1,
        intents_per_minute_max=1,
        open_orders_max=1,
    )
    return Desk(name="d", venues={"ibkr": Venue(accounts=accounts)}, instruments=(), limits=limits, mode=mode)


def test_paper_needs_nothing() -> None:
    for account in ("DU1", "DF1", "DI1"):
        assert accounts_of(desk(Mode.PAPER, account), settings()) == (account,)


@pytest.mark.parametrize("port", [7496, 4001, 4003])
def test_a_live_port_is_refused_on_paper(port: int) -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_IBKR_PORT"):
        accounts_of(desk(Mode.PAPER, "DU1"), settings(ibkr_port=port))


def test_a_live_account_is_refused_on_paper() -> None:
    with pytest.raises(ConfigurationError, match="no paper account"):
        accounts_of(desk(Mode.PAPER, "U1"), settings())


@pytest.mark.parametrize("confirmation", [None, Secret("yes"), Secret("U2")])
def test_live_is_refused_without_the_account_said_again(confirmation: Secret | None) -> None:
    with pytest.raises(ConfigurationError, match="SIGNALBOX_LIVE_CONFIRMATION"):
        accounts_of(desk(Mode.LIVE, "U1"), settings(ibkr_port=4001, live_confirmation=confirmation))


def test_live_is_possible_when_confirmed() -> None:
    live = settings(ibkr_port=4001, live_confirmation=Secret("U1"))
    assert accounts_of(desk(Mode.LIVE, "U1"), live) == ("U1",)


def test_live_on_a_paper_port_with_a_paper_account_has_both_mistakes() -> None:
    with pytest.raises(ConfigurationError) as caught:
        accounts_of(desk(Mode.LIVE, "DU1"), settings(live_confirmation=Secret("DU1")))
    assert len(caught.value.mistakes) == 2


def test_a_venue_without_an_account_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one account"):
        accounts_of(desk(Mode.PAPER), settings())


def test_a_gateway_serves_all_accounts_of_the_desk_each_as_a_client_of_its_own() -> None:
    made = settings(ibkr_orders_client_id=11, ibkr_data_client_id=12)
    assert accounts_of(desk(Mode.PAPER, "DU2", "DU1"), made) == ("DU2", "DU1")
    assert [orders_client_id(made, place) for place in range(3)] == [11, 13, 14]
    swapped = settings(ibkr_orders_client_id=12, ibkr_data_client_id=11)
    assert [orders_client_id(swapped, place) for place in range(3)] == [12, 13, 14]


def test_each_of_several_accounts_is_checked() -> None:
    with pytest.raises(ConfigurationError, match="account U2 is no paper account"):
        accounts_of(desk(Mode.PAPER, "DU1", "U2"), settings())
    with pytest.raises(ConfigurationError, match="account DU2 is a paper account"):
        accounts_of(desk(Mode.LIVE, "U1", "DU2"), settings(ibkr_port=4001, live_confirmation=Secret("U1,DU2")))


@pytest.mark.parametrize("confirmation", ["U1", "U2,U1", "U1, U2"])
def test_live_is_refused_unless_all_accounts_are_said_again_in_their_order(confirmation: str) -> None:
    with pytest.raises(ConfigurationError, match="must be the account ids, with commas between: U1,U2"):
        accounts_of(desk(Mode.LIVE, "U1", "U2"), settings(ibkr_port=4001, live_confirmation=Secret(confirmation)))


def test_no_more_accounts_than_tws_has_clients_for() -> None:
    with pytest.raises(ConfigurationError, match="names 25 accounts"):
        accounts_of(desk(Mode.PAPER, *(f"DU{number}" for number in range(25))), settings())


def test_two_sessions_need_two_client_ids() -> None:
    with pytest.raises(ConfigurationError, match="must differ"):
        accounts_of(desk(Mode.PAPER, "DU1"), settings(ibkr_data_client_id=11))


def test_a_desk_without_the_venue_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        accounts_of(replace(desk(Mode.PAPER, "DU1"), venues={}), settings())


@pytest.mark.parametrize(
    ("managed", "mode", "word"),
    [
        (("DU1",), Mode.PAPER, ""),
        (("U1", "U2"), Mode.LIVE, ""),
        (("U1",), Mode.PAPER, "logged in to U1 (live)"),
        (("DU9",), Mode.PAPER, "logged in to DU9 (paper)"),
        ((), Mode.PAPER, "no account"),
        (("DU1", "U1"), Mode.PAPER, "live accounts"),
        (("DF7", "DU1", "DU2"), Mode.PAPER, ""),
        (("DF7", "DU8"), Mode.PAPER, "logged in to DF7, DU8 (paper), not to DU1"),
        (("F7", "DU1"), Mode.PAPER, "live accounts"),
        (("F7", "U1", "U2"), Mode.LIVE, ""),
    ],
)
def test_the_session_must_be_of_the_right_kind(managed: tuple[str, ...], mode: Mode, word: str) -> None:
    mistake = session_mistake("DU1" if mode is Mode.PAPER else "U1", managed, mode)
    assert word in mistake
    assert bool(mistake) == bool(word)
