"""Start the gateway to dYdX: `python -m gateway_dydx`."""

from __future__ import annotations

from signalbox import process

from gateway_dydx.service import start
from gateway_dydx.settings import Settings


def main() -> None:
    process.run("gateway-dydx", Settings, start)


if __name__ == "__main__":
    main()
