"""Which option snapshot of a (session, root) enters core, chosen again over all of them whenever one arrives."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from flows.home import Home
from flows.internal_tables import SNAPSHOT_SCHEMA
from flows.landing import LandedFile, landed_files
from flows.reading import ChosenSnapshot, Places, SessionChoice
from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.quality import SNAPSHOT_KEY, select_snapshots, session_gates
from transforms.sessions import TradingCalendar

CHOICE = ["session_date", "root", "source_sha256", "snapshot_kind"]


@dataclass(frozen=True)
class Chosen:
    """What `choose_snapshots` found.

    snapshots: meta.snapshot as it is now. sessions: those whose quotes change. choices: what those that have quotes
    consist of.
    """

    snapshots: pl.DataFrame
    sessions: list[date]
    choices: list[SessionChoice]


def choose_snapshots(
    warehouse: Warehouse,
    *,
    fresh: pl.DataFrame,
    landed: Sequence[LandedFile],
    home: Home,
    places: Places,
    settings: Settings,
    calendar: TradingCalendar,
) -> Chosen:
    """Choose among the snapshots known before and those that `fresh` summarizes, of the files `landed`.

    A snapshot may be chosen only now because the one before it is refused by a gate that knows more history.
    """
    old = warehouse.read_meta("meta.snapshot")
    known = pl.concat([old.drop("chosen", "refusal"), fresh.select(old.drop("chosen", "refusal").columns)])
    sources = pl.concat([warehouse.landed_sources(), _sources(landed)])
    marked = _marked(known, sources, settings=settings, calendar=calendar)
    before = old.filter("chosen").select(CHOICE)
    after = marked.filter("chosen").select(CHOICE).sort(CHOICE)
    differing = pl.concat([after.join(before, on=CHOICE, how="anti"), before.join(after, on=CHOICE, how="anti")])
    sessions = differing["session_date"].unique().sort().to_list()
    changed = after.filter(pl.col("session_date").is_in(sessions))
    files = {file.sha256: file for file in landed}
    if not set(changed["source_sha256"].to_list()) <= set(files):
        files |= {file.sha256: file for file in landed_files(home)}
    choices = []
    for (session,), rows in changed.group_by("session_date", maintain_order=True):
        parts = tuple(
            ChosenSnapshot(root, files[sha256], kind)
            for root, sha256, kind in rows.select("root", "source_sha256", "snapshot_kind").iter_rows()
        )
        choices.append(SessionChoice(session, parts, places))
    return Chosen(marked.select(list(SNAPSHOT_SCHEMA)), sessions, choices)


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


def _sources(landed: Sequence[LandedFile]) -> pl.DataFrame:
    return pl.DataFrame(
        [(file.sha256, file.source, file.received_at) for file in landed],
        schema={"source_sha256": pl.String(), "source": pl.String(), "received_at": pl.Datetime("us")},
        orient="row",
    )


def _marked(
    known: pl.DataFrame, sources: pl.DataFrame, *, settings: Settings, calendar: TradingCalendar
) -> pl.DataFrame:
    gates = _gates(known, settings=settings, calendar=calendar)
    chosen = select_snapshots(known, gates, calendar=calendar, source_order=settings.sources.order, source_of=sources)
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
