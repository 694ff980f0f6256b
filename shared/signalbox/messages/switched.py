"""A switch that risk has made by itself: what pulled it, of what, why; and that an operator has ended one of the desk.

It stands in TRADE among risk's decisions: whoever folds it denies from the same place on. What an operator switches is
an act (`SwitchTrading`), or the desk's own `TradingState`.
"""

from __future__ import annotations

from signalbox.messages.words import NEVER, Message, TradingMode, Utc


class TradingSwitched(Message, frozen=True, kw_only=True):
    """From here on a scope is `mode`, because of what `pulled_by` names (docs/limits.md), and `reason` tells.

    The scope is what has all that is named of venue, account, symbol and strategy; "" = any. `came` is when the limit
    was passed: the same cause has to come after that to pull again. ACTIVE: the desk's own was armed again, by the
    operator `by` with the `TradingState` that `cause` names. `main_switch` names the one that was in force before.
    """

    mode: TradingMode
    pulled_by: str
    reason: str
    venue: str = ""
    account: str = ""
    symbol: str = ""
    strategy: str = ""
    by: str = "risk"
    came: Utc = NEVER
    main_switch: str = ""
