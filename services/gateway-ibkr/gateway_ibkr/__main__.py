"""Start the gateway to Interactive Brokers: `python -m gateway_ibkr`."""

from __future__ import annotations

from signalbox import process

from gateway_ibkr.service import start
from gateway_ibkr.settings import Settings


def main() -> None:
    process.run("gateway-ibkr", Settings, start)


if __name__ == "__main__":
    main()
