"""What each command is for, as `signalbox help` lists it without importing any of them.

Written by `python -m signalbox_cli.listing`; a test fails when this is not what it writes.
"""

ABOUT = {
    "up": "run the desk on this machine against the simulated venues, until Ctrl-C",
    "demo": "run a trading day faster than real time, trade, and check that all adds up",
    "simulate": "run one simulated venue on its own, for any program that speaks its API",
    "bootstrap": "make or update every stream, consumer and bucket on a NATS server of your own",
    "secrets": "make and keep the secrets of an installation, a folder for each service",
    "preflight": "may an installation start live: is its desk file one, with limits, and are its secrets there?",
    "check": (
        "does the desk add up: every intent decided once, every order settled, the database equal to the streams?"
    ),
    "people": "who may speak to the desk: everybody with a name, a role and a password of his own",
    "intent": "publish an order intent and show the decision",
    "cancel": "ask to cancel an order, a list, or with --all many of them",
    "halt": "deny every new order (cancels are still taken)",
    "resume": "trade again after a halt, of the desk or of what is named",
    "bracket": "publish an entry with its stop and its targets as one intent, and show the decision",
    "modify": "give an order that works another price or quantity",
    "target": "bring a position to a quantity, from wherever it is",
    "position": "open, add to, reduce or close a position",
    "flatten": "cancel what works and close what is held: go home flat",
    "orders": "the desk's orders and what became of them",
    "positions": "positions with average price, realised and unrealised PnL",
    "account": "what the venue says of the account, beside the desk's own cash",
    "scores": "the latest scores of every symbol; `explain` one, `history` scores a file of bars",
    "status": "is each service ready, and if not, what does it wait for",
    "query": "one read-only SQL statement on everything that was recorded",
    "sql": "SQL on everything that was recorded, statement by statement, at a prompt",
    "whatif": "what would become of an order, a list, a wish, a change: the same gate, and nothing is sent",
    "watch": "print messages as they come, a line each (Ctrl-C ends it)",
    "today": "what happened today: profit and loss, fills, denials, orders, halts, gaps, and what needs attention",
    "pnl": "what each symbol and strategy has made: realised, unrealised, funding, income, commission, net",
    "fills": "the desk's executions, in the order in which they were stored",
    "order": (
        "an order's or list's whole story: intent, decision, commands, reports, hops, fills, and what protects it"
    ),
    "dead": "the messages that a service could not take and has parked, with the reason",
    "skip": "have a service go on without one message that holds it up",
    "books": (
        "acts on the desk's own books, each with a reason: splits, dividends, what is adopted or corrected by hand"
    ),
    "limits": "the limits that hold, by scope and version: show, set, load, compare, and what of each is used",
    "doctor": "is this desk fit to trade, and with --live, fit for real money? The checklist as checks",
    "audit": "fold a file of fills into positions: does my broker's statement add up?",
    "why": "why an intent was denied, or let through: what decided, what was seen, and what would have passed",
    "replay": "make every recorded decision again: would risk, as it is here, decide the same today?",
    "explain": "every check of a decision: the limit beside the value observed, and where that came from",
    "chain": "the options on a share at IBKR, as a desk file takes them",
    "record": "write down a session between a gateway and its venue, without names, for a report",
    "replay-session": "run the real gateway against a recorded session: does it publish what it should?",
    "cluster-credentials": (
        "make the passwords of a simulated desk as Secrets of the Kubernetes namespace that this runs in"
    ),
    "backup": "copy every stream, and the database, into a directory while the desk runs",
    "restore": "make streams, consumers and database anew from a backup, on an empty NATS server",
    "dydx-key": "let a key of its own trade for a dYdX wallet, and do nothing else",
    "dydx-leverage": "set and show how much leverage a dYdX account may use, market by market",
    "grafana": "the dashboards and annotations of a Grafana of your own",
    "completion": "print what makes a shell complete commands, options and their words",
}
