"""The bare client of `dydx_markets`: `python -m benchmarks.bare_markets URL SYMBOL...`.

The vendor's library alone: as many websockets as the indexer's limit needs, each in a thread, subscribed to the book,
the trades and the candles of its markets. Every message is read as JSON by the library, and counted.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from dydx_v4_client.indexer.candles_resolution import CandlesResolution
from dydx_v4_client.indexer.socket.websocket import IndexerSocket

MARKETS_OF_A_CONNECTION = 32


def main(url: str, symbols: list[str]) -> None:
    pieces = [symbols[at : at + MARKETS_OF_A_CONNECTION] for at in range(0, len(symbols), MARKETS_OF_A_CONNECTION)]
    waiting, lock = 3 * len(symbols), threading.Lock()

    def on_message(app: Any, message: dict[str, Any]) -> None:
        nonlocal waiting
        if message["type"] != "subscribed":
            return
        with lock:
            waiting -= 1
            if not waiting:
                print("subscribed", flush=True)

    threads = [threading.Thread(target=_live, args=(url, piece, on_message), daemon=True) for piece in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _live(url: str, symbols: list[str], on_message: Any) -> None:
    def on_open(app: Any) -> None:
        for symbol in symbols:
            app.order_book.subscribe(symbol, True)
            app.trades.subscribe(symbol, True)
            app.candles.subscribe(symbol, CandlesResolution.ONE_MINUTE, True)

    IndexerSocket(url, on_open=on_open, on_message=on_message).run_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
