"""Marts: findings, signals, quality and the record of runs."""

from transforms.table_schema import Column, Table
from transforms.tables.columns import BOOL, DATE, EXPIRATION, I64, SESSION, TS, count, number, text

MISPRICING_KINDS = (
    "conversion",
    "reversal",
    "box_rate",
    "vertical",
    "butterfly",
    "calendar",
    "surface_residual",
    "vix_parity",
    "forward_variance",
)

MISPRICING = Table(
    "mart", "mispricing", "one row per session and finding", ("session_date", "finding_id"),
    (
        SESSION,
        text("finding_id", "Hash of kind, legs and sides: the same while the finding lasts.", nullable=False),
        text("kind", "What is found; METHOD section 5.", nullable=False, allowed=MISPRICING_KINDS),
        text("root", "Option class.", nullable=False),
        EXPIRATION,
        number("edge_points", "Profit of the portfolio at the prices used, index points, before fees; for an indicative kind the distance from fair."),
        number("edge_dollars", "Profit after fees at the size at the touch, dollars; null for indicative kinds and unknown sizes."),
        number("edge_in_half_spreads", "edge_points over the sum of the legs' half-spreads."),
        count("capacity_contracts", "Packages the sizes at the touch allow; null if a size is unknown."),
        text("confidence", "executable, conditional or indicative.", nullable=False, allowed=("executable", "conditional", "indicative")),
        number("z_score", "Against the finding's own bucket history; null where it has none."),
        number("vol_points", "Misfit in vol points for surface_residual; null else."),
        Column("from_flagged_quotes", BOOL, "True if a quote of a leg is doubtful: of a non-regular snapshot, its bid equal to its ask, or so far off that it must move by more than its own spread. The note names the least set of quotes to doubt.", nullable=False),
        Column("first_seen", DATE, "Session on which the finding was first seen.", nullable=False),
        count("sessions_open", "Consecutive sessions it has been open, today included."),
        text("note", "What the finding rests on: assumption, clock gap, or why it is doubted."),
    ),
)  # fmt: skip

MISPRICING_LEG = Table(
    "mart", "mispricing_leg", "one row per leg of a finding", ("session_date", "finding_id", "leg"),
    (
        SESSION,
        text("finding_id", "The finding.", nullable=False),
        Column("leg", I64, "1, 2, ... in order of expiration, strike and type.", nullable=False, low=1),
        text("instrument", "option, future, forward (synthetic by assumption) or cash.", nullable=False, allowed=("option", "future", "forward", "cash")),
        text("root", "Class of the instrument."),
        Column("expiration", DATE, "Expiration; for cash the day it is paid back."),
        number("strike", "Strike, points; null for futures and cash."),
        text("option_type", "call or put; null for futures and cash.", allowed=("call", "put")),
        text("side", "buy or sell.", nullable=False, allowed=("buy", "sell")),
        number("quantity", "Units for one package; for cash the points paid at settlement.", low=0.0),
        number("price", "Price used, points: the ask of what is bought, the bid of what is sold."),
        count("size", "Contracts quoted at that price; null if not given."),
    ),
)  # fmt: skip

MISPRICING_OUTCOME = Table(
    "mart", "mispricing_outcome", "one row per session observed and finding of the session before", ("session_date", "finding_id"),
    (
        SESSION,
        text("finding_id", "The finding.", nullable=False),
        text("kind", "Its kind.", nullable=False),
        text("status", "open (found again) or closed.", nullable=False, allowed=("open", "closed")),
        number("exit_edge_dollars", "What the package would have earned if put on at the prices found and taken off at today's executable ones, dollars after fees; null if a leg has no quote."),
    ),
)  # fmt: skip

DETECTOR_RECORD = Table(
    "mart", "detector_record", "one row per session and kind", ("session_date", "kind"),
    (
        SESSION,
        text("kind", "Kind of finding.", nullable=False),
        count("n_found", "Findings up to and including the session."),
        number("share_open_next", "Share of findings still open a session later, decimal; null until one had a next session."),
        number("median_outcome", "Median exit_edge_dollars, dollars; null until there is one."),
        number("share_flagged", "Share of findings from flagged quotes, decimal; null without findings."),
    ),
)  # fmt: skip

SIGNAL_DAILY = Table(
    "mart", "signal_daily", "one wide row per published session", ("session_date",),
    (
        SESSION,
        text("data_status", "complete or degraded.", nullable=False, allowed=("complete", "degraded")),
        text("missing_inputs", "Inputs the night lacked or refused, comma-separated; null if none."),
        number("spx", "SPX close, points."),
        number("vix", "VIX close, points."),
        number("vvix", "VVIX close, points."),
        number("vvix_percentile_252d", "Share of the previous 252 sessions strictly below, decimal."),
        number("vx1", "Nearest monthly VX settlement, points."),
        number("vx2", "Second monthly VX settlement, points."),
        number("contango_ratio", "vx2/vx1 - 1, decimal."),
        number("basis_ratio", "vx1/vix - 1, decimal."),
        number("constant_maturity_30d", "30-day VX, points."),
        number("constant_maturity_60d", "60-day VX, points."),
        count("days_to_roll", "Sessions until the front month is rolled."),
        number("vx_front_rsi", "RSI(14) of front_index."),
        text("vx_front_state", "MACD state of front_index."),
        text("breadth_state", "MACD state of the advance-decline line."),
        text("curve_state", "MACD state of the curve series."),
        number("vx_half_life", "Half-life of the 30-day VX, sessions."),
        number("vix_replicated", "VIX by Cboe's method from the night's chain, points."),
        number("vix_gap", "vix_replicated less the published VIX, points."),
        number("atm_vol_30d", "30-day at-the-money SPX vol, decimal."),
        number("risk_reversal_25d_30d", "25-delta put vol less call vol at 30 days, decimal."),
        number("realized_vol_21d", "Close-to-close SPX vol over 21 sessions, decimal."),
        number("variance_risk_premium_30d", "atm_vol_30d^2 - realized_vol_21d^2, decimal."),
        number("spx_iv_half_life", "Half-life of 30-day SPX implied vol, sessions."),
        count("n_spx_quotes", "SPX and SPXW quotes of the night."),
        count("n_vix_quotes", "VIX and VIXW quotes of the night."),
        text("missing_reason", "Why a curve figure is null."),
        text("settings_sha256", "Hash of the settings the night was computed with.", nullable=False),
        text("code_version", "Hash of transforms/ and sql/ the night was computed with.", nullable=False),
        text("inputs_sha256", "Hash of the landed files the night was computed from.", nullable=False),
    ),
)  # fmt: skip

DATA_QUALITY = Table(
    "mart", "data_quality", "one row per session, table and check", ("session_date", "table_name", "check_name"),
    (
        SESSION,
        text("table_name", "Table judged.", nullable=False),
        text("check_name", "Row rule, session gate, or sql/checks file.", nullable=False),
        text("severity", "reject (rows go to quarantine), refuse (the table is refused), warn.", nullable=False, allowed=("reject", "refuse", "warn")),
        text("outcome", "passed, failed, or skipped (too little history).", nullable=False, allowed=("passed", "failed", "skipped")),
        count("n_rows", "Rows judged.", nullable=False),
        count("n_failed", "Rows that failed.", nullable=False),
        text("detail", "What failed, where, and what to do."),
    ),
)  # fmt: skip

JOURNAL = Table(
    "mart", "journal", "one row per journal entry", ("entry_id",),
    (
        text("entry_id", "Hash of the entry.", nullable=False),
        Column("session_date", DATE, "Session the entry is about.", nullable=False),
        text("kind", "note (written by the user), decision (acted on), considered (not taken), filled, waiting, cancelled, settled, closed, reduced, or correction of such an entry.", nullable=False),
        text("decision_id", "Decision the entry is about; null for a note."),
        text("refers_to", "Entry this one corrects or continues; null if none."),
        text("evidence", "Rows of the rules the decision cites, frozen, JSON; null for other entries."),
        text("prices", "Prices at the decision, JSON, points; null for other entries."),
        text("note", "What the user wrote, or the entry in words."),
        Column("written_at", TS, "When a note was written, or the instant the night's quotes are of, UTC.", nullable=False),
    ),
    partition="none",
)  # fmt: skip

RUN = Table(
    "mart", "run", "one row per run of the program that writes", ("run_id",),
    (
        text("run_id", "Identifier of the run.", nullable=False),
        text("command", "import, run, backfill, rebuild or demo.", nullable=False),
        Column("session_date", DATE, "Session of the night; null for an import."),
        Column("started_at", TS, "Start, UTC.", nullable=False),
        Column("finished_at", TS, "End, UTC; null while running or killed."),
        text("outcome", "running, published, degraded, failed or killed.", nullable=False, allowed=("running", "published", "degraded", "failed", "killed")),
        text("seconds", "Seconds per stage, JSON."),
        text("rows", "Rows per stage, JSON."),
        number("peak_memory_mb", "Peak resident memory of the process, MiB."),
        text("detail", "Error or notes."),
    ),
    partition="none", session_column=None,
)  # fmt: skip
