"""The book through the nights: each session's settlements, fills, marks and decisions, from the first that changed.

A night's decisions are frozen when they are made (`meta.decided`, and the ledger): a restated input changes marks and
fills from its session on, never what was decided. The book after each night is kept (`meta.book`), so that a night
costs one step; stepping on from a stored book gives the same rows as stepping from the first.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from flows.internal_tables import BOOK_SCHEMA, DECIDED_SCHEMA
from flows.night_rows import NightRows
from flows.provenance import rule_source
from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.book.account import Statement, statement_in_force
from transforms.book.decided import Frozen
from transforms.book.engine_statistics import BookTables, engine_correlations, engine_statistics
from transforms.book.held import StatedPosition, stated_positions
from transforms.book.journal import journal_rows, with_outcomes
from transforms.book.night import Decided, NightMarket, NightSettings, decide_night
from transforms.book.rows import BookRows
from transforms.book.session import SessionInputs, add_session, book_keys, session_book
from transforms.book.settlement import settlement_values
from transforms.book.state import Book, book_from_json, book_json
from transforms.book.step import Settlement
from transforms.book.tail_rows import tail_rows
from transforms.engines.offers.package import Terms
from transforms.engines.priced_chain import ANALYZED, QUOTE_KEY, QUOTED, priced_chain
from transforms.engines.vix_curve import VixCurve
from transforms.rules import BY_NAME as RULES
from transforms.rules.decision_rows import decision_leg_rows, decision_rows, limit_slack_rows
from transforms.rules.market_values import market_value_daily, rows_by_session, session_values
from transforms.rules.night import rule_evaluation
from transforms.rules.rule import Value
from transforms.rules.versions import rule_label, rule_version
from transforms.schemas import (
    ACCOUNT_DAILY,
    ACCOUNT_STATE,
    BOX_CURVE,
    BY_NAME,
    CONDOR_CANDIDATE,
    DECISION,
    DECISION_LEG,
    ECONOMIC_EVENT,
    ENGINE_DAILY,
    ENGINE_STATISTICS,
    FUTURES_SETTLEMENT,
    HELD_POSITION,
    INDEX_LEVEL,
    JOURNAL,
    LIMIT_SLACK,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    POSITION,
    POSITION_DAILY,
    POSITION_EVENT,
    RATIO_SPREAD_CANDIDATE,
    RULE_EVALUATION,
    RULE_VERSION,
    SETTLEMENT_VALUE,
    SLICE,
    TAIL_SCENARIO,
    TERM_STRUCTURE,
)
from transforms.sessions import TradingCalendar, option_close
from transforms.table_schema import Table

# A night whose rows of one of these have changed is stepped again.
STEPPED_FROM = (OPTION_QUOTE, OPTION_ANALYTICS, SLICE, FUTURES_SETTLEMENT, INDEX_LEVEL, ACCOUNT_STATE)
VALUES_FROM = {
    "curve": "feature.curve_daily",
    "momentum": "feature.momentum_daily",
    "vol_of_vol": "feature.vol_of_vol_daily",
    "dislocation": "feature.dislocation_daily",
    "levels": "core.index_level",
}
# Nights whose rows are written together: few transactions, and never many nights in memory.
NIGHTS_AT_ONCE = 60


@dataclass
class BookInputs:
    """What all nights read, read once."""

    values: pl.DataFrame
    events: pl.DataFrame
    accounts: pl.DataFrame
    held: tuple[StatedPosition, ...]
    settlements: dict[tuple[str, date], Settlement]
    calendar: TradingCalendar
    rows: NightRows

    @classmethod
    def of(cls, warehouse: Warehouse, calendar: TradingCalendar, *, nights: Sequence[date]) -> "BookInputs":
        """Return the inputs of nights, of which there is at least one."""
        levels = warehouse.read(INDEX_LEVEL)
        settled = settlement_values(warehouse.read(SETTLEMENT_VALUE), levels, calendar=calendar)
        return cls(
            values=market_value_daily(
                **{name: warehouse.read(BY_NAME[table]) for name, table in VALUES_FROM.items()}, calendar=calendar
            ),
            events=warehouse.read(ECONOMIC_EVENT),
            accounts=warehouse.read(ACCOUNT_STATE),
            held=stated_positions(warehouse.read(HELD_POSITION)),
            settlements={
                (row["root"], row["expiration"]): Settlement(row["value"], row["source"], row["exact"], row["fixed_on"])
                for row in settled.filter(pl.col("fixed_on") >= min(nights)).to_dicts()
            },
            calendar=calendar,
            rows=NightRows(warehouse, nights),
        )


@dataclass
class _Written:
    """Rows of nights stepped and not yet written."""

    sessions: list[date] = field(default_factory=list)
    rows: BookRows = field(default_factory=BookRows)
    frames: dict[Table, list[pl.DataFrame]] = field(default_factory=dict)
    states: list[dict[str, object]] = field(default_factory=list)

    def add(self, frames: Mapping[Table, pl.DataFrame]) -> None:
        for table, frame in frames.items():
            self.frames.setdefault(table, []).append(frame)


def step_nights(
    warehouse: Warehouse, *, settings: Mapping[date, Settings], decide: Iterable[date], calendar: TradingCalendar
) -> list[date]:
    """Step the book through every night from the first that is new or has changed; return the nights stepped.

    Parameters
    ----------
    settings
        By night, of all nights.
    decide
        Nights to be decided anew; every other keeps what is frozen of it, and a night of which nothing is frozen is
        decided too.
    """
    nights = sorted(settings)
    anew = set(decide)
    if not nights:
        return []
    inputs = BookInputs.of(warehouse, calendar, nights=nights)
    first = _first_to_step(warehouse, nights, anew, inputs)
    if first is None:
        return []
    stepped = [night for night in nights if night >= first]
    frozen = frozen_json(warehouse, sessions=stepped)
    book = _book_before(warehouse, first)
    written = _Written()
    for night in stepped:
        text = None if night in anew else frozen.get(night)
        kept = Frozen.from_json(text) if text is not None else None
        book = _step_night(book, night, settings[night], inputs=inputs, kept=kept, written=written)
        if len(written.sessions) == NIGHTS_AT_ONCE:
            _write(warehouse, written)
            written = _Written()
    _write(warehouse, written)
    _write_rule_versions(warehouse)
    _write_statistics(warehouse, stepped, required_return=settings[stepped[-1]].account.required_return)
    return stepped


def frozen_json(warehouse: Warehouse, *, sessions: Sequence[date] | None = None) -> dict[date, str]:
    """Return what was decided on each night (of some sessions), as JSON, by session."""
    rows = warehouse.read_meta("meta.decided", sessions=sessions)
    return dict(rows.select("session_date", "decided").iter_rows())


def _decided_nights(warehouse: Warehouse) -> set[date]:
    return set(warehouse.read_meta("meta.decided", ["session_date"])["session_date"].to_list())


def restore_decisions(warehouse: Warehouse, decided: Mapping[date, str]) -> None:
    """Record what was decided on nights, as the ledger has it; `step_nights` keeps it."""
    rows = pl.DataFrame(
        {"session_date": list(decided), "decided": list(decided.values())}, schema=DECIDED_SCHEMA, orient="row"
    )
    with warehouse.transaction():
        warehouse.write_meta("meta.decided", rows.sort("session_date"))


def forget_decisions(warehouse: Warehouse, sessions: Iterable[date]) -> None:
    """Drop what was decided on nights, so that they are decided anew."""
    kept = warehouse.read_meta("meta.decided").filter(~pl.col("session_date").is_in(list(sessions)))
    with warehouse.transaction():
        warehouse.write_meta("meta.decided", kept)


def night_settings(settings: Settings) -> NightSettings:
    """Return how a night is decided under settings."""
    fees, condor = settings.fees, settings.condor
    return NightSettings(
        parameters=settings.rule_parameters(),
        decisions=settings.decisions.parameters(),
        terms=Terms(
            spx_fee=fees.spx_option,
            vix_fee=fees.vix_option,
            spx_tick=fees.spx_tick,
            vix_tick=fees.vix_tick,
            fill_slippage=settings.book.fill_slippage,
        ),
        decide_on=settings.book.decide_on,
        widen_delta=condor.widen_delta,
        tighten=condor.tighten,
        tighten_delta=condor.tighten_delta,
        roll_match=settings.second_engine.roll_match,
        credit_rate=settings.account.credit_rate,
    )


def _first_to_step(warehouse: Warehouse, nights: Sequence[date], anew: set[date], inputs: BookInputs) -> date | None:
    """Return the first night that is new, or whose inputs have changed since it was stepped; None if none is."""
    states = warehouse.read_meta("meta.book", ["session_date", "settled", "held"])
    known = set(states["session_date"].to_list())
    stale = warehouse.dirty_sessions(*STEPPED_FROM) & set(nights)
    stale |= anew | (set(nights) - known) | (set(nights) - _decided_nights(warehouse))
    stale |= known - set(nights)
    held = _held_hash(inputs.held)
    for night, settled, said in states.select("session_date", "settled", "held").iter_rows():
        if said != held:
            stale.add(night)
        used = {(root, date.fromisoformat(day)): value for root, day, value in json.loads(settled)}
        now = {key: found.value for key in used if (found := inputs.settlements.get(key)) is not None}
        if any(used[key] != now.get(key) for key in used):
            stale.add(night)
    return min((day for day in nights if day >= min(stale)), default=None) if stale else None


def _book_before(warehouse: Warehouse, night: date) -> Book:
    before = warehouse.read_meta("meta.book", ["session_date"]).filter(pl.col("session_date") < night)
    if before.is_empty():
        return Book()
    [newest] = before["session_date"].top_k(1).to_list()
    return book_from_json(warehouse.read_meta("meta.book", ["book"], sessions=[newest])["book"][0])


def _step_night(
    before: Book,
    night: date,
    settings: Settings,
    *,
    inputs: BookInputs,
    kept: Frozen | None,
    written: _Written,
) -> Book:
    held = {key.expiration for key in book_keys(before, inputs.held, night)}
    session = session_inputs(night, held, settings, inputs=inputs)
    own = night_settings(settings)
    reached = session_book(before, session, own)
    term_structure = inputs.rows.of(TERM_STRUCTURE, night)
    if kept is None:
        decided = decide_night(reached.book, reached.market, own)
        kept = _freeze(decided, reached.market, settings, term_structure=term_structure)
    frozen = with_outcomes(kept, reached.stepped)
    add_session(written.rows, reached, session, before=before)
    curve = VixCurve.of(term_structure, vix=session.vix) if session.vix is not None else None
    tail = tail_rows(reached.book, session.chain, condors=session.condors, layers=session.layers, curve=curve)
    closed_at = option_close(night, calendar=inputs.calendar)
    written.add({**frozen.frames, TAIL_SCENARIO: tail, JOURNAL: journal_rows(frozen, written_at=closed_at)})
    book = reached.book.with_orders(frozen.orders())
    written.sessions.append(night)
    written.states.append(
        {
            "session_date": night,
            "book": book_json(book),
            "settled": _settled_json(before, night, inputs.settlements),
            "held": _held_hash(inputs.held),
            "decided": frozen.as_json(),
        }
    )
    return book


def session_inputs(night: date, held: Collection[date], settings: Settings, *, inputs: BookInputs) -> SessionInputs:
    """Return what a session of the book reads, with the chain of the expirations held and of the candidates."""
    values = rows_by_session(inputs.values, [night])[night]
    condors = inputs.rows.of(CONDOR_CANDIDATE, night)
    layers = inputs.rows.of(RATIO_SPREAD_CANDIDATE, night)
    candidates = [condors["expiration"], layers["expiration"], layers["far_expiration"].drop_nulls()]
    expirations = set(held).union(*candidates)
    read = inputs.rows.of_expirations
    slices = read(SLICE, night, expirations)
    quotes = read(OPTION_QUOTE, night, expirations, columns=[*QUOTE_KEY, *QUOTED])
    analytics = read(OPTION_ANALYTICS, night, expirations, columns=[*QUOTE_KEY, *ANALYZED])
    settles = inputs.rows.of(FUTURES_SETTLEMENT, night).select("expiration", "settle").sort("expiration")
    return SessionInputs(
        session_date=night,
        values=session_values(values, night, events=inputs.events, calendar=inputs.calendar),
        vix=_number(values["vix"]),
        futures=dict(settles.iter_rows()),
        chain=priced_chain(quotes, analytics, slices=slices),
        slices=slices,
        condors=condors,
        layers=layers,
        settlements=inputs.settlements,
        held=inputs.held,
        statement=statement_in_force(inputs.accounts, night, default=_default_statement(settings)),
        calendar=inputs.calendar,
    )


def _freeze(decided: Decided, market: NightMarket, settings: Settings, *, term_structure: pl.DataFrame) -> Frozen:
    """Return a night's decisions with the versions of the rules that judged it and the prices at the time."""
    parameters = settings.rule_parameters()
    versions = {
        name: rule_version(rule, parameters[name], source=rule_source(rule.module)) for name, rule in RULES.items()
    }
    months = term_structure.filter(pl.col("rank") <= 2).select("rank", "settle").sort("rank")
    return Frozen(
        market.session_date,
        {
            RULE_EVALUATION: rule_evaluation(market.session_date, decided.rules.rows.values(), versions=versions),
            DECISION: decision_rows(decided.decisions),
            DECISION_LEG: decision_leg_rows(decided.decisions),
            LIMIT_SLACK: limit_slack_rows(market.session_date, decided.sizings),
        },
        labels={versions[name]: rule_label(parameters[name]) for name in RULES},
        prices={
            "spx": market.spx,
            "vix": market.vix,
            **{f"vx{rank}": settle for rank, settle in months.rows()},
        },
    )


def _write(warehouse: Warehouse, written: _Written) -> None:
    if not written.sessions:
        return
    frames = written.rows.frames()
    frames |= {table: pl.concat(parts) for table, parts in written.frames.items()}
    states = pl.DataFrame(written.states, schema={**BOOK_SCHEMA, "decided": pl.String()}, orient="row")
    notes = warehouse.read(JOURNAL, sessions=written.sessions).filter(pl.col("kind") == "note")
    frames[JOURNAL] = pl.concat([frames[JOURNAL], notes])
    with warehouse.transaction():
        for table, frame in frames.items():
            warehouse.write_changes(table, frame, sessions=written.sessions)
        for name, columns in (("meta.book", BOOK_SCHEMA), ("meta.decided", DECIDED_SCHEMA)):
            warehouse.replace_meta(name, states.select(list(columns)), sessions=written.sessions)


def _write_rule_versions(warehouse: Warehouse) -> None:
    """Write mart.rule_version: each version that judged a night, from the first night it judged."""
    seen = warehouse.rule_versions()
    labels: dict[str, str] = {}
    # What was decided on a version's last night says what it is: a few nights name them all.
    for text in frozen_json(warehouse, sessions=seen["last"].unique().to_list()).values():
        labels |= json.loads(text)["labels"]
    label = pl.col("rule_version").replace_strict(labels, return_dtype=pl.String()).alias("label")
    with warehouse.transaction():
        warehouse.write_changes(RULE_VERSION, seen.with_columns(label).select(RULE_VERSION.column_names))


def _write_statistics(warehouse: Warehouse, sessions: Sequence[date], *, required_return: float) -> None:
    """Write what the engines are to each other on the sessions stepped, over the whole history of the book."""
    engine_daily = warehouse.read(ENGINE_DAILY)
    correlations = engine_correlations(engine_daily).with_columns(pl.lit("both").alias("engine"))
    rows = engine_daily.drop("correlation_20d", "correlation_60d").join(
        correlations, on=["session_date", "engine"], how="left", validate="1:1"
    )
    statistics = engine_statistics(
        BookTables(
            position=warehouse.read(POSITION),
            position_event=warehouse.read(POSITION_EVENT),
            position_daily=warehouse.read(POSITION_DAILY),
            engine_daily=engine_daily,
            account_daily=warehouse.read(ACCOUNT_DAILY),
            box_curve=warehouse.read(BOX_CURVE),
        ),
        required_return=required_return,
        only_sessions=sessions,
    )
    own = rows.filter(pl.col("session_date").is_in(list(sessions))).select(ENGINE_DAILY.column_names)
    with warehouse.transaction():
        warehouse.write_changes(ENGINE_DAILY, own, sessions=sessions)
        warehouse.write_changes(ENGINE_STATISTICS, statistics, sessions=sessions)


def _default_statement(settings: Settings) -> Statement:
    own = settings.account
    return Statement(
        equity=own.equity,
        cash=own.cash,
        marketable_securities=own.marketable_securities,
        receivables=own.receivables,
        current_liabilities=own.current_liabilities,
        margin_loan_rate=own.margin_loan_rate,
    )


def _settled_json(before: Book, night: date, settlements: Mapping[tuple[str, date], Settlement]) -> str:
    """Return the settlement values a session used or waited for, so that a later one makes it stale."""
    due = {
        (leg.key.root, leg.key.expiration)
        for position in before.positions
        for leg in position.legs
        if leg.key.expiration <= night or _is_fixed(settlements.get((leg.key.root, leg.key.expiration)), night)
    }
    found = [
        (root, day.isoformat(), settlements[root, day].value if (root, day) in settlements else None)
        for root, day in sorted(due)
    ]
    return json.dumps(found)


def _is_fixed(settlement: Settlement | None, night: date) -> bool:
    return settlement is not None and settlement.fixed_on <= night


def _held_hash(held: Iterable[StatedPosition]) -> str:
    return hashlib.sha256(repr(tuple(held)).encode()).hexdigest()


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, float | int) else None
