"""A random book whose tables agree with each other: condors every week, layers now and then, adjustments, closings.

Prices are random walks, not a market: what is tested is what is made of them.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from transforms.book.engine_statistics import BookTables
from transforms.schemas import (
    ACCOUNT_DAILY,
    BOX_CURVE,
    ENGINE_DAILY,
    POSITION,
    POSITION_DAILY,
    POSITION_EVENT,
)
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table

FIRST = date(2008, 1, 2)
Rows = list[dict[str, Any]]


@dataclass
class _Life:
    """One position: when it is open, and its value at the end of each of its sessions, dollars."""

    position_id: str
    engine: str
    book: str
    opened: int
    closed: int
    value: np.ndarray[Any, np.dtype[np.float64]]
    credit: float
    expires: date


def random_book(calendar: TradingCalendar, *, n_sessions: int, seed: int) -> BookTables:
    """Return the book of `n_sessions` sessions."""
    rng = np.random.default_rng(seed)
    sessions = calendar.between(FIRST, FIRST + timedelta(days=2 * n_sessions))[:n_sessions]
    lives = [_life(rng, sessions, row, "condor", "paper") for row in range(1, n_sessions, 5)]
    lives += [_life(rng, sessions, row, "second", "paper") for row in range(7, n_sessions, 21)]
    lives += [_life(rng, sessions, row, "condor", "held") for row in range(3, n_sessions, 40)]
    events: Rows = []
    daily: Rows = []
    for life in lives:
        _live(rng, sessions, life, events=events, daily=daily)
    positions = [
        {
            "position_id": life.position_id,
            "session_date": sessions[life.opened],
            "book": life.book,
            "engine": life.engine,
            "structure": "iron_condor" if life.engine == "condor" else "backspread",
            "root": "SPX" if life.engine == "condor" else "VIX",
            "expiration": life.expires,
            "contracts": 2,
            "entry_credit": life.credit,
            "fees": 6.0,
        }
        for life in lives
    ]
    position_daily = frame(POSITION_DAILY, daily)
    position_event = frame(POSITION_EVENT, events)
    return BookTables(
        position=frame(POSITION, positions),
        position_event=position_event,
        position_daily=position_daily,
        engine_daily=_engine_daily(sessions, position_daily, position_event),
        account_daily=_account(rng, sessions),
        box_curve=_box_curve(rng, sessions),
    )


def frame(table: Table, rows: Rows) -> pl.DataFrame:
    """Return rows as a frame of the table; columns not given are null, or a plain value where they may not be."""
    plain = {pl.Float64: 0.0, pl.Int64: 1, pl.String: "x", pl.Boolean: False, pl.Date: FIRST}
    if not rows:
        return table.empty()
    given = pl.DataFrame(
        rows, schema_overrides={name: kind for name, kind in table.polars_schema.items() if name in rows[0]}
    )
    absent = {
        c.name: None if c.nullable else plain[type(c.dtype)] for c in table.columns if c.name not in given.columns
    }
    filled = given.with_columns(pl.lit(value).alias(name) for name, value in absent.items())
    return table.conform(filled.select(pl.col(column.name).cast(column.dtype) for column in table.columns))


def until(book: BookTables, last: date) -> BookTables:
    """Return the book as it was on a session: no row of a later one."""
    return replace(book, **{name: rows.filter(pl.col("session_date") <= last) for name, rows in vars(book).items()})


def shuffled(book: BookTables, seed: int) -> BookTables:
    """Return the book with the rows of every table in another order."""
    mixed = {name: rows.sample(fraction=1.0, shuffle=True, seed=seed) for name, rows in vars(book).items()}
    return replace(book, **mixed)


def _life(rng: np.random.Generator, sessions: list[date], row: int, engine: str, book: str) -> _Life:
    length = int(rng.integers(3, 36))
    closed = min(row + length, len(sessions) - 1 + 3)
    credit = round(float(rng.uniform(2, 9) if engine == "condor" else rng.uniform(-0.3, 0.6)), 2)
    steps = rng.normal(0, 60 if engine == "condor" else 25, closed - row + 1).round(2)
    # Values repeat, so that there are equal highs and lows.
    steps[rng.random(steps.size) < 0.15] = 0.0
    value = (-200.0 * credit + np.cumsum(steps)).round(2)
    expires = sessions[row] + timedelta(days=int(length * 1.45) + 1)
    return _Life(f"{book}-{engine}-{row}", engine, book, row, closed, value, credit, expires)


def _live(rng: np.random.Generator, sessions: list[date], life: _Life, *, events: Rows, daily: Rows) -> None:
    """Add what happens to one position to the rows of the tables."""
    total = 0.0
    before = 0.0
    adjusted = life.opened + 4 if rng.random() < 0.3 and life.closed > life.opened + 5 else None
    for row in range(life.opened, min(life.closed, len(sessions) - 1) + 1):
        day, is_open = sessions[row], row < life.closed
        value = float(life.value[row - life.opened]) if is_open else 0.0
        cash, fees = 0.0, 0.0
        if row == life.opened:
            cash, fees, event = 200.0 * life.credit - 6.0, 6.0, "opened"
        elif row == adjusted:
            cash, fees, event = (
                round(float(rng.normal(-80, 120)), 2),
                3.0,
                str(rng.choice(["widened", "tightened", "reduced"])),
            )
        elif row == life.closed:
            cash, event = float(life.value[row - life.opened]), "settled"
        else:
            event = ""
        if event:
            events.append(
                {"session_date": day, "position_id": life.position_id, "event": event, "cash": cash, "fees": fees}
            )
        pnl = cash + value - before
        total += pnl
        before = value
        residual = round(float(rng.normal(0, 5)), 2)
        daily.append(
            {
                "session_date": day, "position_id": life.position_id, "book": life.book, "engine": life.engine,
                "days_to_expiry": max((life.expires - day).days, 0) if is_open else None, "is_open": is_open,
                "mark": value, "mark_source": "mid", "pnl": pnl, "pnl_delta": pnl - residual + fees, "pnl_gamma": 0.0,
                "pnl_vega": 0.0, "pnl_theta": 0.0, "pnl_slippage": 0.0, "pnl_residual": residual, "pnl_fees": -fees,
                "pnl_total": total, "theta": (2.0 if life.engine == "condor" else -0.5) if is_open else 0.0,
                "margin": (10_000.0 if life.engine == "condor" else 2_000.0) if is_open else 0.0,
            }
        )  # fmt: skip


def _engine_daily(sessions: list[date], daily: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Add up the paper positions."""
    grid = pl.DataFrame({"session_date": sessions}).join(
        pl.DataFrame({"engine": ["condor", "second", "both"]}), how="cross"
    )
    paper = daily.filter(pl.col("book") == "paper")
    cash = events.join(paper.select("position_id", "engine").unique(), on="position_id").select(
        "session_date", "engine", "cash"
    )
    rows = grid
    for own, sums in (
        (paper, [pl.col("pnl", "theta", "margin").sum(), pl.col("is_open").sum().cast(pl.Int64).alias("n_open")]),
        (cash, [pl.col("cash").sum()]),
    ):
        both = pl.concat([own, own.with_columns(pl.lit("both").alias("engine"))])
        rows = rows.join(both.group_by("session_date", "engine").agg(sums), on=["session_date", "engine"], how="left")
    rows = rows.with_columns(pl.col("pnl", "theta", "margin", "n_open", "cash").fill_null(0)).sort("session_date")
    rows = rows.with_columns(
        pl.col("pnl").cum_sum().over("engine", order_by="session_date").alias("equity"),
        pl.col("cash").cum_sum().over("engine", order_by="session_date"),
    )
    return frame(ENGINE_DAILY, rows.to_dicts())


def _account(rng: np.random.Generator, sessions: list[date]) -> pl.DataFrame:
    rows = [
        {
            "session_date": day,
            "equity": 150_000.0,
            "cash": round(float(rng.uniform(-5_000, 120_000)), 2),
            "marketable_securities": None if rng.random() < 0.2 else round(float(rng.uniform(0, 60_000)), 2),
            "margin_loan_rate": 0.0825 if day.month % 5 else None,
        }
        for day in sessions
    ]
    return frame(ACCOUNT_DAILY, rows)


def _box_curve(rng: np.random.Generator, sessions: list[date]) -> pl.DataFrame:
    rows = []
    for number, day in enumerate(sessions):
        for root, days in (("SPX", 30), ("SPX", 65), ("SPXW", 10), ("SPXW", 30), ("VIX", 20)):
            if number % 11 == 0 or rng.random() < 0.1:
                continue
            low = float(rng.uniform(0.02, 0.04))
            rows.append({"session_date": day, "root": root, "expiration": day + timedelta(days=days),
                         "time_to_expiry": days / 365, "lending_rate": None if rng.random() < 0.1 else low,
                         "borrowing_rate": None if rng.random() < 0.1 else low + 0.01})  # fmt: skip
    return frame(BOX_CURVE, rows)
