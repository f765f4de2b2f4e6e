"""The book of a night: what is open, what it earned and why, what the account has, what happened."""

from typing import Any

import polars as pl

from transforms.report.figure import Axis, Drawable, Figure, Level, Missing, Panel, Series
from transforms.report.night import Night
from transforms.report.words import ATTRIBUTION
from transforms.schemas import (
    ACCOUNT_DAILY,
    ENGINE_DAILY,
    ENGINE_STATISTICS,
    FILL,
    JOURNAL,
    ORDER_STATUS,
    POSITION,
    POSITION_DAILY,
    POSITION_EVENT,
)

Document = dict[str, Any]
NOTHING_YET = "nothing has been opened yet, so nothing has been earned or lost"
SPANS = (("tonight", 1), ("5 sessions", 5), ("20 sessions", 20), ("since the start", None))


def book_document(night: Night) -> Document:
    """Return the open positions, the night's fills and orders, the engines' figures and the account."""
    positions = night.rows(POSITION).select(
        "position_id", "structure", "root", "expiration", "contracts", "entry_credit", "max_profit", "stands_against",
        opened_on="session_date",
    )  # fmt: skip
    open_now = night.tonight(POSITION_DAILY).join(positions, on="position_id", how="left", validate="1:1")
    return {
        "positions": open_now.drop("session_date").sort("engine", "position_id").to_dicts(),
        "events": night.tonight(POSITION_EVENT).drop("session_date").to_dicts(),
        "fills": night.tonight(FILL).drop("session_date").to_dicts(),
        "orders": night.tonight(ORDER_STATUS).drop("session_date").to_dicts(),
        "notes": night.tonight(JOURNAL).filter(pl.col("kind") == "note").select("entry_id", "note").to_dicts(),
        "engines": [row for row in night.tonight(ENGINE_DAILY).drop("session_date").to_dicts()],
        "statistics": _without_session(night.row(ENGINE_STATISTICS)),
        "account": _without_session(night.row(ACCOUNT_DAILY)),
        "attribution": attribution_document(night),
    }


def attribution_document(night: Night) -> list[Document]:
    """Return what each engine earned by cause over the last sessions, dollars; shorter spans end the longer ones."""
    rows = night.rows(ENGINE_DAILY).sort("session_date")
    found = []
    for engine in ("condor", "second", "both"):
        own = rows.filter(pl.col("engine") == engine)
        for label, sessions in SPANS:
            part = own.tail(sessions) if sessions else own
            found.append(
                {
                    "engine": engine,
                    "span": label,
                    "sessions": part.height,
                    **{name: part[f"pnl_{name}"].fill_null(0.0).sum() for name in ATTRIBUTION},
                    "total": part["pnl"].fill_null(0.0).sum(),
                }
            )
    return found


def equity_figure(night: Night) -> Drawable:
    """Return what each engine has earned since the book began, dollars."""
    rows = night.rows(ENGINE_DAILY).sort("session_date")
    title, source = "What the book has earned", "mart.engine_daily"
    if rows["session_date"].n_unique() < 2:
        return Missing(title, source, "the book has fewer than two sessions; the line begins with the second")
    if not (rows["equity"] != 0.0).any():
        return Missing(title, source, NOTHING_YET)
    tones = {"condor": "first", "second": "second", "both": "muted"}
    names = {"condor": "first engine", "second": "second engine", "both": "both"}
    series = [
        Series(
            names[engine],
            rows.filter(pl.col("engine") == engine)["session_date"].to_list(),
            rows.filter(pl.col("engine") == engine)["equity"].to_list(),
            tone=tone,  # type: ignore[arg-type]
            dashed=engine == "both",
        )
        for engine, tone in tones.items()
    ]
    axis = Axis("cumulative P&L, dollars", "dollars")
    return Figure(title, source, Axis("session", "date"), [Panel(axis, series, [Level(0.0, "")])])


def _without_session(row: Document) -> Document:
    return {name: value for name, value in row.items() if name != "session_date"}
