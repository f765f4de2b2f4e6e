"""The nightly decisions over history, by the nightly functions, under several settings at once (METHOD section 10).

Every variant steps its own book through the same sessions; nothing is fitted, and a session sees nothing later. Beside
them stands what a layer opened on each session would have earned, whether or not it was opened.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import polars as pl

from transforms.book.decided import orders_of
from transforms.book.figures import newest, zone_of
from transforms.book.night import NightSettings, decide_night
from transforms.book.rows import BookRows
from transforms.book.session import SessionInputs, add_session, book_keys, session_book
from transforms.book.session_quotes import session_quotes
from transforms.book.state import MULTIPLIER, Book, OptionKey
from transforms.engines.offers.candidate import candidate_legs
from transforms.engines.offers.package import Terms
from transforms.rules.decision_rows import decision_leg_rows, decision_rows
from transforms.rules.night import rule_evaluation
from transforms.schemas import DECISION, ENGINE_DAILY, REPLAY_DAILY, RULE_EVALUATION

DEFAULT = "default"
UNVERSIONED = "replay"
WINDOW_SCHEMA = {
    "session_date": pl.Date(),
    "window_end": pl.Date(),
    "is_activated": pl.Boolean(),
    "vix": pl.Float64(),
    "contango_ratio": pl.Float64(),
    "zone": pl.Float64(),
    "outcome": pl.Float64(),
}
Load = Callable[[date, Collection[date]], SessionInputs]


@dataclass(frozen=True)
class Variant:
    """Settings to replay under, and whether the second engine takes part."""

    name: str
    settings: NightSettings
    has_second_engine: bool = True


@dataclass
class _Shadow:
    """A layer of one contract that would be opened on a session, and what it filled at, points."""

    session_date: date
    candidate: dict[str, Any]
    is_activated: bool
    vix: float | None
    contango_ratio: float | None
    zone: float | None
    entry: float | None = None


@dataclass
class _Run:
    """One variant on its way: its book and the rows it has left."""

    variant: Variant
    book: Book = field(default_factory=Book)
    rows: BookRows = field(default_factory=BookRows)
    decisions: list[pl.DataFrame] = field(default_factory=list)
    rules: list[pl.DataFrame] = field(default_factory=list)

    def step(self, session: SessionInputs) -> bool:
        """Step and decide a session; return whether the second engine was activated."""
        reached = session_book(self.book, session, self.variant.settings)
        add_session(self.rows, reached, session, before=self.book)
        market = reached.market
        if not self.variant.has_second_engine:
            market = replace(market, layers=market.layers.clear())
        decided = decide_night(reached.book, market, self.variant.settings)
        rows = decision_rows(decided.decisions)
        self.decisions.append(rows)
        versions = dict.fromkeys(decided.rules.rows, UNVERSIONED)
        self.rules.append(rule_evaluation(session.session_date, decided.rules.rows.values(), versions=versions))
        self.book = reached.book.with_orders(orders_of(rows, decision_leg_rows(decided.decisions)))
        return bool((rows["decision"] == "activate_second_engine").any())

    def frames(self) -> dict[str, pl.DataFrame]:
        """Return what the replay left, by table name."""
        book = {table.full_name: frame for table, frame in self.rows.frames().items()}
        return {
            **book,
            DECISION.full_name: pl.concat([DECISION.empty(), *self.decisions]),
            RULE_EVALUATION.full_name: pl.concat([RULE_EVALUATION.empty(), *self.rules]),
        }


@dataclass(frozen=True)
class Replay:
    """What a replay left: frames by variant and table, and the activation windows of the first variant."""

    frames: Mapping[str, Mapping[str, pl.DataFrame]]
    activation_window: pl.DataFrame

    def daily(self) -> pl.DataFrame:
        """Return mart.replay_daily: P&L and equity of each book under each variant."""
        parts = [
            frames[ENGINE_DAILY.full_name].select(
                "session_date", book="engine", variant=pl.lit(name), pnl="pnl", equity="equity"
            )
            for name, frames in self.frames.items()
        ]
        return REPLAY_DAILY.conform(pl.concat([REPLAY_DAILY.empty(), *parts]))


def replayed(
    sessions: Sequence[date],
    variants: Sequence[Variant],
    *,
    load: Load,
    progress: Callable[[int], None] | None = None,
) -> Replay:
    """Return the replay of the variants over sessions, ascending.

    `load` gives the inputs of a session with the chain of the expirations asked for and of the candidates. The first
    variant is the one whose activations the windows tell.
    """
    runs = [_Run(variant) for variant in variants]
    shadows: list[_Shadow] = []
    done: list[_Shadow] = []
    settlements: Mapping[tuple[str, date], Any] = {}
    for number, day in enumerate(sessions, start=1):
        keys = {key for run in runs for key in book_keys(run.book, (), day)}
        pending = [shadow for shadow in shadows if shadow.entry is None]
        keys |= {key for shadow in pending for key, _ in _legs(shadow.candidate)}
        session = load(day, {key.expiration for key in keys})
        settlements = session.settlements
        for shadow in pending:
            shadow.entry = _entry(shadow, session, runs[0].variant.settings.terms)
        done += [shadow for shadow in pending if shadow.entry is not None]
        shadows = []
        activated = [run.step(session) for run in runs]
        shadows += _shadow(session, runs[0], is_activated=activated[0])
        if progress:
            progress(number)
    last = sessions[-1] if sessions else date.min
    windows = [_window(shadow, settlements, runs[0].variant.settings.terms, last=last) for shadow in done]
    return Replay(
        {run.variant.name: run.frames() for run in runs},
        pl.DataFrame([row for row in windows if row], schema=WINDOW_SCHEMA, orient="row"),
    )


def _shadow(session: SessionInputs, run: _Run, *, is_activated: bool) -> list[_Shadow]:
    """Return the layer that the session's best candidate would be, if it has one and a condor stands."""
    condor = newest(run.book.of("condor"))
    best = session.layers.sort("rank").head(1).to_dicts()
    if not best or condor is None:
        return []
    contango = session.values.get("contango_ratio")
    return [
        _Shadow(
            session.session_date,
            best[0],
            is_activated,
            session.vix,
            float(contango) if isinstance(contango, float | int) else None,
            zone_of(condor, session.spx),
        )
    ]


def _legs(candidate: Mapping[str, Any]) -> list[tuple[OptionKey, int]]:
    return [
        (OptionKey(leg.root, leg.expiration, leg.strike, leg.option_type), leg.quantity)
        for leg in candidate_legs(candidate, 1)
    ]


def _entry(shadow: _Shadow, session: SessionInputs, terms: Terms) -> float | None:
    """Return the credit at which the layer fills on the session after, points; None if a leg is not two-sided."""
    legs = _legs(shadow.candidate)
    quotes = session_quotes(
        [key for key, _ in legs],
        session.chain,
        slices=session.slices,
        futures=session.futures,
        session_date=session.session_date,
    )
    if any(key not in quotes.touches for key, _ in legs):
        return None
    return -sum(
        quantity * quotes.touches[key].fill_price(quantity, fill_slippage=terms.fill_slippage) for key, quantity in legs
    )


def _window(
    shadow: _Shadow, settlements: Mapping[tuple[str, date], Any], terms: Terms, *, last: date
) -> dict[str, Any] | None:
    """Return the window of a layer held to settlement: what it earned after fees, decimal of its margin.

    None while it has not settled or its margin is unknown or nothing.
    """
    legs, margin = _legs(shadow.candidate), shadow.candidate["margin"]
    values = [settlements.get((key.root, key.expiration)) for key, _ in legs]
    if shadow.entry is None or not margin or any(value is None or value.fixed_on > last for value in values):
        return None
    paid = sum(
        quantity * max(value.value - key.strike, 0.0)
        for (key, quantity), value in zip(legs, values, strict=True)
        if value is not None
    )
    fees = sum(abs(quantity) * terms.fee(key.root) for key, quantity in legs)
    return {
        "session_date": shadow.session_date,
        "window_end": shadow.candidate["expiration"],
        "is_activated": shadow.is_activated,
        "vix": shadow.vix,
        "contango_ratio": shadow.contango_ratio,
        "zone": shadow.zone,
        "outcome": (MULTIPLIER * (shadow.entry + paid) - fees) / margin,
    }
