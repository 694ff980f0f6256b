"""The formulas of the desk's indicators and scores: pure functions of plain floats, ints and tuples.

Owns the arithmetic, after TradingView's Pine v5 reference manual, and the tuple in which a series' memory is kept
from bar to bar. It must not know messages, venues, symbols, calendars or time zones: a trading day is a number here.

The functions are written so that one source runs interpreted on the live bars and compiled (numba) over history, to
the same bits: no structs, no None, no exceptions, no keyword arguments. What is not defined yet is NaN, which
compares false with everything, exactly as Pine's `na` does; it becomes None at the edge (`readings.read`).
"""
