"""Each thing that is wrong has its verdict, and says what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from signalbox.bus.bootstrap import stream_config
from signalbox.desk import ClockSource, Desk, Durability, Mode, NatsServers, load_desk
from signalbox.durability import JetStreamServer
from signalbox.messages import LinkStatus, MarketDataType, Quote, ServiceStatus, VenueLink
from signalbox.room import StreamRoom
from signalbox.seals import links_of, shown_links
from signalbox.streams import STREAMS
from signalbox_cli.doctor.facts import (
    AlertmanagerSeen,
    Facts,
    FileSeen,
    NatsSeen,
    PeopleSeen,
    PrometheusSeen,
    SecretSeen,
)
from signalbox_cli.doctor.judging import FILE_CHANGED, judge
from signalbox_cli.doctor.verdicts import Check, Verdict, is_fit
from signalbox_cli.simulated_venues import services_of

NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
DESK = load_desk(Path(__file__).resolve().parents[3] / "deploy/desk.toml")
IBKR = DESK.venues["ibkr"]
DYDX_ACCOUNT = DESK.venues["dydx"].accounts[0]
LIVE_DESK = msgspec.structs.replace(
    DESK,
    mode=Mode.LIVE,
    clock=ClockSource.WALL,
    venues=dict(DESK.venues, ibkr=msgspec.structs.replace(IBKR, accounts=("U1234567",))),
    nats=NatsServers(durability=Durability.FSYNC),
)
SERVER = JetStreamServer(
    name="one",
    at=NOW,
    syncs_always=True,
    streams={stream.name: stream_config(stream) for stream in STREAMS},
    rooms=tuple(StreamRoom(stream.name, 100, 1000) for stream in STREAMS),
)


def details_of(desk: Desk) -> dict[str, dict[str, str]]:
    live = desk.mode is Mode.LIVE
    return {
        "gateway-ibkr": {
            "mode": desk.mode.value,
            "port": "4001" if live else "4002",
            "account": ", ".join(desk.venues["ibkr"].accounts),
        },
        "gateway-dydx": {"mode": desk.mode.value, "network": "mainnet" if live else "local", "account": DYDX_ACCOUNT},
    }


def sealed(service: str) -> dict[str, str]:
    links = links_of(service)
    return {"seals": shown_links(links), "unsealed_messages": "0"} if links else {}


def nats_of(desk: Desk) -> NatsSeen:
    details = details_of(desk)
    return NatsSeen(
        url="nats://127.0.0.1:4222",
        user="user",
        decision_refused=True,
        servers=(SERVER,),
        statuses={
            service: (
                ServiceStatus(
                    service=service,
                    ready=True,
                    waiting_for=(),
                    at=NOW,
                    details=details.get(service, {}) | sealed(service),
                ),
            )
            for service in services_of(desk)
        },
        links={
            (venue, account): VenueLink(id="1", at=NOW, venue=venue, account=account, status=LinkStatus.READY)
            for venue in desk.venues
            for account in desk.venues[venue].accounts
        },
        quotes={
            (item.venue, item.symbol): Quote(id="1", at=NOW, venue=item.venue, symbol=item.symbol)
            for item in desk.instruments
        },
        unknown_orders=(),
        desk_time=NOW,
    )


def facts_of(desk: Desk) -> Facts:
    return Facts(
        desk=desk,
        secrets=(SecretSeen(path="user", mode=0o600, private=True),),
        nats=nats_of(desk),
        prometheus=PrometheusSeen(
            url="http://p",
            up={service: (1, 1) for service in services_of(desk)},
            alertmanagers=1,
            has_watchdog=True,
            clock_offset_seconds={"ibkr": 0.1, "dydx": -0.2},
            drift={"ibkr U1234567 POSITION": 0.0},
        ),
        alertmanager=AlertmanagerSeen(
            url="http://a",
            ways_out={"page": 1, "dead-mans-switch": 1, "nobody": 0},
            watchdog_receivers=("dead-mans-switch",),
        ),
        people=PeopleSeen(path="people.conf", mode=0o600, added=("alice", "bob"), untried=("bob",)),
    )


LIVE = facts_of(LIVE_DESK)


def with_nats(**changes: Any) -> Facts:
    return replace(LIVE, nats=replace(LIVE.nats, **changes))


def with_details(service: str, **changes: str) -> Facts:
    [status] = LIVE.nats.statuses[service]
    told = msgspec.structs.replace(status, details=status.details | changes)
    return with_nats(statuses={**LIVE.nats.statuses, service: (told,)})


def with_desk(**changes: Any) -> Facts:
    return replace(LIVE, desk=msgspec.structs.replace(LIVE_DESK, **changes))


def with_link(status: LinkStatus) -> Facts:
    key = ("ibkr", "U1234567")
    return with_nats(links={**LIVE.nats.links, key: msgspec.structs.replace(LIVE.nats.links[key], status=status)})


def with_quote(kind: MarketDataType) -> Facts:
    key = ("ibkr", "SPY")
    quote = msgspec.structs.replace(LIVE.nats.quotes[key], market_data_type=kind)
    return with_nats(quotes={**LIVE.nats.quotes, key: quote})


def without_quote(symbol: str) -> Facts:
    return with_nats(quotes={key: quote for key, quote in LIVE.nats.quotes.items() if key[1] != symbol})


def with_prometheus(**changes: Any) -> Facts:
    assert LIVE.prometheus is not None
    return replace(LIVE, prometheus=replace(LIVE.prometheus, **changes))


def with_alertmanager(**changes: Any) -> Facts:
    assert LIVE.alertmanager is not None
    return replace(LIVE, alertmanager=replace(LIVE.alertmanager, **changes))


def with_people(**changes: Any) -> Facts:
    assert LIVE.people is not None
    return replace(LIVE, people=replace(LIVE.people, **changes))


def wrong(checks: list[Check]) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in checks if check.verdict is not Verdict.OK}


SEVERAL = msgspec.structs.replace(
    LIVE_DESK,
    venues=dict(DESK.venues, ibkr=msgspec.structs.replace(IBKR, accounts=("U1234567", "U7654321"))),
)


@pytest.mark.parametrize("account", ["U1234567", "U1234567, U1111111", "U1234567, DU7654321"])
def test_a_gateway_has_to_trade_all_accounts_of_the_desk(account: str) -> None:
    facts = facts_of(SEVERAL)
    [status] = facts.nats.statuses["gateway-ibkr"]
    told = msgspec.structs.replace(status, details=status.details | {"account": account})
    seen = replace(facts.nats, statuses={**facts.nats.statuses, "gateway-ibkr": (told,)})
    (check,) = [each for each in judge(replace(facts, nats=seen), live=True) if each.name == "ibkr account"]
    assert check.verdict is Verdict.FAILED
    assert "the desk file names U1234567, U7654321" in check.observed
    assert ("DU7654321 is a paper account" in check.observed) is ("DU" in account)


@pytest.mark.parametrize("desk", [DESK, LIVE_DESK, SEVERAL], ids=["paper", "live", "several"])
def test_a_good_desk_is_fit(desk: Desk) -> None:
    checks = judge(facts_of(desk), live=False)
    assert wrong(checks) == {}
    assert is_fit(checks, live=True)


STANDBY = ServiceStatus(service="oms", ready=True, waiting_for=(), at=NOW, active=False, standing_by="one works")
WAITING = ServiceStatus(service="oms", ready=False, waiting_for=("NATS",), at=NOW)
RELAXED = replace(SERVER, syncs_always=False)
WITHOUT_LEDGER = replace(SERVER, streams={name: each for name, each in SERVER.streams.items() if name != "LEDGER"})
UNMARKED = replace(SERVER, streams=SERVER.streams | {"TRADE": SERVER.streams["TRADE"] | {"metadata": {}}})
UNBOUNDED = replace(SERVER, rooms=(*SERVER.rooms, StreamRoom("BARS", 100, 0)))
NEARLY_FULL = replace(SERVER, rooms=(*SERVER.rooms, StreamRoom("LEDGER", 901, 1000)))
FORGETFUL = replace(SERVER, streams=SERVER.streams | {"TRADE": SERVER.streams["TRADE"] | {"max_age": 1}})
FAULTS = {
    "a secret that others may read": (
        replace(LIVE, secrets=(SecretSeen(path="x", mode=0o644, private=False),)),
        "secrets",
    ),
    "a people.conf that others may read": (with_people(mode=0o644, private=False), "people.conf"),
    "a people.conf that makes no sense": (with_people(problem="people.conf, line 2 is not"), "people.conf"),
    "accounts of another version": (with_people(is_up_to_date=False), "people.conf"),
    "somebody who is written down and not let in": (with_people(refused=("alice",)), "people"),
    "somebody whose words do not arrive": (with_people(unheard=("alice",)), "people"),
    "no NATS": (with_nats(problem="NATS can not be reached"), "nats"),
    "a user who may decide": (with_nats(decision_refused=False), "permissions"),
    "a stream without a bound": (with_nats(servers=(UNBOUNDED,)), "room"),
    "a stream that orders need and that is nearly full": (with_nats(servers=(NEARLY_FULL,)), "room"),
    "a stream that is missing": (with_nats(servers=(WITHOUT_LEDGER,)), "streams"),
    "a stream that forgets": (
        with_nats(servers=(FORGETFUL,)),
        "streams",
    ),
    "a server that does not sync": (with_nats(servers=(RELAXED,)), "durability"),
    "one of two servers that does not sync": (with_nats(servers=(SERVER, RELAXED)), "durability"),
    "replicas that are not there": (with_desk(nats=NatsServers(durability=Durability.REPLICATED)), "durability"),
    "nothing stated": (with_desk(nats=NatsServers()), "durability"),
    "a clock that is wrong": (with_nats(clock_offset_seconds=-2.5), "clock of nats"),
    "a service that is gone": (with_nats(statuses={**LIVE.nats.statuses, "oms": ()}), "service oms"),
    "a service that waits": (with_nats(statuses={**LIVE.nats.statuses, "oms": (WAITING,)}), "service oms"),
    "a service of which all stand by": (with_nats(statuses={**LIVE.nats.statuses, "oms": (STANDBY,)}), "service oms"),
    "a service that checks no seals": (with_details("oms", seals=""), "seals"),
    "a service that lacks a key": (with_details("oms", seals="risk-oms"), "seals"),
    "a message that nobody has sealed": (with_details("risk", unsealed_messages="2"), "seals"),
    "a history from before seals": (with_nats(servers=(UNMARKED,)), "streams"),
    "a live desk at the paper port": (with_details("gateway-ibkr", port="4002"), "ibkr account"),
    "a paper account": (with_details("gateway-ibkr", account="DU1234567"), "ibkr account"),
    "a gateway that runs on paper": (with_details("gateway-ibkr", mode="paper"), "ibkr account"),
    "the test network": (with_details("gateway-dydx", network="testnet"), "dydx account"),
    "a link that reconciles": (with_link(LinkStatus.RECONCILING), "ibkr link"),
    "no link": (with_nats(links={}), "dydx link"),
    "delayed data": (with_quote(MarketDataType.DELAYED), "ibkr market data"),
    "data that is refused": (with_details("gateway-ibkr", data_refused="SPY: not subscribed"), "ibkr market data"),
    "a market in session that is silent": (without_quote("SPY"), "ibkr market data"),
    "an order whose fate is not known": (with_nats(unknown_orders=("o-1",)), "orders"),
    "a service that is not scraped": (with_prometheus(up={}), "prometheus"),
    "no Alertmanager behind Prometheus": (with_prometheus(alertmanagers=0), "prometheus"),
    "a venue's clock that is wrong": (
        with_prometheus(clock_offset_seconds={"ibkr": 4.0, "dydx": 0.0}),
        "clocks of venues",
    ),
    "books that are not the venue's": (with_prometheus(drift={"ibkr U1 CASH": 1.0}), "positions and cash"),
    "no Watchdog": (with_alertmanager(watchdog_receivers=None), "alertmanager"),
    "nobody who is paged": (with_alertmanager(ways_out={"page": 0, "dead-mans-switch": 1}), "receiver page"),
    "no receiver for pages": (with_alertmanager(ways_out={"dead-mans-switch": 1}), "receiver page"),
    "a page that goes elsewhere": (with_alertmanager(test_receivers=("nobody",)), "receiver page"),
    "no dead man's switch": (
        with_alertmanager(ways_out={"page": 1, "dead-mans-switch": 0}),
        "receiver dead-mans-switch",
    ),
    "a Prometheus that is down": (
        replace(LIVE, prometheus=PrometheusSeen(url="http://p", problem="refused")),
        "prometheus",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_fails_and_says_what_to_do(fault: str) -> None:
    facts, name = FAULTS[fault]
    checks = judge(facts, live=True)
    [check] = [check for check in checks if check.name == name]
    assert check.verdict is Verdict.FAILED
    assert check.action
    assert not is_fit(checks, live=True)


MAY_BE_ON_PAPER = (
    "a server that does not sync", "delayed data", "a market in session that is silent", "nobody who is paged",
    "a people.conf that others may read", "accounts of another version",
)  # fmt: skip


@pytest.mark.parametrize("fault", MAY_BE_ON_PAPER)
def test_what_real_money_may_not_paper_may(fault: str) -> None:
    facts, name = FAULTS[fault]
    nats = replace(facts.nats, statuses=nats_of(DESK).statuses)
    paper = replace(facts_of(DESK), nats=nats, alertmanager=facts.alertmanager, people=facts.people)
    [check] = [check for check in judge(paper, live=False) if check.name == name]
    assert check.verdict in (Verdict.OK, Verdict.WARNING)


def test_a_paper_desk_is_not_fit_for_real_money() -> None:
    checks = {check.name: check.verdict for check in judge(facts_of(DESK), live=True)}
    assert {checks[name] for name in ("desk file", "ibkr account", "dydx account", "durability")} == {Verdict.FAILED}


def test_what_was_not_checked_is_enough_for_paper_only() -> None:
    checks = judge(replace(LIVE, prometheus=None, alertmanager=None), live=True)
    assert set(wrong(checks).values()) == {Verdict.NOT_CHECKED}
    assert is_fit(checks, live=False)
    assert not is_fit(checks, live=True)


def test_who_all_share_one_name_are_warned_of_it_before_real_money() -> None:
    shared = with_people(added=(), untried=())
    checks = judge(shared, live=True)
    [names] = [check for check in checks if check.name == "names"]
    assert (names.verdict, "signalbox people add" in names.action) == (Verdict.WARNING, True)
    assert is_fit(checks, live=True)
    paper = judge(replace(facts_of(DESK), people=shared.people), live=False)
    assert wrong(paper) == {}


def test_whose_password_is_not_here_is_named_and_no_fault() -> None:
    [people] = [check for check in judge(LIVE, live=True) if check.name == "people"]
    assert people.verdict is Verdict.OK
    assert people.observed == "the server lets in alice; not tried, for want of a password here: bob"


def test_a_people_conf_that_is_not_known_is_not_checked() -> None:
    checks = judge(replace(LIVE, people=None), live=True)
    assert wrong(checks) == {"people.conf": Verdict.NOT_CHECKED}
    assert "SIGNALBOX_PEOPLE_FILE" in next(check.action for check in checks if check.name == "people.conf")


def test_closed_markets_say_nothing_of_their_data() -> None:
    night = datetime(2026, 1, 4, 3, 0, tzinfo=UTC)
    quotes = {key: quote for key, quote in LIVE.nats.quotes.items() if key[0] == "dydx"}
    checks = judge(with_nats(desk_time=night, quotes=quotes), live=True)
    assert wrong(checks) == {"ibkr market data": Verdict.NOT_CHECKED}


def test_who_stands_by_is_no_fault() -> None:
    statuses = LIVE.nats.statuses
    checks = judge(with_nats(statuses={**statuses, "oms": (STANDBY, *statuses["oms"])}), live=True)
    assert wrong(checks) == {}


def test_a_limit_that_never_denies_is_a_warning() -> None:
    limits = msgspec.structs.replace(DESK.limits, position_notional_max=Decimal(99_000_000))
    checks = judge(with_desk(limits=limits), live=True)
    assert wrong(checks) == {"limits": Verdict.WARNING}
    assert is_fit(checks, live=True)


def test_what_is_wrong_with_settings_secrets_and_files_is_told() -> None:
    wrong = replace(
        LIVE,
        settings=("SIGNALBOX_HTTP_PROT is set, but nothing of the desk reads a variable of this name.",),
        secrets=(SecretSeen(path="user", mode=0o600, private=True, mistake="user has 2 lines."),),
        files=(FileSeen(path="run/desk/logs", mode=0o755, open_to_others=True),),
    )
    found = {check.name: check for check in judge(wrong, live=True)}
    for name, said in (("settings", "SIGNALBOX_HTTP_PROT"), ("secrets", "2 lines"), ("files", "run/desk/logs (755)")):
        assert found[name].verdict is Verdict.FAILED
        assert said in found[name].observed
        assert found[name].action
    assert {check.name: check for check in judge(wrong, live=False)}["files"].verdict is not Verdict.OK


def test_files_that_are_the_owners_alone_are_well() -> None:
    well = replace(LIVE, files=(FileSeen(path="run/desk/logs", mode=0o700, open_to_others=False),))
    assert {check.name: check.verdict for check in judge(well, live=True)}["files"] is Verdict.OK


def test_the_version_of_the_limits_that_holds_is_told() -> None:
    version = "3 by olga: a quiet day"
    checks = judge(with_details("risk", limits_version=version), live=True)
    assert [(each.verdict, each.observed) for each in checks if each.name == "limits version"] == [
        (Verdict.OK, version)
    ]
    assert wrong(checks) == {}


def test_a_desk_file_that_was_changed_since_limits_were_set_is_a_warning() -> None:
    version = f"3 by olga: a quiet day; {FILE_CHANGED}, which hold too where they are tighter"
    assert wrong(judge(with_details("risk", limits_version=version), live=True)) == {"limits version": Verdict.WARNING}
