"""The tables of the evidence: what a replay says of each claim, P&L by what prevailed, indices (METHOD section 10)."""

from transforms.table_schema import Column, Table
from transforms.tables.columns import DATE, I64, SESSION, count, number, text

VERDICTS = ("supported", "not supported", "too little data")
BREAKDOWNS = ("all", "contango", "vvix", "rsi", "realized_range", "worst_spx_session")
BENCHMARKS = ("cndr", "vxth")

_AS_OF = Column("as_of", DATE, "Last session the evidence rests on.", nullable=False)
_VARIANT = text("variant", "Variant of the settings that was replayed; default for the settings as they are.", nullable=False)  # fmt: skip

CLAIM_EVIDENCE = Table(
    "mart", "claim_evidence", "one row per evaluation, claim and variant", ("as_of", "claim", "variant"),
    (
        _AS_OF,
        text("claim", "Name of the claim.", nullable=False),
        _VARIANT,
        text("statement", "The claim in words.", nullable=False),
        text("measure", "What estimate is, and its unit.", nullable=False),
        text("sort", "series (redrawn in blocks of sessions) or events (redrawn one by one).", nullable=False, allowed=("series", "events")),
        number("claimed_low", "Lower end of where the claim says the measure lies, in units of measure; null if it has none."),
        number("claimed_high", "Upper end of where the claim says the measure lies, in units of measure; null if it has none."),
        count("n", "Number of observations the estimate rests on.", nullable=False),
        number("estimate", "The measure, in units of measure; null if it is not defined."),
        number("low_95", "Lower end of the 95 % percentile interval, in units of measure; null without one."),
        number("high_95", "Upper end of the 95 % percentile interval, in units of measure; null without one."),
        number("block_length", "Mean length of the blocks redrawn, sessions; 1 for events.", low=1.0),
        number("p_value", "Least level over all variants at which this one has a verdict (Holm), decimal; 1 if it is not judged.", low=0.0, high=1.0),
        text("verdict", "supported (the interval allowed by Holm's procedure lies wholly where claimed), not supported (wholly outside) or too little data (else, and below 20 observations or 20 blocks of them).", nullable=False, allowed=VERDICTS),
        text("detail", "What is missing; null if nothing is."),
    ),
    partition="none", session_column=None,
)  # fmt: skip

EVIDENCE_BREAKDOWN = Table(
    "mart", "evidence_breakdown", "one row per evaluation, variant, book, breakdown and bucket",
    ("as_of", "variant", "book", "breakdown", "bucket"),
    (
        _AS_OF,
        _VARIANT,
        text("book", "condor, second or both; or cndr and vxth, the rebuilt indices, of 100,000 dollars held in them since the session before.", nullable=False, allowed=("condor", "second", "both", *BENCHMARKS)),
        text("breakdown", "all, contango, vvix (percentile) and rsi (of front VX) as of the session before, realized_range (quintile of the 21-session SPX range) or worst_spx_session.", nullable=False, allowed=BREAKDOWNS),
        text("bucket", "Which part: a range, a quintile, or a session's rank and date.", nullable=False),
        Column("position", I64, "Order of the buckets, rank from 1.", nullable=False, low=1),
        count("n", "Sessions in it.", nullable=False),
        number("pnl_total", "Sum of P&L, dollars."),
        number("pnl_mean", "Mean P&L a session, dollars."),
        number("low_95", "Lower end of its 95 % interval, dollars; null below 20 sessions."),
        number("high_95", "Upper end of its 95 % interval, dollars; null below 20 sessions."),
    ),
    partition="none", session_column=None,
)  # fmt: skip

BENCHMARK_DAILY = Table(
    "mart", "benchmark_daily", "one row per session replayed and index rebuilt", ("session_date", "benchmark"),
    (
        SESSION,
        text("benchmark", "cndr (Cboe S&P 500 Iron Condor Index) or vxth (Cboe VIX Tail Hedge Index), rebuilt from the home's own chains.", nullable=False, allowed=BENCHMARKS),
        number("level", "Index points, 100 at the first roll; null where missing says why.", low=0.0),
        number("return_daily", "Level over that of the session before, less 1, decimal; null if either is."),
        number("excess_return_daily", "return_daily less what a 91-day bill earned over those calendar days at the last rate published by the session before, decimal."),
        Column("rolled_on", DATE, "Session at whose snapshot the options held at this session's close were opened."),
        Column("expiration", DATE, "Session on whose morning they settle."),
        text("position", "What is held at the close: strikes and credit in points, or weight and price of the calls."),
        text("missing", "What the level lacks, or lacks and is taken as none (dividends); null if nothing."),
    ),
)  # fmt: skip

EVIDENCE_TABLES = (CLAIM_EVIDENCE, EVIDENCE_BREAKDOWN, BENCHMARK_DAILY)
