"""The Services dashboard: of every process: is it ready, does it work or stand by, what does it use."""

from __future__ import annotations

from dashboards.queries import OF_JOB, OF_SERVICE, changes, quantile, rate
from dashboards.shapes import counts, must_be_zero, rates, times
from dashboards.specification import (
    GREEN,
    ORANGE,
    RED,
    SERVICE,
    Dashboard,
    Query,
    Row,
    Unit,
    Word,
    lines,
    number,
    rising,
    states,
    table,
)

READY = {0: Word("not ready", RED), 1: Word("ready", GREEN)}
ACTIVE = {0: Word("stands by", ORANGE), 1: Word("works", GREEN)}
PROCESS = (("job", "Service"), ("instance", "Process"))


def each(metric: str) -> str:
    """A figure of each process."""
    return f"max by (job, instance) ({metric}{{{OF_JOB}}})"


NOW = Row(
    "Now",
    (
        must_be_zero(
            "Do not answer",
            "Processes that Prometheus is told to scrape and that do not answer. Normal: 0.",
            f"sum (1 - up{{{OF_JOB}}})",
            width=4,
            runbook="service-down",
        ),
        must_be_zero(
            "Not ready",
            "Processes that answer and are not ready: connecting, rebuilding, catching up, or waiting for their venue. "
            "`signalbox status` says for what. Normal: 0.",
            f"sum (1 - signalbox_ready{{{OF_SERVICE}}})",
            width=4,
            runbook="service-not-ready",
        ),
        must_be_zero(
            "Nobody works",
            "Services of which processes are up and none works: all stand by. Normal: 0.",
            f"sum (1 - clamp_max(sum by (service) (signalbox_active{{{OF_SERVICE}}}), 1))",
            width=4,
            runbook="no-active-replica",
        ),
        number(
            "Restarts in an hour",
            "Of the service that was restarted most often. One is a deployment; more, and it can not stay up.",
            Unit.COUNT,
            f"max (signalbox:restarts:1h{{{OF_JOB}}})",
            steps=rising(2, 4),
            width=4,
            runbook="restart-loop",
        ),
        number(
            "Largest memory",
            "Of any process of the desk (resident).",
            Unit.BYTES,
            f"max (process_resident_memory_bytes{{{OF_JOB}}})",
            steps=rising(180e6, 300e6),
            width=4,
            runbook="memory-high",
        ),
        number(
            "Versions",
            "How many versions run side by side. More than one: an upgrade is half done.",
            Unit.COUNT,
            f"count (count by (version) (signalbox_build_info{{{OF_SERVICE}}}))",
            steps=rising(2, 3),
            width=4,
        ),
    ),
)

PROCESSES = Row(
    "Processes",
    (
        table(
            "Every process",
            "Is it ready, does it work or stand by, since when does it run, what does it use.",
            PROCESS,
            Query(each("signalbox_ready"), "Ready", words=READY),
            Query(each("signalbox_active"), "Works", words=ACTIVE),
            Query(f"time() - {each('process_start_time_seconds')}", "Runs for", unit=Unit.DURATION),
            Query(each("process_resident_memory_bytes"), "Memory", unit=Unit.BYTES),
            Query(
                f"max by (job, instance) (rate(process_cpu_seconds_total{{{OF_JOB}}}[$__rate_interval]))",
                "CPU",
                unit=Unit.SHARE,
            ),
            Query(each("process_open_fds"), "Open files", unit=Unit.COUNT),
            sort_by="Memory",
            height=10,
        ),
        states(
            "Ready",
            "Ready = connected, rebuilt and caught up.",
            Query(f"min by (service, instance) (signalbox_ready{{{OF_SERVICE}}})", "{{service}} {{instance}}"),
            READY,
            runbook="service-not-ready",
        ),
        states(
            "Works or stands by",
            "Of several processes of risk, OMS, recorder or a gateway one works under a lease; the others take over "
            "when it is gone. All indicators work.",
            Query(f"max by (service, instance) (signalbox_active{{{OF_SERVICE}}})", "{{service}} {{instance}}"),
            ACTIVE,
            runbook="no-active-replica",
        ),
    ),
)

USE = Row(
    "What they use",
    (
        lines(
            "Memory",
            "Resident, of each process.",
            Unit.BYTES,
            Query(each("process_resident_memory_bytes"), "{{job}} {{instance}}"),
            minimum=0,
            runbook="memory-high",
        ),
        lines(
            "CPU",
            "Of one core, of each process.",
            Unit.SHARE,
            Query(
                f"max by (job, instance) (rate(process_cpu_seconds_total{{{OF_JOB}}}[$__rate_interval]))",
                "{{job}} {{instance}}",
            ),
            minimum=0,
        ),
        counts(
            "Restarts",
            "Of each service in the hour before.",
            Query(f"signalbox:restarts:1h{{{OF_JOB}}}", "{{job}}"),
            runbook="restart-loop",
        ),
        counts(
            "Open files",
            "Sockets too. One that only grows will end at the limit.",
            Query(each("process_open_fds"), "{{job}} {{instance}}"),
        ),
        rates(
            "Garbage collections",
            "Of Python, each second, by generation.",
            Query(rate("job, generation", f"python_gc_collections_total{{{OF_JOB}}}"), "{{job}} {{generation}}"),
        ),
        lines(
            "Desk clock less wall clock",
            "0 against a real venue; a simulated desk lives at another time, and all services at the same.",
            Unit.SECONDS,
            Query(f"signalbox_desk_time_seconds{{{OF_SERVICE}}} - time()", "{{service}} {{instance}}"),
            runbook="clock-skew",
        ),
    ),
)

LATENCY = Row(
    "How fast they are",
    (
        times(
            "Risk and indicators, 99 of 100",
            "From an intent's arrival to its decision, and from a bar's receipt to its score, each stored.",
            Query(quantile(0.99, "job", "signalbox_risk_decision_latency_seconds"), "decision"),
            Query(quantile(0.99, "timeframe", "signalbox_indicators_score_latency_seconds"), "score {{timeframe}}"),
            runbook="order-path-slow",
        ),
        times(
            "Messages to NATS, 99 of 100",
            "From a publish until it is stored, by service.",
            Query(
                quantile(0.99, "service", "signalbox_bus_publish_seconds", OF_SERVICE),
                "{{service}}",
            ),
            more="signalbox-bus",
        ),
        times(
            "Order path, 99 of 100",
            "Each hop of an order.",
            Query(quantile(0.99, "hop", "signalbox_order_hop_seconds"), "{{hop}}"),
            runbook="order-path-slow",
            more="signalbox-orders",
        ),
    ),
)

REPLICAS = Row(
    "Replicas of the indicators",
    (
        counts(
            "Partitions of each replica",
            "The symbols are divided into eight partitions; each is scored by one replica at a time.",
            Query("sum by (instance) (signalbox_indicators_partition_owned)", "{{instance}}"),
            stacked=True,
            width=12,
        ),
        counts(
            "Taken over",
            "Partitions taken over from another replica, in each interval.",
            Query(
                changes("instance", "signalbox_indicators_takeovers_total"),
                "{{instance}}",
                empty_when_healthy="an indicator process that is killed",
            ),
            width=12,
        ),
    ),
)

DASHBOARD = Dashboard(
    uid="signalbox-services",
    title="Services",
    about="Every process of the desk: is it ready, does it work or stand by, how fast is it, what does it use.",
    variables=(SERVICE,),
    rows=(NOW, PROCESSES, USE, LATENCY, REPLICAS),
    annotations=("trading-state",),
)
