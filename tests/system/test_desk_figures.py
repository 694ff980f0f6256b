"""What the running desk shows of itself at `/metrics`: the same as what it tells a person."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from prometheus_client.parser import text_string_to_metric_families
from signalbox.streams import STREAMS

from tests.running_desk import RunningDesk

ACCOUNT = {"venue": "ibkr", "account": "DU1234567"}
Labels = frozenset[tuple[str, str]]


def samples(desk: RunningDesk, of: str, name: str) -> dict[Labels, float]:
    """Every sample of one name that the service `of` shows, by its labels."""
    status, text = desk.http(of, "/metrics")
    assert status == 200
    return {
        frozenset(sample.labels.items()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def value(desk: RunningDesk, of: str, name: str, **labels: str) -> float | None:
    return samples(desk, of, name).get(frozenset(labels.items()))


def hops(desk: RunningDesk, service: str, hop: str) -> float:
    return value(desk, service, "signalbox_order_hop_seconds_count", venue="ibkr", hop=hop) or 0.0


def test_every_service_shows_its_version_its_desk_time_and_its_bus(desk: RunningDesk) -> None:
    for service in desk.facts["http_ports"]:
        assert len(samples(desk, service, "signalbox_build_info")) == 1, service
        assert value(desk, service, "signalbox_active", service=service) == 1, service
        assert value(desk, service, "signalbox_bus_connected", service=service) == 1, service
        assert value(desk, service, "signalbox_bus_reconnects_total", service=service) == 0, service
        seconds = value(desk, service, "signalbox_desk_time_seconds", service=service)
        assert seconds is not None, service
        assert datetime.fromtimestamp(seconds, UTC).year == 2024, f"{service} does not follow the desk clock"


def test_each_hop_of_an_order_through_the_desk_is_measured_where_it_ends(desk: RunningDesk) -> None:
    ends = {"risk": "intent_to_decision", "oms": "decision_to_command"}
    before = {service: hops(desk, service, hop) for service, hop in ends.items()}
    reported = hops(desk, "oms", "report_to_event")
    assert desk.run("intent", "buy", "10", "SPY", "--follow").returncode == 0
    assert {service: hops(desk, service, hop) - 1 for service, hop in ends.items()} == before
    assert hops(desk, "oms", "report_to_event") >= reported + 2  # accepted, filled


def test_positions_are_those_that_a_person_sees_and_risk_counts_them(desk: RunningDesk) -> None:
    assert desk.run("intent", "buy", "10", "AAPL", "--follow").returncode == 0
    key = {**ACCOUNT, "symbol": "AAPL"}

    def agree() -> bool:
        position = next((line for line in desk.lines("positions") if line["symbol"] == "AAPL"), None)
        if position is None:  # not in the database yet
            return False
        shown = [
            value(desk, "oms", f"signalbox_oms_{name}", **key)
            for name in ("position_quantity", "unrealised_pnl", "realised_pnl")
        ]
        told = [float(Decimal(position[name])) for name in ("quantity", "unrealized_pnl", "realized_pnl")]
        return shown == told

    desk.until(agree)
    quantity = value(desk, "oms", "signalbox_oms_position_quantity", **key)
    assert quantity is not None
    assert quantity >= 10
    assert (value(desk, "oms", "signalbox_oms_position_value", **key) or 0) > 0
    assert value(desk, "oms", "signalbox_oms_drift_quantity", **key) == 0
    assert (value(desk, "risk", "signalbox_risk_limit_use", **ACCOUNT, limit="gross_exposure_max") or 0) > 0
    assert (value(desk, "risk", "signalbox_risk_account_equity", **ACCOUNT) or 0) > 0


def test_position_without_a_stop_grows_unprotected(desk: RunningDesk) -> None:
    key = {**ACCOUNT, "symbol": "AAPL"}
    assert desk.run("intent", "buy", "10", "AAPL", "--follow").returncode == 0
    first = value(desk, "oms", "signalbox_oms_unprotected_position_seconds", **key)
    assert first is not None
    desk.until(lambda: (value(desk, "oms", "signalbox_oms_unprotected_position_seconds", **key) or 0) > first)


def test_recorder_shows_every_stream_and_the_room_that_is_left(desk: RunningDesk) -> None:
    declared = {stream.name for stream in STREAMS}
    shown = {dict(labels)["stream"] for labels in samples(desk, "recorder", "signalbox_stream_messages")}
    assert shown == declared
    assert (value(desk, "recorder", "signalbox_consumer_pending", stream="TRADE", consumer="oms")) is not None
    used = value(desk, "recorder", "signalbox_jetstream_storage_bytes")
    limit = value(desk, "recorder", "signalbox_jetstream_storage_limit_bytes")
    assert used is not None
    assert limit is not None
    assert 0 < used < limit
    assert value(desk, "recorder", "signalbox_dead_letters") is not None
