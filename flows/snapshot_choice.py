"""Which option snapshot of a (session, root) enters core, chosen again over all of them whenever one arrives."""

from collections.abc import Callable
from datetime import date

import polars as pl

from flows.home import Home
from flows.internal_tables import SNAPSHOT_SCHEMA
from flows.landing import LandedFile, landed_files
from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.quality import SNAPSHOT_KEY, select_snapshots, session_gates, snapshot_summary
from transforms.sessions import TradingCalendar

CHOICE = ["session_date", "root", "source_sha256", "snapshot_kind"]
Reread = Callable[..., pl.DataFrame]


def choose_snapshots(
    home: Home,
    warehouse: Warehouse,
    *,
    quotes: pl.DataFrame,
    settings: Settings,
    calendar: TradingCalendar,
    reread: Reread,
) -> list[date]:
    """Add the snapshots in `quotes` (validated rows of any number of files) and load whichever are best now.

    Returns the sessions whose quotes changed. A snapshot that is chosen only now, because the one before it was refused
    by a gate that knows more history, is read again from landing.
    """
    old = warehouse.read_meta("meta.snapshot")
    fresh = snapshot_summary(quotes)
    known = pl.concat([old.drop("chosen", "refusal"), fresh.select(old.drop("chosen", "refusal").columns)])
    marked = _marked(known, warehouse, settings=settings, calendar=calendar)
    before = old.filter("chosen").select(CHOICE)
    after = marked.filter("chosen").select(CHOICE)
    come = after.join(before, on=CHOICE, how="anti")
    gone = before.join(after, on=["session_date", "root"], how="anti")
    landed = {file.sha256: file for file in landed_files(home)} if come.height else {}
    again: dict[str, pl.DataFrame] = {}
    own = quotes.join(come, on=CHOICE, how="semi").partition_by(["session_date", "root"], as_dict=True)
    for session_date, root, sha256, kind in come.sort(CHOICE).iter_rows():
        rows = own.get((session_date, root))
        if rows is None:
            rows = _from_landing(home, landed[sha256], again, calendar=calendar, reread=reread).filter(
                (pl.col("session_date") == session_date) & (pl.col("root") == root) & (pl.col("snapshot_kind") == kind)
            )
        warehouse.replace_quotes(session_date=session_date, root=root, frame=rows)
    for session_date, root in gone.sort(CHOICE).select("session_date", "root").iter_rows():
        warehouse.replace_quotes(session_date=session_date, root=root, frame=quotes.clear())
    warehouse.write_meta("meta.snapshot", marked.select(list(SNAPSHOT_SCHEMA)))
    return sorted({*come["session_date"].to_list(), *gone["session_date"].to_list()})


def gate_results(warehouse: Warehouse, *, settings: Settings, calendar: TradingCalendar) -> pl.DataFrame:
    """Return every gate's verdict on every landed snapshot (`transforms.quality.GATE_SCHEMA`)."""
    known = warehouse.read_meta("meta.snapshot").drop("chosen", "refusal")
    return _gates(known, settings=settings, calendar=calendar)


def _gates(known: pl.DataFrame, *, settings: Settings, calendar: TradingCalendar) -> pl.DataFrame:
    own = settings.gates
    return session_gates(
        known,
        calendar=calendar,
        min_two_sided_share=own.min_two_sided_share,
        max_contradicting_share=own.max_contradicting_share,
        min_row_share=own.min_row_share,
        min_expiration_share=own.min_expiration_share,
        history_sessions=own.history_sessions,
        min_history=own.min_history,
    )


def _marked(
    known: pl.DataFrame, warehouse: Warehouse, *, settings: Settings, calendar: TradingCalendar
) -> pl.DataFrame:
    gates = _gates(known, settings=settings, calendar=calendar)
    chosen = select_snapshots(
        known, gates, calendar=calendar, source_order=settings.sources.order, source_of=warehouse.landed_sources()
    )
    refusals = (
        gates.filter(pl.col("outcome") == "failed")
        .group_by(SNAPSHOT_KEY)
        .agg(pl.col("reason").sort().str.join(" ").alias("refusal"))
    )
    marks = chosen.select(SNAPSHOT_KEY).with_columns(pl.lit(True).alias("chosen"))
    return (
        known.join(marks, on=SNAPSHOT_KEY, how="left", validate="1:1")
        .join(refusals, on=SNAPSHOT_KEY, how="left", validate="1:1")
        .with_columns(pl.col("chosen").fill_null(False))
        .sort(SNAPSHOT_KEY)
    )


def _from_landing(
    home: Home, landed: LandedFile, again: dict[str, pl.DataFrame], *, calendar: TradingCalendar, reread: Reread
) -> pl.DataFrame:
    if landed.sha256 not in again:
        again[landed.sha256] = reread(home, landed, calendar=calendar)
    return again[landed.sha256]
