"""The headline of a night: one wide row a session, and what the night lacked."""

import hashlib

import polars as pl

from transforms.schemas import SIGNAL_DAILY

# input name -> the headline column that is null without it
REQUIRED_INPUTS = {
    "spx_options": "n_spx_quotes",
    "vix_options": "n_vix_quotes",
    "vx_futures": "contango_ratio",
    "spx_index": "spx",
    "vix_index": "vix",
    "vvix_index": "vvix",
    "breadth": "breadth_session",
    "treasury": "treasury_session",
}
MOMENTUM_STATES = {"vx_front": "vx_front_state", "breadth": "breadth_state", "curve": "curve_state"}
HEADLINE_TENOR = 30
RULE_DISTANCES = {
    "contango_scan": "contango_distance",
    "vx_oversold": "oversold_distance",
    "condor_in_zone": "zone_distance",
}
HALF_LIVES = {"vx_30d": "vx_half_life", "spx_iv_30d": "spx_iv_half_life"}


def chained_inputs(session_files: pl.DataFrame) -> pl.DataFrame:
    """Return one row a session: `session_date`, `inputs_sha256`, the hash of every input up to that session.

    `session_files` has `session_date` and `source_sha256`, a row for each file that holds a core row of the session.
    Each hash covers the session's own files and the hash of the session before, so a changed input changes it from
    its session on.
    """
    grouped = session_files.unique().group_by("session_date").agg(pl.col("source_sha256").sort()).sort("session_date")
    hashes, previous = [], ""
    for session_date, files in grouped.iter_rows():
        previous = hashlib.sha256(f"{previous} {session_date} {' '.join(files)}".encode()).hexdigest()
        hashes.append(previous)
    return grouped.select("session_date").with_columns(pl.Series("inputs_sha256", hashes, dtype=pl.String))


def book_signals(
    *,
    decision: pl.DataFrame,
    rule_evaluation: pl.DataFrame,
    condor_candidate: pl.DataFrame,
    ratio_spread_candidate: pl.DataFrame,
    mispricing: pl.DataFrame,
    engine_daily: pl.DataFrame,
    account_daily: pl.DataFrame,
    engine_statistics: pl.DataFrame,
) -> pl.DataFrame:
    """Return one row per session of mart.rule_evaluation: what is decided, why, and how the book stands.

    The arguments are the mart tables of those names, any sessions, of the candidates the best of each session with
    `n_candidates`, their number; the columns are those of mart.signal_daily.
    """
    rows = rule_evaluation.select("session_date").unique()
    outcomes = {"passed": ["passed"], "failed": ["failed"], "unknown": ["unknown"]}
    rules = rule_evaluation.sort("rule").group_by("session_date").agg(
        *(
            pl.col("rule").filter(pl.col("outcome").is_in(wanted)).str.join(", ").alias(f"rules_{name}")
            for name, wanted in outcomes.items()
        ),
        pl.col("state").filter(pl.col("rule") == "stance").first().alias("stance"),
        *(
            pl.col("distance").filter(pl.col("rule") == rule).first().alias(name)
            for rule, name in RULE_DISTANCES.items()
        ),
    )  # fmt: skip
    order = pl.format("{} x {} at {}", "decision", "contracts", pl.col("limit_price").round(4))
    for engine in ("condor", "second"):
        own = decision.filter(pl.col("engine") == engine).sort("decision", "decision_id").group_by("session_date").agg(
            pl.col("decision").unique(maintain_order=True).str.join(", ").alias(f"{engine}_decision"),
            order.filter(pl.col("contracts") > 0).str.join("; ").alias(f"{engine}_order"),
        )  # fmt: skip
        rows = rows.join(own, on="session_date", how="left", validate="1:1")
    condors = condor_candidate.select(
        "session_date",
        best_condor="candidate_id",
        best_condor_credit="credit_natural",
        best_condor_max_loss="max_loss",
        best_condor_probability_of_profit="probability_of_profit",
        best_condor_score="score",
        n_condor_candidates="n_candidates",
    )
    layers = ratio_spread_candidate.select(
        "session_date",
        best_layer="candidate_id",
        best_layer_credit="credit",
        best_layer_break_even_high="break_even_high",
        n_layer_candidates="n_candidates",
    )
    locks = mispricing.filter((pl.col("confidence") == "executable") & ~pl.col("from_flagged_quotes"))
    findings = locks.group_by("session_date").agg(
        pl.len().cast(pl.Int64).alias("n_executable_findings"),
        pl.col("edge_dollars").max().alias("best_executable_edge"),
    )
    engines = [
        _of_engine(engine_daily, "condor", pnl_condor="pnl", n_open_condors="n_open"),
        _of_engine(engine_daily, "second", pnl_second="pnl", n_open_layers="n_open"),
        _of_engine(
            engine_daily, "both",
            pnl_both="pnl", book_equity="equity", theta_both="theta", correlation_20d="correlation_20d",
        ),
    ]  # fmt: skip
    account = account_daily.select("session_date", "margin", "open_max_loss", account_equity="equity")
    statistics = engine_statistics.select(
        "session_date", "ledger_balance", "coverage_gap_days", "irr_condor", "irr_both"
    )
    for part in (rules, condors, layers, findings, *engines, account, statistics):
        rows = rows.join(part, on="session_date", how="left", validate="1:1")
    return rows.with_columns(pl.col(pl.String).replace("", None))


def _of_engine(engine_daily: pl.DataFrame, engine: str, **columns: str) -> pl.DataFrame:
    return engine_daily.filter(pl.col("engine") == engine).select("session_date", **columns)


def signal_daily(
    nights: pl.DataFrame,
    *,
    book: pl.DataFrame,
    curve: pl.DataFrame,
    momentum: pl.DataFrame,
    mean_reversion: pl.DataFrame,
    vol_of_vol: pl.DataFrame,
    variance: pl.DataFrame,
    surface: pl.DataFrame,
    levels: pl.DataFrame,
    rates: pl.DataFrame,
    quote_counts: pl.DataFrame,
    refusals: pl.DataFrame,
) -> pl.DataFrame:
    """Return mart.signal_daily: one row for each row of `nights`.

    Parameters
    ----------
    book
        Of `book_signals`.
    nights
        session_date, settings_sha256, code_version, inputs_sha256: one row a session to publish.
    curve, momentum, mean_reversion, vol_of_vol, variance, surface, levels, rates
        The feature and core tables of those names.
    quote_counts
        session_date, n_spx_quotes, n_vix_quotes; no row means no chain.
    refusals
        session_date, input: inputs a gate refused ("spx_options", "vix_options").

    Notes
    -----
    A figure whose input is missing is null; the input is named in `missing_inputs` (with ":refused" where a gate
    refused it), and `data_status` is then degraded.
    """
    spx = levels.filter(pl.col("symbol") == "SPX").select("session_date", pl.col("close").alias("spx"))
    vix = levels.filter(pl.col("symbol") == "VIX").select("session_date", pl.col("close").alias("vix"))
    counted = momentum.filter((pl.col("series") == "breadth") & pl.col("level").is_not_null())
    front = momentum.filter(pl.col("series") == "vx_front").select("session_date", pl.col("rsi").alias("vx_front_rsi"))
    rows = nights
    for part in (
        spx,
        vix,
        vol_of_vol.select("session_date", "vvix", pl.col("percentile_252d").alias("vvix_percentile_252d")),
        curve.select(
            "session_date", "vx1", "vx2", "contango_ratio", "basis_ratio", "constant_maturity_30d",
            "constant_maturity_60d", "days_to_roll", "missing_reason",
        ),
        front,
        _wide(momentum, "state", MOMENTUM_STATES),
        _wide(mean_reversion, "half_life", HALF_LIVES),
        variance.select("session_date", "vix_replicated", "vix_gap"),
        surface.filter(pl.col("tenor_days") == HEADLINE_TENOR).select(
            "session_date",
            "realized_vol_21d",
            pl.col("atm_vol").alias("atm_vol_30d"),
            pl.col("risk_reversal_25d").alias("risk_reversal_25d_30d"),
            pl.col("variance_risk_premium").alias("variance_risk_premium_30d"),
        ),
        quote_counts,
        counted.group_by("session_date").agg(pl.len().alias("breadth_session")),
        rates.group_by("session_date").agg(pl.len().alias("treasury_session")),
        book,
    ):  # fmt: skip
        rows = rows.join(part, on="session_date", how="left", validate="1:1")
    # Without a chain there is nothing to count, which is not none.
    counted_of = {
        "n_spx_quotes": ("n_condor_candidates", "n_executable_findings"),
        "n_vix_quotes": ("n_layer_candidates",),
    }
    for chain, counts in counted_of.items():
        rows = rows.with_columns(pl.when(pl.col(chain).is_not_null()).then(pl.col(counts).fill_null(0)))
    refused = refusals.group_by("session_date").agg(pl.col("input").sort().alias("refused"))
    rows = rows.join(refused, on="session_date", how="left", validate="1:1").with_columns(
        pl.col("refused").fill_null([])
    )
    names = [
        pl.when(pl.col(column).is_null())
        .then(
            pl.lit(name) + pl.when(pl.col("refused").list.contains(name)).then(pl.lit(":refused")).otherwise(pl.lit(""))
        )
        .otherwise(pl.lit(None, dtype=pl.String))
        for name, column in REQUIRED_INPUTS.items()
    ]
    missing = pl.concat_str(names, separator=", ", ignore_nulls=True)
    rows = rows.with_columns(pl.when(missing != "").then(missing).alias("missing_inputs")).with_columns(
        pl.when(pl.col("missing_inputs").is_null())
        .then(pl.lit("complete"))
        .otherwise(pl.lit("degraded"))
        .alias("data_status")
    )
    return SIGNAL_DAILY.conform(rows.select(SIGNAL_DAILY.column_names))


def missing_inputs(row: dict[str, object]) -> list[str]:
    """Return the inputs a signal row names as missing."""
    named = row["missing_inputs"]
    return str(named).split(", ") if named else []


def _wide(frame: pl.DataFrame, value: str, columns: dict[str, str]) -> pl.DataFrame:
    wide = frame.select("session_date").unique()
    for series, column in columns.items():
        own = frame.filter(pl.col("series") == series).select("session_date", pl.col(value).alias(column))
        wide = wide.join(own, on="session_date", how="left", validate="1:1")
    return wide
