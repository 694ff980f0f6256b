"""Venues to develop, demo and test against: a market, a matching engine and the venue's own books.

From the outside in: `command_line` runs one world behind the fronts `tws` and `dydx`, alone or both; `world` runs
everything and is what a front calls; `options` sets it up; `clock`, `timeline` and `listeners` are its time and its
audience; `playing` plays the markets and has the orders matched; `venue_orders` is the back office over the pure
`matching`, `books` and `fees`; `market` gives quotes and history over a `tape`, which is `synthetic` or `replay`,
broken up by `bars`; `journal` is what survives a kill; `quoting`, `orders`, `listings` and `figures` are the words.
"""
