"""Judge the night: its headline row, and which inputs it lacked."""

import json
from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl

from flows.internal_tables import NIGHT_SCHEMA
from flows.provenance import code_version
from flows.settings import COMPUTING, Settings, settings_from
from flows.warehouse import Warehouse
from transforms.schemas import BY_NAME, CONDOR_CANDIDATE, RATIO_SPREAD_CANDIDATE, SIGNAL_DAILY
from transforms.signals import book_signals, chained_inputs, signal_daily

# What is recorded of a night, but for its settings as text: thousands of characters, the same for many nights.
NIGHT_FACTS = [name for name in NIGHT_SCHEMA if name != "settings"]
INPUT_OF_ROOT = {"SPX": "spx_options", "SPXW": "spx_options", "VIX": "vix_options", "VIXW": "vix_options"}
BOOK_SIGNALS_FROM = (
    "decision", "rule_evaluation", "mispricing", "engine_daily", "account_daily", "engine_statistics",
)  # fmt: skip


def add_nights(warehouse: Warehouse, sessions: Sequence[date], *, settings: Settings) -> None:
    """Record sessions as nights, with the settings they are run with; a night run before keeps its own."""
    known = warehouse.read_meta("meta.night", NIGHT_FACTS)
    text = settings.model_dump_json(include=set(COMPUTING))
    with warehouse.transaction():
        _write_nights(warehouse, _nights(warehouse, known, sessions, settings=settings), known=known, settings=text)


def evaluate_nights(warehouse: Warehouse) -> list[date]:
    """Write the headline row of every night; return the sessions whose row changed.

    A night published before keeps its code version unless one of its figures changed.
    """
    known = warehouse.read_meta("meta.night", NIGHT_FACTS)
    nights = _nights(warehouse, known, [], settings=None)
    old = warehouse.read(SIGNAL_DAILY)
    rows = _signals(warehouse, nights)
    provenance = ["code_version"]
    same = rows.drop(provenance).join(
        old.drop(provenance), on=[c for c in rows.columns if c not in provenance], how="semi", nulls_equal=True
    )
    renewed = ~pl.col("session_date").is_in(same["session_date"].implode())
    version = pl.when(renewed).then(pl.lit(code_version())).otherwise(pl.col("code_version")).alias("code_version")
    with warehouse.transaction():
        changed = warehouse.write_changes(SIGNAL_DAILY, rows.with_columns(version))
        _write_nights(warehouse, nights.with_columns(version), known=known)
    return changed


def _write_nights(warehouse: Warehouse, nights: pl.DataFrame, *, known: pl.DataFrame, settings: str = "") -> None:
    """Write the nights that differ from those known; of a new one the settings are those given."""
    fresh = nights.join(known, on=NIGHT_FACTS, how="anti", nulls_equal=True)
    days = fresh["session_date"].to_list()
    if days:
        recorded = warehouse.read_meta("meta.night", ["session_date", "settings"], sessions=days)
        rows = fresh.join(recorded, on="session_date", how="left", validate="1:1", maintain_order="left")
        warehouse.replace_meta("meta.night", rows.with_columns(pl.col("settings").fill_null(settings)), sessions=days)


def restore_nights(warehouse: Warehouse, recorded: dict[date, str]) -> None:
    """Record nights by session with the settings (JSON) they were run with; `evaluate_nights` completes their rows."""
    sessions = sorted(recorded)
    settings = [settings_from(json.loads(recorded[day]), where=f"the ledger's night {day}") for day in sessions]
    nights = pl.DataFrame(
        {
            "session_date": sessions,
            "settings": [recorded[day] for day in sessions],
            "settings_sha256": [own.sha256 for own in settings],
            "code_version": [code_version()] * len(sessions),
            "inputs_sha256": [""] * len(sessions),
        },
        schema=NIGHT_SCHEMA,
    )
    with warehouse.transaction():
        warehouse.write_meta("meta.night", nights)


def settings_by_night(warehouse: Warehouse, nights: Iterable[date], settings: Settings) -> dict[date, Settings]:
    """Return the settings each night was run with; `settings` for one that was not run yet."""
    nights = sorted(nights)
    rows = warehouse.read_meta("meta.night", ["session_date", "settings_sha256"], sessions=nights)
    recorded = dict(rows.select("session_date", "settings_sha256").iter_rows())
    parsed = {
        sha256: settings_from(json.loads(text), where=f"the settings {sha256[:12]} of a night")
        for sha256, text in warehouse.settings_texts().items()
    }
    return {night: parsed[recorded[night]] if night in recorded else settings for night in nights}


def _nights(
    warehouse: Warehouse, known: pl.DataFrame, sessions: Sequence[date], *, settings: Settings | None
) -> pl.DataFrame:
    """Return the rows of the nights known, and of sessions that are none yet, with today's hash of their inputs."""
    before = set(known["session_date"].to_list())
    new = [day for day in sessions if day not in before] if settings else []
    added = pl.DataFrame(
        {
            "session_date": new,
            "settings_sha256": [settings.sha256 if settings else ""] * len(new),
            "code_version": [code_version()] * len(new),
            "inputs_sha256": [""] * len(new),
        },
        schema={name: NIGHT_SCHEMA[name] for name in NIGHT_FACTS},
    )
    nights = pl.concat([known, added]).drop("inputs_sha256")
    chain = chained_inputs(warehouse.session_files())
    joined = nights.sort("session_date").join_asof(
        chain, on="session_date", strategy="backward", check_sortedness=False
    )
    return joined.with_columns(pl.col("inputs_sha256").fill_null("")).select(NIGHT_FACTS)


def _signals(warehouse: Warehouse, nights: pl.DataFrame) -> pl.DataFrame:
    snapshots = warehouse.read_meta("meta.snapshot").with_columns(
        pl.col("root").replace_strict(INPUT_OF_ROOT).alias("input")
    )
    chosen = snapshots.filter("chosen")
    per_input = chosen.group_by("session_date", "input").agg(pl.col("n_rows").sum())
    counts = chosen.select("session_date").unique()
    for name, column in (("spx_options", "n_spx_quotes"), ("vix_options", "n_vix_quotes")):
        own = per_input.filter(pl.col("input") == name).select("session_date", pl.col("n_rows").alias(column))
        counts = counts.join(own, on="session_date", how="left", validate="1:1")
    refusals = snapshots.filter(pl.col("refusal").is_not_null()).select("session_date", "input").unique()
    tables = {name: warehouse.read(BY_NAME[f"mart.{name}"]) for name in BOOK_SIGNALS_FROM}
    tables |= {table.name: warehouse.read_best(table) for table in (CONDOR_CANDIDATE, RATIO_SPREAD_CANDIDATE)}
    return signal_daily(
        nights,
        book=book_signals(**tables),
        curve=warehouse.read(BY_NAME["feature.curve_daily"]),
        momentum=warehouse.read(BY_NAME["feature.momentum_daily"]),
        mean_reversion=warehouse.read(BY_NAME["feature.mean_reversion_daily"]),
        vol_of_vol=warehouse.read(BY_NAME["feature.vol_of_vol_daily"]),
        variance=warehouse.read(BY_NAME["feature.variance_daily"]),
        surface=warehouse.read(BY_NAME["feature.surface_daily"]),
        levels=warehouse.read(BY_NAME["core.index_level"]),
        rates=warehouse.read(BY_NAME["core.treasury_rate"]),
        quote_counts=counts,
        refusals=refusals,
    )
