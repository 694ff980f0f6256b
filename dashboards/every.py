"""Every dashboard, in the order in which Grafana lists their links."""

from __future__ import annotations

from dashboards import bus, desk, market_data, orders, risk, services, venues

DASHBOARDS = (
    desk.DASHBOARD,
    orders.DASHBOARD,
    risk.DASHBOARD,
    market_data.DASHBOARD,
    venues.DASHBOARD,
    bus.DASHBOARD,
    services.DASHBOARD,
)
