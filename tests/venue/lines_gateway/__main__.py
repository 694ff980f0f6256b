"""Start the gateway to the line broker: `python -m lines_gateway`."""

from __future__ import annotations

from lines_gateway.service import Settings, start
from signalbox import process


def main() -> None:
    process.run("gateway-ibkr", Settings, start)


if __name__ == "__main__":
    main()
