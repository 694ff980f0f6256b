"""Writes docs/limits.md: every limit, by the rows that hold orders against them.

python -m signalbox_cli.limits_reference > docs/limits.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from risk.asked import OF_ORDERS
from risk.checks.rows import Limit, Row
from risk.limits import limits_of
from risk.pulling import CAUSES, Cause
from signalbox.limits import EVERYWHERE, LIMITS, PER_NAME, Scope

HEAD = """# Limits

<!-- Written by `python -m signalbox_cli.limits_reference`; a test fails when this is not what it writes. -->

What risk holds every order against. The table `[limits]` of the desk file is version 0, of the scope desk; there are no
defaults but one, and what is optional (last column) bounds nothing where nobody states it. Operators set others while
the desk trades (`signalbox limits`, [below](#set-while-the-desk-trades)).

Each limit holds for each account by itself, and counts everything under way: an order that is not done counts as if all
of it filled at its worst. What only reduces a position is not held up by the limits on positions, exposure and funds. A
denial names the check, with the limit, whose it is, and what was observed (`signalbox explain`, the view `checks`).
The used share is `signalbox_risk_limit_use{limit=...}` and `signalbox limits use`, on the dashboard *Risk*; from 90 %
on the alert ExposureNearLimit tells, of losses from 80 % on LossNearLimit.

| limit | what it bounds | may be stated for | check | used share | where nobody states it |
|---|---|---|---|---|---|
"""
TAIL = """
## Losses

What an account has lost is reckoned by risk itself, of TRADE and prices: *profit and loss*, realised and unrealised, of
all positions since the desk took the account's books over; by average cost, as the OMS reckons; each position at the
last price that risk has seen (the oracle's where the venue goes by one, else the middle of bid and ask); in the
account's currency; before commissions and funding. Money that is paid in or out is neither won nor lost. Where the
price of a position is older than `price_age_seconds_max` while its market trades, or there is none, *what opens is
denied*: nobody knows what was lost. All of these limits let pass what only reduces a position, whatever was lost.

The *day* of an account begins with its venue's: at IBKR with the pre-open of the New York session (04:00 there,
holidays and daylight saving as its calendar has them) and lasts to the next, at dYdX at 00:00 UTC. What is held then is
valued at the last price before: a gap over night is the new day's. Where no process of risk was there when the day
began, it is taken to have begun with the profit and loss of the last decision, or of now where that is higher.

- `daily_loss_max`. *Fires* when the account's profit and loss has fallen by more than this since the day's opening, by
  the prices at a decision; a day that is up never fires it, however much of it was given back. *Stops* whatever opens
  in the account. *Lets go* when the next day begins and not before, also when it was won back; or when an operator sets
  a higher limit than was lost.
- `drawdown_max_fraction`. *Fires* when it lies below its peak, the highest that risk has seen since the books were
  taken over, by more than this part of what the account would be worth without that loss: of the venue's net
  liquidation and the loss together. *Stops* the same. *Lets go* as soon as it is within that again, or with a higher
  limit; the peak never falls.
- `consecutive_losses_max`. *Fires* when so many positions, in whatever symbols of the account, were closed to nothing
  or turned round at a loss, in a row and in the day. In how many fills does not matter, and what was closed at exactly
  its cost does not count. *Stops* the same. *Lets go* when a position is closed with a gain, when the next day begins,
  or with a higher limit.
- `cooldown_seconds_after_stop`. *Fires* when a stop, trailing or not, has closed something of a position (one that
  opens does not count). *Stops* whatever opens in that symbol of the account. *Lets go* when so much desk time has
  passed since the last such fill. The longest of all scopes holds.

Of 100 SPY bought at 100 yesterday, that stood at 102 when the day began, 96 is a loss of 600 today (and of 400 since
it was bought): with `daily_loss_max = 600` another order may open, at 95.99 none. Sold at 95.99, and SPY back at 103,
nothing opens either until the next day.

That a limit was reached is fixed in TRADE, by the decision that saw it, and so holds in every process and after every
restart. What prices alone did between two decisions is not: whom a dip has denied nothing, it binds no longer.

## Stops

A stop is a leg of the order's own list, a bracket or what follows an entry, that trades as the position loses. One that
is sent by itself, before or after, does not count here. Both limits are asked when the list is sent, of its entry; what
only reduces passes both. A change of the entry's price afterwards is not held against them.

- `risk_per_trade_max`. *Measures* the way from where the entry is taken to fill (its limit, its stop, or the market) to
  where its stop triggers (a trailing one: where it begins), for all that the stop is for, with the multiplier, in the
  account's currency, without slippage and costs. Of a part of the entry that no stop is for, all that it is worth
  counts. *Stops* a list that could lose more. *Lets through* an order without any stop, which `stop_required` is for.
- `stop_required = 1`. *Stops* whatever opens without a stop for all of its quantity.

A bracket that buys 100 at 50 with its stop at 48 loses 200 at it: with `risk_per_trade_max = 200` it passes, for 101 it
does not.

## Positions together

These are optional, and let pass what only reduces. What an account is worth is the venue's net liquidation; where that
is missing, not above zero, or in another currency than the account's books, what opens is denied.

- `open_positions_max` counts symbols that are held or in which something works. An order in one of those opens no
  other position, whatever the number is.
- `entries_per_position_max` can be 1 alone: what opens in a symbol that is held, or being opened, is denied (no
  duplicate holding), as is what would turn a position round. A change of the entry itself is no other entry.
- `net_exposure_max` is held against the side of the order: with all working orders of that side filled, none of the
  other. `leverage_max` is all of it, long and short added up, over what the account is worth.
- `exposure_equity_fraction_max` is of the whole desk: all accounts at all venues, what each may hold at worst, over
  what they are worth together, in the currency of the order's account. Of an account that risk knows too little of, or
  whose figures are older than `account_age_seconds_max`, the rest can not open either. An order for a group of accounts
  is denied where this is stated: send it to each by itself.
- `spread_max_fraction` is (ask - bid) over their middle. Where it is stated a market that is locked (bid = ask) or
  crossed, or that has one side alone, is none to open a position in.
- `opening_notional_min` is held against what an order is worth at its own limit or stop price, or at the market's.

## Scopes

A limit may be stated for the desk, a venue, an account, an asset class (STOCK, OPTION, PERPETUAL, FOREX), a strategy
and a symbol: those that the table above names. Of all that an order is in *the tightest holds*, and the decision says
which it was of (`the limit of symbol:SPY`; `scope` of a check). *A limit that none of them states denies*
(`limits_stated`).

- A scope says *which orders* its limits are for. What is measured is the same: `position_notional_max` of a strategy is
  what an order of that strategy may bring the account's position in the symbol to, whoever holds the rest of it. So
  what is added up over an account is stated for desk, venue and account alone. What a strategy or an asset class holds
  altogether is not bounded yet.
- An order is of the strategy that its intent names: a sender can leave it out, and is held to the other scopes then.
- The asset class is that of the symbol's form, by itself.
- A set with a limit that this version of risk does not know (a later one has set it) lets no order through.

A limits file has a table for each, and states all that is to hold (schema: `LimitsByScope` in
[messages.json](schemas/messages.json)):

```toml
[desk]
order_quantity_max = 500
[asset_class.OPTION]
order_notional_max = "500"
[strategy."momentum 1"]
order_quantity_max = 50
[symbol.SPY]
price_collar_fraction = "0.02"
```

It is taken whole or not at all, with every mistake told at once: a name that the desk does not trade, a limit where it
can not be stated, a number that is none, and what contradicts itself: a narrower scope that is looser than one around
it could never hold. It has 10,000 bytes on the wire at most. `profiles/` has three: `paper` for a simulated desk,
`conservative` and `aggressive`. They are plain files to begin with: look at `signalbox limits diff FILE` first.

## Set while the desk trades

`signalbox limits set symbol:SPY order_quantity_max=50 --reason WHY`, or `limits load FILE`, proposes a whole set, made
from the version that holds, under the operator's name. Risk answers once, in TRADE, among its decisions
([decision 90](decisions/0090-limits-are-a-word-of-risk-in-trade.md)):

- *Set*: the next version. It holds from the next intent on, in that process and in whichever takes over; every decision
  has its number (`basis.limits_version`). What works already stays: a tighter limit cancels nothing.
- *Refused*, with the reason: another version holds than the one it was made from; a mistake; it says no reason; it has
  waited for more than five minutes. The last good version stands, and `signalbox status` tells both. What can not be
  read at all is parked (`signalbox dead`).
- *What lets more through* has to be meant: the command asks, or is told `--loosen`. With `loosen_limits = "TWO"` in the
  desk file a second operator has to want the same: `signalbox limits agree ID`.
- *Edit the desk file* afterwards, and what it has holds too where it is tighter, until operators set limits again:
  `signalbox_risk_limits_file_changed`. It can not loosen what operators have set.

`limits history` has who, when and why; `limits diff` compares versions and files; `replay decisions` and `explain` make
each decision under the version that it names.

## What is halted

Trading is ACTIVE, REDUCING (only what reduces a position is let through) or HALTED (no order is): the desk, a venue,
an account, a strategy, or a symbol of an account. Of all that an order is in *the strictest holds*; of equal ones the
widest is told. The denial says which it was, who has switched it and why (`scope` of the check `trading_state`).
Cancels pass, and so does what a flatten closes.

`signalbox halt WHY` and `resume WHY` switch the desk; with `--venue`, `--account`, `--strategy` or `--symbol` that
scope, for which the OMS has to run. A strategy is what intents name. A `resume` is of the scope that it names: what is
switched around it, or within it, stays. `signalbox status` and `today` say what is not ACTIVE, by whom and why.

### By itself

What the table `[switches]` of the desk file states makes risk switch a scope by itself, as a word of risk in TRADE
([decision 98](decisions/0098-trading-states-by-scope.md)): the next intent is decided under it, by whichever process
decides then. Nothing is on that is not stated: what is too long depends on the venue, its hours and the feed, and a
switch that pulls for nothing is soon resumed without a look.

| stated | what pulls, just past it | what it makes of it |
|---|---|---|
"""
SWITCHES_TAIL = """
- *Seconds are desk time*, and what is just at the limit does not pull.
- *It is pulled once*, says since when, and stays until an operator resumes that scope, with a reason: `status` and
  `today` show it, and the alert SwitchPulledItself tells. Nothing is resumed by itself when its cause is over.
- *After that the same cause must come anew*: another order, another storm (what was rejected before does not count),
  another silence. What is still silent, or still differs, is known to whoever resumed. What is observed beside TRADE
  (silence, drift) is counted anew by a process that begins: then it may pull again.
- *It closes nothing and cancels nothing*: what works stays, stops at the venue too.
- The desk's own is ended by the next `signalbox resume` of the desk; no other needs more than `resume` of its scope.
"""


def page(rows: Iterable[Row[Any]] = OF_ORDERS) -> str:
    """The whole page."""
    limits = "".join(_line(row, limit) for row, limit in limits_of(rows))
    return HEAD + limits + TAIL + "".join(map(_cause, CAUSES)) + SWITCHES_TAIL


def _cause(cause: Cause) -> str:
    return f"| `{cause.limit}` | {cause.about} | {cause.mode} |\n"


def _line(row: Row[Any], limit: Limit) -> str:
    term = LIMITS.get(limit.name)
    where = ", ".join(scope.value.replace("_", " ") for scope in Scope if term is not None and scope in term.scopes)
    if term is not None and term.scopes == EVERYWHERE:
        where = "every scope"
    used = "yes" if limit.used is not None else "-"
    unstated = "optional" if term is not None and term.is_optional else "half" if limit.name == PER_NAME else "denies"
    return f"| `{limit.name}` | {limit.about} | {where} | `{row.name}` | {used} | {unstated} |\n"


if __name__ == "__main__":
    print(page(), end="")
