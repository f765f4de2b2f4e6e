"""Judge the data of a night: row rules, session gates and SQL checks, into mart.data_quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from flows.map_sessions import LOADED_TOGETHER
from flows.settings import Settings
from flows.snapshot_choice import gate_results
from flows.warehouse import Warehouse
from transforms.schemas import BY_NAME, DATA_QUALITY, OPTION_QUOTE, REJECTED_ROW, SLICE, VARIANCE_DAILY
from transforms.session_checks import curve_gates, vix_gap_check
from transforms.sessions import TradingCalendar
from transforms.slice_quality import expirations_quoted, forward_check, missing_expiration_check

JUDGED_TABLES = (
    "core.option_quote",
    "core.futures_settlement",
    "core.index_level",
    "core.market_breadth",
    "core.treasury_rate",
)
# What a night's rows are made from; a finding of long ago that is followed up tonight is none of it.
JUDGED_FROM = (*(BY_NAME[name] for name in JUDGED_TABLES), REJECTED_ROW, SLICE, VARIANCE_DAILY)

EXPIRATION_OF = ["session_date", "root", "expiration"]
JUDGED = ["session_date", "table_name", "check_name", "outcome", "n_rows", "n_failed", "detail"]


@dataclass(frozen=True)
class Validation:
    """The outcome of a night's validation: passed, warned or refused, and the sentences that say why."""

    session_date: date
    outcome: str
    reasons: tuple[str, ...]


def validate_nights(
    warehouse: Warehouse,
    *,
    sessions: Sequence[date],
    nights: Sequence[date],
    settings: Settings,
    calendar: TradingCalendar,
) -> dict[date, Validation]:
    """Write mart.data_quality for the sessions and return each one's outcome.

    With them are judged again those of the earlier `nights` that would be judged differently now: gates look back over
    other sessions, and a snapshot that was not chosen is judged too.
    """
    checks = _sql_checks(warehouse.run_checks())
    gates = _gate_rows(gate_results(warehouse, settings=settings, calendar=calendar))
    outdated = _outdated_nights(warehouse, nights, checks=checks, gates=gates, settings=settings)
    sessions = sorted({*sessions, *outdated})
    reach = max(settings.gates.history_sessions, settings.gates.unchanged_sessions)
    seen = _Seen({}, {}, {}, {}, {}, {})
    found: dict[date, Validation] = {}
    for start in range(0, len(sessions), LOADED_TOGETHER):
        some = sessions[start : start + LOADED_TOGETHER]
        seen.read(warehouse, some, reach=reach, calendar=calendar)
        own = pl.DataFrame({"session_date": some}, schema={"session_date": pl.Date()})
        rows = pl.concat(
            [
                _row_rules(warehouse, some),
                own.join(checks, how="cross").select(DATA_QUALITY.column_names),
                gates.join(own, on="session_date", how="semi"),
                *(_session_checks(seen, day, settings=settings, calendar=calendar) for day in some),
            ]
        )
        with warehouse.transaction():
            warehouse.write_changes(DATA_QUALITY, rows, sessions=some)
        found |= {day: _validation(day, of_day) for day, of_day in _by_session(rows).items()}
    return found


@dataclass
class _Seen:
    """What the checks of sessions look at, by session; `before` has each session and those before it, newest first."""

    before: dict[date, list[date]]
    futures: dict[date, pl.DataFrame]
    levels: dict[date, pl.DataFrame]
    slices: dict[date, pl.DataFrame]
    variance: dict[date, pl.DataFrame]
    expirations: dict[date, pl.DataFrame]

    def read(self, warehouse: Warehouse, sessions: Sequence[date], *, reach: int, calendar: TradingCalendar) -> None:
        """Read what the next sessions need, and forget the last ones'."""
        self.before = {session: _sessions_before(session, reach, calendar=calendar) for session in sessions}
        near = sorted({day for days in self.before.values() for day in days})
        around = sorted({day for days in self.before.values() for day in days[:2]})
        self.futures = _by_session(warehouse.read(BY_NAME["core.futures_settlement"], sessions=near))
        self.levels = _by_session(warehouse.read(BY_NAME["core.index_level"], sessions=near))
        self.slices = _by_session(warehouse.read(SLICE, sessions=sessions))
        self.variance = _by_session(warehouse.read(VARIANCE_DAILY, sessions=sessions))
        quotes = warehouse.read(OPTION_QUOTE, sessions=around, columns=EXPIRATION_OF)
        self.expirations = _by_session(expirations_quoted(quotes))


def _sessions_before(session: date, n: int, *, calendar: TradingCalendar) -> list[date]:
    """Return a session and the `n` before it (at least one), newest first."""
    days = [session]
    for _ in range(max(n, 1)):
        days.append(calendar.before(days[-1]))
    return days


def _by_session(frame: pl.DataFrame) -> dict[date, pl.DataFrame]:
    return {day: rows for (day,), rows in frame.partition_by("session_date", as_dict=True).items()}


def _some(frames: Mapping[date, pl.DataFrame], days: Sequence[date], empty: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([empty, *(frames[day] for day in days if day in frames)])


def _outdated_nights(
    warehouse: Warehouse, nights: Sequence[date], *, checks: pl.DataFrame, gates: pl.DataFrame, settings: Settings
) -> set[date]:
    """Return the nights whose rows would differ now: soon after a changed session, or with other gates or checks."""
    # Calendar days that surely span the sessions a gate looks back over.
    reach = timedelta(days=2 * settings.gates.history_sessions + 7)
    changed = warehouse.dirty_sessions(*JUDGED_FROM)
    reached = {night for night in nights if any(night - reach <= day <= night for day in changed)}
    return reached | warehouse.nights_judged_otherwise(nights, gates=gates.select(JUDGED), checks=checks)


def _validation(session: date, rows: pl.DataFrame) -> Validation:
    failed = rows.filter(pl.col("outcome") == "failed")
    refused = failed.filter(pl.col("severity") == "refuse")
    outcome = "refused" if refused.height else "warned" if failed.height else "passed"
    reasons = failed.sort("table_name", "check_name")["detail"].drop_nulls().to_list()
    return Validation(session, outcome, tuple(reasons))


def _row_rules(warehouse: Warehouse, sessions: Sequence[date]) -> pl.DataFrame:
    """Return a row for each rule of each table that has rows of a session, accepted or in quarantine."""
    key = ["session_date", "table_name"]
    rejected = warehouse.rejected_by_rule(sessions).filter(pl.col("table_name").is_in(JUDGED_TABLES))
    counts = pl.concat([warehouse.rows_by_session(BY_NAME[name], sessions) for name in JUDGED_TABLES])
    present = (
        counts.join(rejected.group_by(key).agg(pl.col("n").sum()), on=key, how="full", coalesce=True, validate="1:1")
        .select(*key, (pl.col("n_in_core").fill_null(0) + pl.col("n").fill_null(0)).alias("n_rows"))
        .filter(pl.col("n_rows") > 0)
    )
    known = present.join(warehouse.read_meta("meta.rule"), on="table_name").select(*key, "rule")
    n, n_rows, sample = pl.col("n"), pl.col("n_rows"), pl.col("sample")
    said = pl.format("{} of {} rows are in quarantine, for instance: {}", n, n_rows, sample)
    return (
        pl.concat([known, rejected.select(*key, "rule")])
        .unique()
        .join(rejected, on=[*key, "rule"], how="left", validate="1:1")
        .join(present, on=key, how="left", validate="m:1")
        .with_columns(n.fill_null(0))
        .select(
            "session_date",
            "table_name",
            pl.col("rule").alias("check_name"),
            pl.lit("reject").alias("severity"),
            pl.when(n > 0).then(pl.lit("failed")).otherwise(pl.lit("passed")).alias("outcome"),
            "n_rows",
            n.alias("n_failed"),
            pl.when(n > 0).then(said).alias("detail"),
        )
    )


def _sql_checks(offending: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one row a check, without its session: it looks at all of them."""
    rows = [
        {
            "table_name": "warehouse",
            "check_name": name,
            "severity": "warn",
            "outcome": "failed" if frame.height else "passed",
            "n_rows": frame.height,
            "n_failed": frame.height,
            "detail": f"{frame.height} offending keys, first {frame.row(0)}" if frame.height else None,
        }
        for name, frame in offending.items()
    ]
    schema = {name: dtype for name, dtype in DATA_QUALITY.polars_schema.items() if name != "session_date"}
    return pl.DataFrame(rows, schema=schema)


def _gate_rows(gates: pl.DataFrame) -> pl.DataFrame:
    """Return one row a session, gate and root, over all snapshots; it fails if it refused one of them."""
    failed = pl.col("outcome") == "failed"
    rows = gates.group_by("session_date", "gate", "root").agg(
        pl.when(failed.any())
        .then(pl.lit("failed"))
        .when((pl.col("outcome") == "skipped").all())
        .then(pl.lit("skipped"))
        .otherwise(pl.lit("passed"))
        .alias("outcome"),
        pl.col("n_rows").sum(),
        pl.col("n_rows").filter(failed).sum().alias("n_failed"),
        pl.col("reason").drop_nulls().unique().sort().str.join(" ").replace("", None).alias("detail"),
    )
    return rows.select(
        "session_date",
        pl.lit(OPTION_QUOTE.full_name).alias("table_name"),
        pl.format("{} {}", "gate", "root").alias("check_name"),
        pl.lit("refuse").alias("severity"),
        "outcome",
        "n_rows",
        "n_failed",
        "detail",
    )


def _session_checks(seen: _Seen, session: date, *, settings: Settings, calendar: TradingCalendar) -> pl.DataFrame:
    """Return what the curve says of a session, and pricing of its quotes.

    That is: the VIX they give, forwards off their curve, expirations that vanished.
    """
    own = settings.gates
    days = seen.before[session]
    checks = [
        curve_gates(
            _some(seen.futures, days, BY_NAME["core.futures_settlement"].empty()),
            _some(seen.levels, days, BY_NAME["core.index_level"].empty()),
            session=session,
            calendar=calendar,
            min_contract_share=own.min_row_share,
            history_sessions=own.history_sessions,
            min_history=own.min_history,
            unchanged_sessions=own.unchanged_sessions,
        )
    ]
    if session in seen.expirations:
        checks += [
            vix_gap_check(seen.variance.get(session, VARIANCE_DAILY.empty()), session),
            forward_check(seen.slices.get(session, SLICE.empty()), session),
            missing_expiration_check(
                pl.concat(seen.expirations[day] for day in days[:2] if day in seen.expirations),
                session,
                before=days[1],
            ),
        ]
    return pl.concat(checks).select(DATA_QUALITY.column_names)
