"""The verdicts on the desk itself: its file, its secrets, NATS, the gateways, the services, what is reconciled.

Pure: facts in, checks out. `live` = judge for real money, whatever the desk file says. What watches the desk is judged
in `judging_monitoring`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from gateway_dydx.settings import Network
from gateway_dydx.translate import VENUE as DYDX
from gateway_ibkr.settings import LIVE_PORTS, PAPER_PORTS, is_paper
from gateway_ibkr.translate import VENUE as IBKR
from signalbox.bus.bootstrap import stream_config
from signalbox.desk import ClockSource, Desk, Durability, Limits, Mode
from signalbox.durability import durability_mistake, observed_durability
from signalbox.errors import CalendarError
from signalbox.instruments import parse_symbol
from signalbox.messages import LinkStatus, MarketDataType, ServiceStatus
from signalbox.room import SHARES_PERMILLE, fullest, shown_bytes
from signalbox.seals import links_of, shown_links
from signalbox.sessions import is_open
from signalbox.streams import STREAMS
from signalbox.venues import gateway_of

from signalbox_cli.doctor.facts import Facts, FileSeen, NatsSeen, SecretSeen
from signalbox_cli.doctor.judging_monitoring import judge_monitoring
from signalbox_cli.doctor.judging_people import judge_people
from signalbox_cli.doctor.verdicts import Check, bad_for_money, failed, not_checked, ok, warning

SERVER_CLOCK_SECONDS_MAX = 1.0
FILE_CHANGED = "the desk file has others since"
"""How risk says it (`risk.limiting.told`)."""


def judge(facts: Facts, *, live: bool) -> list[Check]:
    """Every check, in the order in which a person mends what is wrong."""
    live = live or facts.desk.mode is Mode.LIVE
    checks = [*_judge_desk(facts.desk, live=live), *_judge_limits(facts.desk.limits), _judge_secrets(facts.secrets)]
    checks += [_judge_settings(facts.settings), *_judge_files(facts.files, live=live)]
    checks += judge_people(facts.people, live=live)
    if facts.nats.problem:
        checks.append(failed("nats", facts.nats.problem, "start NATS, or name it: SIGNALBOX_NATS_URL and a password"))
        checks.append(not_checked("desk over nats", "NATS was not reached", "mend `nats` first"))
    else:
        checks += _judge_nats(facts.desk, facts.nats, live=live)
        checks += _judge_services(facts.nats)
        checks += _judge_limits_version(facts.nats)
        checks.append(_judge_seals(facts.nats))
        for venue in facts.desk.venues:
            checks += _judge_gateway(facts.desk, facts.nats, venue, live=live)
            checks.append(_judge_market_data(facts.desk, facts.nats, venue, live=live))
        checks.append(_judge_orders(facts.nats))
    return checks + judge_monitoring(facts, live=live)


def _judge_desk(desk: Desk, *, live: bool) -> Iterator[Check]:
    symbols = len(desk.instruments)
    observed = f"{desk.name!r}: mode {desk.mode}, {desk.clock} clock, {', '.join(desk.venues)}, {symbols} instruments"
    if live and desk.mode is not Mode.LIVE:
        yield failed("desk file", observed, 'write mode = "live" with your live accounts: this desk trades on paper')
    elif live and desk.clock is not ClockSource.WALL:
        yield failed("desk file", observed, 'write clock = "wall"')
    else:
        yield ok("desk file", observed)


def _judge_limits(limits: Limits) -> Iterator[Check]:
    """Each limit is there, or the desk file would not have been read. One that another makes idle is a slip."""
    idle = []
    if limits.position_notional_max > limits.gross_exposure_max:
        idle.append("position_notional_max is above gross_exposure_max")
    # from the largest short to the largest long position
    if limits.order_quantity_max > 2 * limits.position_quantity_max:
        idle.append("order_quantity_max is above twice position_quantity_max")
    if limits.order_notional_max > 2 * limits.position_notional_max:
        idle.append("order_notional_max is above twice position_notional_max")
    if idle:
        yield warning("limits", "; ".join(idle), "such a limit never denies anything: is there a digit too many?")
    else:
        yield ok("limits", f"gross exposure {limits.gross_exposure_max}, an order {limits.order_notional_max}")


def _judge_limits_version(nats: NatsSeen) -> Iterator[Check]:
    """Which limits hold, as the process of risk that works says."""
    risk = nats.working("risk")
    version = risk.details.get("limits_version", "") if risk is not None else ""
    if FILE_CHANGED in version:
        action = "look at both, and set what is meant (`signalbox limits diff 0`, `signalbox limits set`)"
        yield warning("limits version", version, action)
    elif version:
        yield ok("limits version", version)


def _judge_secrets(secrets: tuple[SecretSeen, ...]) -> Check:
    if not secrets:
        return not_checked("secrets", "no folder of secrets is known", "name it with --secrets")
    open_to_others = [f"{each.path} ({each.mode:o})" for each in secrets if not each.private]
    if open_to_others:
        return failed("secrets", f"others may read {', '.join(open_to_others)}", "chmod 600 each of them; renew them")
    if mistakes := [each.mistake for each in secrets if each.mistake]:
        return failed("secrets", " ".join(mistakes), "write each anew, as one line of text")
    return ok("secrets", f"{len(secrets)} files that nobody else can read")


def _judge_settings(mistakes: tuple[str, ...]) -> Check:
    if mistakes:
        return failed("settings", " ".join(mistakes), "mend the variables of this environment: a service refuses them")
    return ok("settings", "every SIGNALBOX_ name here is one that is read, and no address holds a password")


def _judge_files(files: tuple[FileSeen, ...], *, live: bool) -> Iterator[Check]:
    """What the desk writes holds every order: nothing to be read by everybody on the machine."""
    open_to_others = [f"{each.path} ({each.mode:o})" for each in files if each.open_to_others]
    if open_to_others:
        action = "chmod o-rwx,g-w each of them (`signalbox up` does, at its next start)"
        yield bad_for_money("files", f"others may read {', '.join(open_to_others)}", action, live=live)
    elif files:
        yield ok("files", f"{len(files)} files and folders of the desk that nobody else can read")


def _judge_nats(desk: Desk, nats: NatsSeen, *, live: bool) -> Iterator[Check]:
    yield ok("nats", f"{nats.url} as {nats.user!r}")
    if nats.decision_refused:
        yield ok("permissions", f"NATS refuses a decision of {nats.user!r}")
    else:
        yield failed(
            "permissions",
            f"{nats.user!r} may publish a decision: anybody can have any order sent",
            "start nats-server with deploy/nats/nats.conf, and connect as `user`",
        )
    if nats.servers_problem:
        for name in ("streams", "room", "durability", "clock of nats"):
            yield not_checked(
                name, nats.servers_problem, "start nats-server with deploy/nats/nats.conf of this version"
            )
        return
    yield _judge_streams(nats)
    yield _judge_room(desk, nats)
    observed = observed_durability(nats.servers)
    seen = f"stated {desk.nats.durability}, observed {observed} ({len(nats.servers)} server(s))"
    mistake = durability_mistake(desk.nats.durability, observed)
    if mistake and (live or desk.nats.durability is not Durability.RELAXED):
        yield failed("durability", seen, mistake)
    else:
        yield ok("durability", seen)
    offset = f"{nats.clock_offset_seconds:+.3f} s to this machine's"
    if abs(nats.clock_offset_seconds) > SERVER_CLOCK_SECONDS_MAX:
        yield failed("clock of nats", offset, "let both machines keep their time by NTP (chrony, systemd-timesyncd)")
    else:
        yield ok("clock of nats", offset)


def _judge_streams(nats: NatsSeen) -> Check:
    found = {name: config for server in nats.servers for name, config in server.streams.items()}
    missing = [stream.name for stream in STREAMS if stream.name not in found]
    other = []
    for stream in STREAMS:
        has = found.get(stream.name)
        declared = stream_config(stream)
        del declared["num_replicas"], declared["max_bytes"]  # durability's, and the room's
        if has is not None:
            mark = declared.pop("metadata", {}).items()  # the server notes things of its own there
            keys = [key for key, value in declared.items() if (has.get(key) or None) != (value or None)]
            keys += [] if mark <= (has.get("metadata") or {}).items() else ["metadata"]
            other += [f"{stream.name} ({', '.join(keys)})"] if keys else []
    if missing or other:
        wrong = [f"missing: {', '.join(missing)}"] if missing else []
        wrong += [f"not as declared: {', '.join(other)}"] if other else []
        return failed("streams", "; ".join(wrong), "run `signalbox bootstrap`")
    return ok("streams", f"{len(STREAMS)}, as declared")


def _judge_room(desk: Desk, nats: NatsSeen) -> Check:
    """Whether each stream has a part of the store, and whether orders find room."""
    rooms = [each for server in nats.servers for each in server.rooms]
    unbounded = sorted({each.stream for each in rooms if each.stream in SHARES_PERMILLE and not each.bytes_max})
    found = fullest(rooms)
    if unbounded:
        seen = f"no bound: {', '.join(unbounded)}; one of them can take the room of all"
        return failed("room", seen, "run `signalbox bootstrap`")
    if found is None:
        return not_checked("room", "NATS does not say how full its streams are", "run `signalbox bootstrap`")
    of_all = f"{found.stream} has used {found.used_percent} % of {shown_bytes(found.bytes_max)}, the others less"
    if found.bytes > desk.nats.room_used_fraction_max * found.bytes_max:
        return failed("room", f"{of_all}: new orders are denied", "docs/runbooks/stream-nearly-full.md")
    return ok("room", of_all)


def _judge_services(nats: NatsSeen) -> Iterator[Check]:
    for service, answered in nats.statuses.items():
        name = f"service {service}"
        waiting = [f"{each.instance} waits for: {'; '.join(each.waiting_for)}" for each in answered if not each.ready]
        others = len([each for each in answered if not each.active])
        if not answered:
            yield failed(name, "does not answer", "start it; its log says why it ended")
        elif waiting:
            yield failed(name, "; ".join(waiting), "docs/runbooks/service-not-ready.md")
        elif nats.working(service) is None:
            yield failed(name, f"{others} stand by, none works", "docs/runbooks/no-active-replica.md")
        else:
            yield ok(name, f"ready; {others} more stand(s) by" if others else "ready")


def _judge_seals(nats: NatsSeen) -> Check:
    """Whether each service that acts says that it acts upon nothing unsealed, and has met none that is."""
    silent, met = [], []
    for service, answered in nats.statuses.items():
        for each in answered if links_of(service) else ():
            if each.active and each.details.get("seals") != shown_links(links_of(service)):
                silent.append(each.service)
            elif each.active and each.details.get("unsealed_messages") != "0":
                met.append(f"{each.service} ({each.details.get('unsealed_messages')})")
    if silent:
        observed = f"{', '.join(silent)} does not say that it acts upon nothing without a seal"
        return failed("seals", observed, "run this version of it, with SIGNALBOX_SEALS_FILE (docs/nats.md, Seals)")
    if met:
        observed = f"messages without a genuine seal were met, and not acted upon, by {', '.join(met)}"
        return failed("seals", observed, "find out who wrote them: docs/runbooks/unsealed-message.md")
    return ok("seals", "every service that acts checks them, and has met none that is not genuine")


def _judge_gateway(desk: Desk, nats: NatsSeen, venue: str, *, live: bool) -> Iterator[Check]:
    status = nats.working(gateway_of(venue))
    name = f"{venue} account"
    if status is None:
        yield not_checked(name, f"{gateway_of(venue)} does not answer, or stands by", f"start {gateway_of(venue)}")
    else:
        mistakes = _account_mistakes(desk, venue, status, live=live)
        account = status.details.get("account", "")
        where = status.details.get("port") or status.details.get("network", "")
        observed = f"{account} at {where}, mode {status.details.get('mode', 'not told')}"
        if mistakes:
            yield failed(
                name, f"{observed}: {'; '.join(mistakes)}", "docs of the gateway's settings; `signalbox preflight`"
            )
        elif live:
            yield ok(name, f"{observed}; the gateway starts so only with SIGNALBOX_LIVE_CONFIRMATION repeating it")
        else:
            yield ok(name, observed)
    for account in desk.venues[venue].accounts:
        link = nats.links.get((venue, account))
        if link is None:
            yield failed(f"{venue} link", f"{account}: no heartbeat", f"start {gateway_of(venue)}; `signalbox status`")
        elif link.status is not LinkStatus.READY:
            observed = f"{account}: {link.status}: {link.reason}"
            yield failed(f"{venue} link", observed, "docs/runbooks/venue-disconnected.md")
        else:
            yield ok(f"{venue} link", f"{account}: READY: connected and reconciled")


def _account_mistakes(desk: Desk, venue: str, status: ServiceStatus, *, live: bool) -> list[str]:
    """What says paper where the rest says live, or the reverse."""
    details = status.details
    wanted, accounts = Mode.LIVE if live else Mode.PAPER, details.get("account", "").split(", ")
    mistakes = []
    if details.get("mode") != wanted:
        mistakes.append(f"the gateway runs with mode {details.get('mode', 'not told')}, not {wanted}")
    if set(accounts) != set(desk.venues[venue].accounts):
        mistakes.append(f"the desk file names {', '.join(desk.venues[venue].accounts)}")
    return [*mistakes, *_MISTAKES_AT[venue](details, live=live)]


def _mistakes_at_ibkr(details: Mapping[str, str], *, live: bool) -> Iterator[str]:
    port = int(details.get("port", "0"))
    if port in (PAPER_PORTS if live else LIVE_PORTS):
        yield f"port {port} is {(PAPER_PORTS | LIVE_PORTS)[port]}"
    for account in details.get("account", "").split(", "):
        if is_paper(account) == live:
            yield f"{account} is {'a paper' if live else 'no paper'} account"


def _mistakes_at_dydx(details: Mapping[str, str], *, live: bool) -> Iterator[str]:
    if (details.get("network") == Network.MAINNET) != live:
        yield f"network {details.get('network', 'not told')} is not for mode {Mode.LIVE if live else Mode.PAPER}"


_MISTAKES_AT = {IBKR: _mistakes_at_ibkr, DYDX: _mistakes_at_dydx}


def _judge_market_data(desk: Desk, nats: NatsSeen, venue: str, *, live: bool) -> Check:
    name = f"{venue} market data"
    status = nats.working(gateway_of(venue))
    refused = [] if status is None else [status.details.get(key, "") for key in ("data_refused", "not_offered")]
    if any(refused):
        action = "subscribe to the market data at the venue, or take the symbol out of the desk file"
        return bad_for_money(name, "; ".join(filter(None, refused)), action, live=live)
    symbols = [instrument.symbol for instrument in desk.instruments if instrument.venue == venue]
    weaker = sorted(
        f"{symbol}: {quote.market_data_type}"
        for symbol in symbols
        if (quote := nats.quotes.get((venue, symbol))) and quote.market_data_type is not MarketDataType.LIVE
    )
    if weaker:
        return bad_for_money(name, ", ".join(weaker), "subscribe to live market data at the venue", live=live)
    silent = [symbol for symbol in symbols if (venue, symbol) not in nats.quotes]
    trading = [symbol for symbol in silent if nats.desk_time is not None and _trades(symbol, nats.desk_time)]
    if trading:
        return bad_for_money(
            name, f"in session and silent: {', '.join(trading)}", "docs/runbooks/market-data-stale.md", live=live
        )
    if len(silent) == len(symbols):
        return not_checked(name, "every market is closed", "run this again while a market is open")
    closed = f"; closed: {', '.join(silent)}" if silent else ""
    return ok(name, f"live quotes of {len(symbols) - len(silent)} symbols{closed}")


def _trades(symbol: str, at: datetime) -> bool:
    try:
        return is_open(parse_symbol(symbol).calendar, at)
    except CalendarError:
        return False


def _judge_orders(nats: NatsSeen) -> Check:
    if nats.unknown_orders is None:
        return not_checked("orders", "the recorder does not answer", "start the recorder")
    if nats.unknown_orders:
        return failed("orders", f"UNKNOWN: {', '.join(nats.unknown_orders)}", "docs/runbooks/unknown-order.md")
    return ok("orders", "none is UNKNOWN")
