"""Judge the data of a night: row rules, session gates and SQL checks, into mart.data_quality."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from flows.settings import Settings
from flows.snapshot_choice import gate_results
from flows.warehouse import Warehouse
from transforms.schemas import BY_NAME, DATA_QUALITY
from transforms.session_checks import curve_gates, vix_gap_check
from transforms.sessions import TradingCalendar
from transforms.slice_quality import forward_check, missing_expiration_check

JUDGED_TABLES = (
    "core.option_quote",
    "core.futures_settlement",
    "core.index_level",
    "core.market_breadth",
    "core.treasury_rate",
)

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
    offending = warehouse.run_checks()
    gates = gate_results(warehouse, settings=settings, calendar=calendar)
    outdated = _outdated_nights(warehouse, nights, offending=offending, gates=gates, settings=settings)
    sessions = sorted({*sessions, *outdated})
    rules = warehouse.read_meta("meta.rule")
    futures = warehouse.read(BY_NAME["core.futures_settlement"])
    levels = warehouse.read(BY_NAME["core.index_level"])
    found = {}
    frames = []
    for session in sessions:
        rows = [*_row_rules(warehouse, session, rules), *_sql_checks(offending)]
        rows += _gate_rows(gates.filter(pl.col("session_date") == session))
        rows += curve_gates(
            futures,
            levels,
            session=session,
            calendar=calendar,
            min_contract_share=settings.gates.min_row_share,
            history_sessions=settings.gates.history_sessions,
            min_history=settings.gates.min_history,
            unchanged_sessions=settings.gates.unchanged_sessions,
        ).to_dicts()
        rows += _priced_checks(warehouse, session, calendar=calendar)
        frame = pl.DataFrame([{**row, "session_date": session} for row in rows], schema=DATA_QUALITY.polars_schema)
        frames.append(frame)
        found[session] = _validation(session, frame)
    if frames:
        with warehouse.transaction():
            warehouse.write_changes(DATA_QUALITY, pl.concat(frames), sessions=list(sessions))
    return found


def _outdated_nights(
    warehouse: Warehouse,
    nights: Sequence[date],
    *,
    offending: dict[str, pl.DataFrame],
    gates: pl.DataFrame,
    settings: Settings,
) -> set[date]:
    """Return the nights whose rows would differ now: soon after a changed session, or with other gates or checks."""
    # Calendar days that surely span the sessions a gate looks back over.
    reach = timedelta(days=2 * settings.gates.history_sessions + 7)
    changed = warehouse.dirty_sessions()
    reached = {night for night in nights if any(night - reach <= day <= night for day in changed)}
    written = warehouse.read(DATA_QUALITY, sessions=list(nights)).select(JUDGED)
    checks = pl.DataFrame(_sql_checks(offending), schema_overrides=DATA_QUALITY.polars_schema)
    now = [
        pl.DataFrame([{**row, "session_date": day} for row in _gate_rows(own)], schema=DATA_QUALITY.polars_schema)
        for (day,), own in gates.filter(pl.col("session_date").is_in(list(nights))).group_by("session_date")
    ]
    now.append(pl.DataFrame({"session_date": nights}, schema={"session_date": pl.Date()}).join(checks, how="cross"))
    differing = pl.concat([frame.select(JUDGED) for frame in now]).join(
        written, on=JUDGED, how="anti", nulls_equal=True
    )
    return {*reached, *differing["session_date"].to_list()}


def _validation(session: date, rows: pl.DataFrame) -> Validation:
    failed = rows.filter(pl.col("outcome") == "failed")
    refused = failed.filter(pl.col("severity") == "refuse")
    outcome = "refused" if refused.height else "warned" if failed.height else "passed"
    reasons = failed.sort("table_name", "check_name")["detail"].drop_nulls().to_list()
    return Validation(session, outcome, tuple(reasons))


def _row_rules(warehouse: Warehouse, session: date, rules: pl.DataFrame) -> list[dict[str, object]]:
    rejected = warehouse.rejected_by_rule(session)
    rows: list[dict[str, object]] = []
    for name in JUDGED_TABLES:
        n_core = warehouse.count_rows(BY_NAME[name], session)
        own = {rule: (n, sample) for table, rule, n, sample in rejected.iter_rows() if table == name}
        n_rows = n_core + sum(n for n, _ in own.values())
        if n_rows == 0:
            continue
        known = rules.filter(pl.col("table_name") == name)["rule"].to_list()
        for rule in sorted({*known, *own}):
            n_failed, sample = own.get(rule, (0, None))
            rows.append(
                {
                    "table_name": name,
                    "check_name": rule,
                    "severity": "reject",
                    "outcome": "failed" if n_failed else "passed",
                    "n_rows": n_rows,
                    "n_failed": n_failed,
                    "detail": f"{n_failed} of {n_rows} rows are in quarantine, for instance: {sample}"
                    if n_failed
                    else None,
                }
            )
    return rows


def _sql_checks(offending: dict[str, pl.DataFrame]) -> list[dict[str, object]]:
    return [
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


def _gate_rows(gates: pl.DataFrame) -> list[dict[str, object]]:
    """Return one row a gate and root, over all snapshots of the session; it fails if it refused one of them."""
    failed = pl.col("outcome") == "failed"
    rows = gates.group_by("gate", "root").agg(
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
    return [
        {
            "table_name": "core.option_quote",
            "check_name": f"{row.pop('gate')} {row.pop('root')}",
            "severity": "refuse",
            **row,
        }
        for row in rows.sort("gate", "root").iter_rows(named=True)
    ]


def _priced_checks(warehouse: Warehouse, session: date, *, calendar: TradingCalendar) -> list[dict[str, object]]:
    """Return what pricing says of the quotes: the VIX they give, forwards off their curve, vanished expirations."""
    before = calendar.before(session)
    quotes = warehouse.read(BY_NAME["core.option_quote"], sessions=[before, session])
    if quotes.filter(pl.col("session_date") == session).is_empty():
        return []
    checks = [
        vix_gap_check(warehouse.read(BY_NAME["feature.variance_daily"], sessions=[session]), session),
        forward_check(warehouse.read(BY_NAME["feature.slice"], sessions=[session]), session),
        missing_expiration_check(quotes, session, before=before),
    ]
    return [row for frame in checks for row in frame.to_dicts()]
