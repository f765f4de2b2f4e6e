"""Every table, said once.

The database, its comments, validation, the data dictionary and the tests are derived from these definitions. Prices are
index points (multiplier 100 for SPX and VIX options, 1,000 for VX), vols are decimals, VIX levels are points, rates are
decimals (core.treasury_rate keeps the published par yield as a decimal; zero rates are continuously compounded).
"""

import polars as pl

from transforms.table_schema import Column, PairRule, Partition, RangeRule, Table

DATE = pl.Date()
TS = pl.Datetime("us")
F64 = pl.Float64()
I64 = pl.Int64()
STR = pl.String()
BOOL = pl.Boolean()

OPTION_ROOTS = ("SPX", "SPXW", "VIX", "VIXW")
SNAPSHOT_KINDS = ("close", "eod_1545", "intraday", "non_regular")

_SESSION = Column("session_date", DATE, "The New York trading day the row belongs to.", nullable=False)
_EXPIRATION = Column("expiration", DATE, "Printed expiration day.", nullable=False)
_STRIKE = Column("strike", F64, "Strike, index points.", nullable=False, low=0.5, high=100_000.0)
_OPTION_TYPE = Column("option_type", STR, "call or put.", nullable=False, allowed=("call", "put"))
_OPTION_ROOT = Column(
    "root", STR, "Option class: SPX and VIX settle on the opening, SPXW on the close, VIXW as VIX.",
    nullable=False, allowed=OPTION_ROOTS,
)  # fmt: skip
_SOURCE = Column("source_sha256", STR, "SHA-256 of the landed file the row was read from.", nullable=False)


def number(name: str, meaning: str, *, low: float | None = None, high: float | None = None) -> Column:
    """Return a nullable float column."""
    return Column(name, F64, meaning, low=low, high=high)


def count(name: str, meaning: str, *, nullable: bool = True) -> Column:
    """Return an integer column bounded below by zero."""
    return Column(name, I64, meaning, nullable=nullable, low=0)


def text(name: str, meaning: str, *, nullable: bool = True, allowed: tuple[str, ...] | None = None) -> Column:
    """Return a string column."""
    return Column(name, STR, meaning, nullable=nullable, allowed=allowed)


LANDED_FILE = Table(
    "core", "landed_file", "one row per file that was landed", ("sha256",),
    (
        text("sha256", "SHA-256 of the file's bytes as delivered.", nullable=False),
        text("source", "Vendor layout that recognized the file (name of a module in flows/sources).", nullable=False),
        Column("received_at", TS, "Modification time of the delivered file, UTC; of two editions of one file the later wins.", nullable=False),
        text("name", "File name as delivered.", nullable=False),
        Column("stamped_at", TS, "Time printed inside the file at which it was downloaded, UTC; null if none is printed."),
        Column("first_session", DATE, "Earliest session in the file; null if it holds no session."),
        Column("last_session", DATE, "Latest session in the file; null if it holds no session."),
        count("n_lines", "Data lines in the file, in the vendor's own grain.", nullable=False),
        count("n_rows", "Rows of core tables that the lines hold (a quotedata line holds a call and a put).", nullable=False),
        count("n_loaded", "Rows that passed validation.", nullable=False),
        count("n_rejected", "Rows refused, by a row rule (quarantine.rejected_row) or with their whole table by a gate; n_rows = n_loaded + n_rejected.", nullable=False),
        count("n_superseded", "Of the rows loaded, those that give way in core to a better file of the same key.", nullable=False),
        text("unknown_columns", "Columns of the file that its source does not know, comma-separated; kept out of core."),
        text("outcome", "loaded, superseded (a better file holds all its rows) or refused (by a gate).", nullable=False, allowed=("loaded", "superseded", "refused")),
        text("detail", "Why it was refused or superseded, and what the reader noticed."),
    ),
    partition="none", session_column=None,
)  # fmt: skip

OPTION_QUOTE = Table(
    "core", "option_quote", "one row per option of the session's snapshot",
    ("session_date", "root", "expiration", "strike", "option_type"),
    (
        _SESSION, _OPTION_ROOT, _EXPIRATION, _STRIKE, _OPTION_TYPE,
        Column("quote_ts", TS, "Instant the quotes are of, UTC: the stamp during a session, the session's close for a download made after it.", nullable=False),
        text("snapshot_kind", "close, eod_1545, intraday, or non_regular (outside regular hours and not shown to equal the frozen close).", nullable=False, allowed=SNAPSHOT_KINDS),
        text("settlement_style", "am (settles on the opening) or pm (on the close).", nullable=False, allowed=("am", "pm")),
        number("bid", "Bid, index points; 0 means no bid; null if the vendor gives none.", low=0.0, high=100_000.0),
        number("ask", "Ask, index points; null means no offer.", low=0.0, high=100_000.0),
        count("bid_size", "Contracts bid; null if the vendor gives none."),
        count("ask_size", "Contracts offered; null if the vendor gives none."),
        number("last", "Last trade, index points; null if there was none or it is not given.", low=0.0),
        count("volume", "Contracts traded in the session; null if not given."),
        count("open_interest", "Open contracts; null if not given."),
        number("spot", "Index level printed with the snapshot, points; null if not given.", low=0.0),
        number("vendor_implied_vol", "Implied vol the vendor printed, decimal; null if none. For comparison only.", low=0.0),
        number("vendor_delta", "Delta the vendor printed; null if none. For comparison only.", low=-1.5, high=1.5),
        _SOURCE,
    ),
    partition="session",
    rules=(PairRule("crossed", larger="ask", smaller="bid"),),
)  # fmt: skip

FUTURES_SETTLEMENT = Table(
    "core", "futures_settlement", "one row per VX contract and session", ("session_date", "root", "expiration"),
    (
        _SESSION,
        text("root", "VX.", nullable=False, allowed=("VX",)),
        _EXPIRATION,
        Column("is_monthly", BOOL, "True if the expiration is that of the monthly contract.", nullable=False),
        number("open", "First trade, points; null on a session without trades.", low=1.0, high=250.0),
        number("high", "Highest trade, points; null on a session without trades (vendors print the ask or bid there).", low=1.0, high=250.0),
        number("low", "Lowest trade, points; null on a session without trades.", low=1.0, high=250.0),
        number("close", "Last trade, points; null on a session without trades.", low=1.0, high=250.0),
        Column("settle", F64, "Daily settlement, points; on the expiration day the final settlement value.", nullable=False, low=5.0, high=250.0),
        text("settle_source", "settle (printed), close (the file prints no settlement) or curve (from a settlement curve).", nullable=False, allowed=("settle", "close", "curve")),
        count("volume", "Contracts traded; null if not given."),
        count("open_interest", "Open contracts; null if not given."),
        _SOURCE,
    ),
    rules=(PairRule("high_below_low", larger="high", smaller="low"),),
)  # fmt: skip

INDEX_LEVEL = Table(
    "core", "index_level", "one row per index and session", ("session_date", "symbol"),
    (
        _SESSION,
        text("symbol", "SPX, VIX, VVIX, VIX9D, VIX3M, VIX6M or SKEW.", nullable=False, allowed=("SPX", "VIX", "VVIX", "VIX9D", "VIX3M", "VIX6M", "SKEW")),
        number("open", "Open, points; null if not given or outside the day's range.", low=0.0),
        number("high", "High, points; null if not given or below the low.", low=0.0),
        number("low", "Low, points; null if not given or above the high.", low=0.0),
        Column("close", F64, "Close, points.", nullable=False, low=1.0),
        _SOURCE,
    ),
    rules=(
        RangeRule("vvix_range", "close", 20.0, 400.0, "symbol", "VVIX"),
        RangeRule("vix_range", "close", 5.0, 200.0, "symbol", "VIX"),
        RangeRule("vix9d_range", "close", 4.0, 300.0, "symbol", "VIX9D"),
        RangeRule("vix3m_range", "close", 5.0, 150.0, "symbol", "VIX3M"),
        RangeRule("vix6m_range", "close", 5.0, 120.0, "symbol", "VIX6M"),
        RangeRule("skew_range", "close", 90.0, 250.0, "symbol", "SKEW"),
        PairRule("high_below_low", larger="high", smaller="low"),
    ),
)  # fmt: skip

MARKET_BREADTH = Table(
    "core", "market_breadth", "one row per exchange and session", ("session_date", "exchange"),
    (
        _SESSION,
        text("exchange", "NYSE (the exchange's count) or NYSE_CONSTITUENTS (counted from constituent prices).", nullable=False, allowed=("NYSE", "NYSE_CONSTITUENTS")),
        Column("advances", I64, "Issues that rose.", nullable=False, low=0),
        Column("declines", I64, "Issues that fell.", nullable=False, low=0),
        count("unchanged", "Issues unchanged; null if not counted."),
        _SOURCE,
    ),
)  # fmt: skip

TREASURY_RATE = Table(
    "core", "treasury_rate", "one row per session and tenor", ("session_date", "tenor_days"),
    (
        _SESSION,
        Column("tenor_days", I64, "Tenor in days: months x 365/12, rounded; 1 for fed funds.", nullable=False, low=1, high=11_000),
        Column("par_yield", F64, "Yield as published, decimal (par yield, bond equivalent).", nullable=False, low=-0.05, high=0.30),
        text("rate_kind", "treasury (par yield curve), bill_13_week or fed_funds.", nullable=False, allowed=("treasury", "bill_13_week", "fed_funds")),
        _SOURCE,
    ),
)  # fmt: skip

ECONOMIC_EVENT = Table(
    "core", "economic_event", "one row per event and day", ("event_date", "event"),
    (
        Column("event_date", DATE, "New York day of the event.", nullable=False),
        text("event", "cpi, ppi, nfp, fomc_decision, fomc_intermeeting or fomc_minutes.", nullable=False, allowed=("cpi", "ppi", "nfp", "fomc_decision", "fomc_intermeeting", "fomc_minutes")),
        Column("event_ts", TS, "Instant of the release, UTC; null if the time is not given."),
        Column("known_at", DATE, "Day from which the date was publicly scheduled; null if the source does not say (an intermeeting decision is known on its own day)."),
        text("source", "The publisher named by the file.", nullable=False),
        _SOURCE,
    ),
    partition="none", session_column=None,
)  # fmt: skip

SETTLEMENT_VALUE = Table(
    "core", "settlement_value", "one row per root and expiration", ("root", "expiration"),
    (
        text("root", "VX, VIX, VIXW, SPX or SPXW.", nullable=False, allowed=("VX", "VIX", "VIXW", "SPX", "SPXW")),
        _EXPIRATION,
        Column("value", F64, "Value the contracts settled to, points.", nullable=False, low=1.0),
        text("source", "vx_file (settle of the expiration day), archive, set, index_open or index_close.", nullable=False),
        Column("exact", BOOL, "False where the value stands in for the official one.", nullable=False),
        _SOURCE,
    ),
    partition="none", session_column=None,
)  # fmt: skip

ACCOUNT_STATE = Table(
    "core", "account_state", "one row per session on which the user stated the account", ("session_date",),
    (
        _SESSION,
        Column("equity", F64, "Account equity, dollars.", nullable=False),
        number("cash", "Cash, dollars.", low=0.0),
        number("marketable_securities", "Securities not pledged elsewhere, dollars.", low=0.0),
        number("receivables", "Receivables, dollars.", low=0.0),
        number("current_liabilities", "Liabilities due within a year, dollars.", low=0.0),
        number("margin_loan_rate", "Margin loan rate, decimal a year.", low=0.0, high=0.5),
        _SOURCE,
    ),
    partition="none",
)  # fmt: skip

REJECTED_ROW = Table(
    "quarantine", "rejected_row", "one row per row refused and rule broken",
    ("session_date", "table_name", "source_sha256", "source_row_number", "rule"),
    (
        Column("session_date", DATE, "Session the row claims; 1900-01-01 if it names none.", nullable=False),
        text("table_name", "Table the row was meant for.", nullable=False),
        _SOURCE,
        Column("source_row_number", I64, "Which row of the file: the data line counted from 1, times the rows a line can hold (2 options, 4 of a VX line, 100 cells of a Treasury line), plus the place in the line.", nullable=False),
        text("rule", "Rule broken.", nullable=False),
        text("reason", "What is wrong with the row, with the value.", nullable=False),
        text("row_json", "The row as read, JSON.", nullable=False),
    ),
)  # fmt: skip

TERM_STRUCTURE = Table(
    "feature", "term_structure", "one row per session and rank of the monthly VX calendar", ("session_date", "rank"),
    (
        _SESSION,
        Column("rank", I64, "1 for the nearest monthly expiration after the session, 2 for the next, ...", nullable=False, low=1, high=12),
        _EXPIRATION,
        Column("days_to_expiry", I64, "Calendar days from the session to expiration.", nullable=False, low=0),
        number("settle", "Settlement, points; null if no landed file holds the contract on that session."),
        text("missing_reason", "missing_contract where settle is null.", allowed=("missing_contract",)),
    ),
)  # fmt: skip

CURVE_DAILY = Table(
    "feature", "curve_daily", "one row per session with VX data", ("session_date",),
    (
        _SESSION,
        number("vx1", "Settlement of the nearest monthly VX, points; null with missing_reason."),
        number("vx2", "Settlement of the second monthly VX, points; null with missing_reason."),
        number("contango_ratio", "vx2/vx1 - 1, decimal; null if either is missing."),
        number("basis_ratio", "vx1/vix - 1, decimal; null if either is missing."),
        number("roll_yield_daily", "(vx1 - vix)/vx1/days to expiry of vx1, decimal a day; null if either is missing."),
        number("settle_per_sqrt_day", "Least-squares slope of settle on sqrt(days to expiry) over VX1..VX7, points; null if any of the seven is missing."),
        number("constant_maturity_30d", "VX price at 30 days, linear in days between the bracketing monthlies, points; null if one is missing."),
        number("constant_maturity_60d", "VX price at 60 days, points; null if a bracketing monthly is missing."),
        count("days_to_roll", "Sessions until the front month is rolled."),
        number("front_index", "Continuous front-month series, points: starts at the first held settle and accumulates daily changes of the contract held."),
        Column("front_index_gap", BOOL, "True where the contract held has no price today or on the session before: the series accumulates 0.", nullable=False),
        Column("held_expiration", DATE, "Expiration of the contract held over the session."),
        number("vix", "VIX close, points; null if missing."),
        text("missing_reason", "missing_contract, missing_vix, comma-separated; null if nothing is missing."),
    ),
)  # fmt: skip

MOMENTUM_DAILY = Table(
    "feature", "momentum_daily", "one row per session and series", ("session_date", "series"),
    (
        _SESSION,
        text("series", "vx_front (front_index), breadth (cumulative advance-decline line) or curve (60-day/30-day constant-maturity ratio - 1).", nullable=False, allowed=("vx_front", "breadth", "curve")),
        number("level", "The series itself: points (vx_front), issues (breadth), decimal (curve); null where missing."),
        number("line", "MACD line (12, 26), units of the series; null in warm-up."),
        number("signal", "MACD signal (9), units of the series; null in warm-up."),
        number("histogram", "line - signal; null in warm-up."),
        number("rsi", "Wilder RSI (14), 0 to 100; null in warm-up.", low=0.0, high=100.0),
        text("state", "bullish (histogram > 0) or bearish; null in warm-up.", allowed=("bullish", "bearish")),
        count("sessions_since_cross", "Sessions since the state last changed; null before the first change."),
    ),
)  # fmt: skip

MEAN_REVERSION_DAILY = Table(
    "feature", "mean_reversion_daily", "one row per session and series", ("session_date", "series"),
    (
        _SESSION,
        text("series", "vx_30d (30-day constant-maturity VX) or spx_iv_30d (30-day SPX implied vol).", nullable=False, allowed=("vx_30d", "spx_iv_30d")),
        number("phi", "Kendall-corrected AR(1) coefficient of the log series over the window; null in warm-up."),
        number("half_life", "-ln 2/ln phi, sessions; null unless 0 < phi < 1."),
        number("low_95", "Lower end of the bootstrap interval of the half-life, sessions."),
        number("high_95", "Upper end of the bootstrap interval of the half-life, sessions; null if the draw does not revert."),
        text("stand_in", "vix where the VIX index stands in for a missing chain.", allowed=("vix",)),
    ),
)  # fmt: skip

VOL_OF_VOL_DAILY = Table(
    "feature", "vol_of_vol_daily", "one row per session with VVIX", ("session_date",),
    (
        _SESSION,
        number("vvix", "VVIX close, points; null if missing."),
        number("percentile_252d", "Share of the previous 252 sessions strictly below today, decimal; null in warm-up.", low=0.0, high=1.0),
        number("rank_252d", "(x - min)/(max - min) over the previous 252 sessions, clipped to [0, 1], decimal; null in warm-up.", low=0.0, high=1.0),
        number("threshold_30", "30th percentile of the previous 252 sessions, points; null in warm-up."),
        count("sessions_below_30", "Consecutive sessions, today included, with VVIX below that percentile."),
    ),
)  # fmt: skip

SLICE = Table(
    "feature", "slice", "one row per root and expiration of the session's snapshot", ("session_date", "root", "expiration"),
    (
        _SESSION, _OPTION_ROOT, _EXPIRATION,
        number("time_to_expiry", "Years from the snapshot to the instant that fixes the settlement, ACT/365 by minutes; negative once it has passed."),
        number("forward", "Forward implied by parity, points; null if no strike is quoted on both sides."),
        number("forward_error", "Standard error of the forward, points."),
        number("forward_low", "Lower end of the forward's no-arbitrage interval at executable prices, points."),
        number("forward_high", "Upper end of that interval, points."),
        number("discount_factor", "Discount factor to settlement; from the curve named by rate_source where the slice does not determine its own."),
        number("discount_error", "Standard error of the slice's own discount factor."),
        number("discount_low", "Lower end of the discount factor's no-arbitrage interval."),
        number("discount_high", "Upper end of that interval."),
        number("parity_slack", "Width of the no-arbitrage region, points; negative if it is empty, which is a lock."),
        number("zero_rate", "-ln(discount_factor)/time_to_expiry, decimal a year, continuously compounded."),
        text("rate_source", "parity (the slice's own), implied_curve (the session's other slices), treasury, bill_13_week, fed_funds or none."),
        count("n_pairs", "Strikes used for the forward: call and put both two-sided."),
        count("n_quotes", "Quotes the smile was fitted to."),
        number("svi_a", "Raw SVI a, total variance; null if no smile was accepted (status says why)."),
        number("svi_b", "Raw SVI b."),
        number("svi_rho", "Raw SVI rho.", low=-1.0, high=1.0),
        number("svi_m", "Raw SVI m, log-moneyness."),
        number("svi_sigma", "Raw SVI sigma."),
        number("rmse_vol_points", "Root mean square misfit of the mid vols, vol points (x 100)."),
        number("share_inside_spread", "Share of fitted quotes whose fitted vol lies within bid and ask vol, decimal.", low=0.0, high=1.0),
        number("min_g", "Least value of Gatheral's g over the whole line; negative means butterfly arbitrage."),
        number("calendar_gap", "Least total variance above the slice before of like settlement; negative means a crossing."),
        number("model_free_variance", "Annualized variance of Cboe's strip of the slice's quotes, decimal."),
        text("status", "What the smile fit came to: fitted, repaired, or why it was refused."),
    ),
)  # fmt: skip

OPTION_ANALYTICS = Table(
    "feature", "option_analytics", "one row per option of the session's snapshot",
    ("session_date", "root", "expiration", "strike", "option_type"),
    (
        _SESSION, _OPTION_ROOT, _EXPIRATION, _STRIKE, _OPTION_TYPE,
        number("mid", "(bid + ask)/2, points; null without an offer."),
        number("implied_vol_bid", "Black-76 vol of the bid, decimal; null where the price has none."),
        number("implied_vol_mid", "Black-76 vol of the mid, decimal; null where the price has none (iv_status says why)."),
        number("implied_vol_ask", "Black-76 vol of the ask, decimal; null where the price has none."),
        text("iv_status", "ok, no_bid, crossed, below_intrinsic, above_maximum, expired, price_determines_no_vol or missing, of the mid."),
        number("log_moneyness", "ln(strike/forward)."),
        number("delta", "dV/dF, points per point: forward delta times the discount factor; null without a mid vol."),
        number("delta_spot", "Delta times forward/spot; null without a spot."),
        number("gamma", "d delta/dF, per point."),
        number("vega", "dV per 0.01 of vol, points."),
        number("theta", "V a calendar day later less V, at fixed forward, vol and rate, points."),
        number("vanna", "d delta per 0.01 of vol."),
        number("volga", "d vega per 0.01 of vol, points."),
        number("extrinsic", "Mid less discounted intrinsic value, points."),
        number("theta_per_gamma", "theta/gamma."),
        number("fitted_vol", "Vol of the slice's smile at the strike, decimal; null without a smile."),
        number("fitted_price", "Black-76 price at fitted_vol, points; null without a smile."),
    ),
    partition="session",
)  # fmt: skip

VARIANCE_DAILY = Table(
    "feature", "variance_daily", "one row per session with an SPX chain that has both VIX terms", ("session_date",),
    (
        _SESSION,
        number("vix_replicated", "VIX by Cboe's method from the session's chain, points; null if its variance is negative."),
        number("vix_published", "VIX close as published, points; null if missing."),
        number("vix_gap", "vix_replicated - vix_published, points."),
        text("rate_source", "Curve the terms were discounted with."),
        text("near_root", "Root of the near term."),
        Column("near_expiration", DATE, "Expiration of the near term."),
        number("near_minutes", "Minutes from the quotes to the near settlement."),
        number("near_rate", "Rate of the near term, decimal, continuously compounded."),
        number("near_variance", "Annualized variance of the near term, decimal."),
        number("near_forward", "Forward of the near term by Cboe's rule, points."),
        count("near_n_strikes", "Strikes in the near strip."),
        text("next_root", "Root of the next term."),
        Column("next_expiration", DATE, "Expiration of the next term."),
        number("next_minutes", "Minutes from the quotes to the next settlement."),
        number("next_rate", "Rate of the next term, decimal, continuously compounded."),
        number("next_variance", "Annualized variance of the next term, decimal."),
        number("next_forward", "Forward of the next term by Cboe's rule, points."),
        count("next_n_strikes", "Strikes in the next strip."),
    ),
)  # fmt: skip

SURFACE_DAILY = Table(
    "feature", "surface_daily", "one row per session with SPX smiles and tenor", ("session_date", "tenor_days"),
    (
        _SESSION,
        Column("tenor_days", I64, "30, 60, 90 or 180 calendar days.", nullable=False, low=1),
        number("forward", "Forward at the tenor, points."),
        number("atm_vol", "At-the-money-forward vol, decimal, linear in total variance; null if no smile lies on one side of the tenor."),
        number("put_25d_vol", "Vol of the 25-delta put (forward delta), decimal."),
        number("call_25d_vol", "Vol of the 25-delta call, decimal."),
        number("risk_reversal_25d", "put_25d_vol - call_25d_vol, decimal."),
        number("butterfly_25d", "Mean of both less atm_vol, decimal."),
        number("rank_252d", "(x - min)/(max - min) of atm_vol over the previous 252 values, clipped to [0, 1]; null until there are so many."),
        number("percentile_252d", "Share of the previous 252 values strictly below, decimal; null until there are so many."),
        number("realized_vol_21d", "Close-to-close vol of the SPX over 21 sessions, annualized, decimal."),
        number("realized_vol_yang_zhang_21d", "Yang-Zhang vol over 21 sessions, annualized, decimal; null before 2008."),
        number("variance_risk_premium", "atm_vol^2 - realized_vol_21d^2, contemporaneous, decimal."),
        number("vol_risk_premium", "atm_vol - realized_vol_21d, decimal."),
        number("expected_move", "One standard deviation to the tenor, points."),
        number("expected_move_1d", "One standard deviation over a session, points."),
    ),
)  # fmt: skip

BOX_CURVE = Table(
    "feature", "box_curve", "one row per root and expiration whose discount factor executable quotes bound", ("session_date", "root", "expiration"),
    (
        _SESSION, _OPTION_ROOT, _EXPIRATION,
        number("time_to_expiry", "Years to settlement, ACT/365 by minutes."),
        number("lending_rate", "Rate earned by buying the dearest executable box, -ln(discount_high)/time_to_expiry, decimal, continuously compounded; null if unbounded."),
        number("borrowing_rate", "Rate paid by selling the cheapest executable box, -ln(discount_low)/time_to_expiry; null if unbounded."),
        number("treasury_rate", "Treasury zero rate of the tenor, decimal, continuously compounded; null if missing."),
        number("loan_rate", "The account's margin loan rate, decimal; null if not stated."),
        number("mid_less_treasury", "zero_rate of the slice less treasury_rate, decimal."),
        Column("is_unusual", BOOL, "True if that lies outside -10 to +60 basis points beyond 90 days; null where it does not apply."),
    ),
)  # fmt: skip

VARIANCE_TRIANGLE = Table(
    "feature", "variance_triangle", "one row per session and VIX expiration", ("session_date", "expiration"),
    (
        _SESSION, _EXPIRATION,
        count("days_to_expiry", "Calendar days to the VIX expiration."),
        number("vx", "VX settlement, points; null if missing."),
        number("spx_forward_variance", "SPX forward variance over the 30 days after the expiration, annualized, decimal, strips extended by fitted wings; null where a leg is missing or the bracket is wider than 3 days."),
        number("spx_forward_variance_strip", "The same from Cboe's strips alone."),
        number("truncation_estimate", "Vol points by which the strip may fall short of the whole variance."),
        number("vix_forward", "Forward of the VIX options by parity, points; null without a VIX slice."),
        number("vix_second_moment", "E[VIX squared] from VIX options, points squared; null without a VIX slice."),
        number("vix_option_variance", "vix_second_moment less vix_forward squared, points squared."),
        number("convexity", "SPX forward variance (as points squared) less vx squared, points squared."),
        number("gap_vol_points", "Square root of the forward variance (points) less vx, points; negative beyond the tolerance violates Jensen's bound."),
        number("bracket_days", "Days between the 30-day leg wanted and the slices that bracket the near leg."),
        number("clock_gap_minutes", "Minutes between the option snapshot and the VX settlement."),
    ),
)  # fmt: skip

MISPRICING_KINDS = ("conversion", "reversal", "box_rate", "vertical", "butterfly", "calendar", "surface_residual", "vix_parity", "forward_variance")

MISPRICING = Table(
    "mart", "mispricing", "one row per session and finding", ("session_date", "finding_id"),
    (
        _SESSION,
        text("finding_id", "Hash of kind, legs and sides: the same while the finding lasts.", nullable=False),
        text("kind", "What is found; METHOD section 5.", nullable=False, allowed=MISPRICING_KINDS),
        text("root", "Option class.", nullable=False),
        _EXPIRATION,
        number("edge_points", "Profit of the portfolio at the prices used, index points, before fees; for an indicative kind the distance from fair."),
        number("edge_dollars", "Profit after fees at the size at the touch, dollars; null for indicative kinds and unknown sizes."),
        number("edge_in_half_spreads", "edge_points over the sum of the legs' half-spreads."),
        count("capacity_contracts", "Packages the sizes at the touch allow; null if a size is unknown."),
        text("confidence", "executable, conditional or indicative.", nullable=False, allowed=("executable", "conditional", "indicative")),
        number("z_score", "Against the finding's own bucket history; null where it has none."),
        number("vol_points", "Misfit in vol points for surface_residual; null else."),
        Column("from_flagged_quotes", BOOL, "True if a leg's quote is doubtful (non-regular snapshot, crossed neighbors or in the minimal set to doubt).", nullable=False),
        Column("first_seen", DATE, "Session on which the finding was first seen.", nullable=False),
        count("sessions_open", "Consecutive sessions it has been open, today included."),
        text("note", "What the finding rests on: assumption, clock gap, or why it is doubted."),
    ),
)  # fmt: skip

MISPRICING_LEG = Table(
    "mart", "mispricing_leg", "one row per leg of a finding", ("session_date", "finding_id", "leg"),
    (
        _SESSION,
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
        _SESSION,
        text("finding_id", "The finding.", nullable=False),
        text("kind", "Its kind.", nullable=False),
        text("status", "open (found again) or closed.", nullable=False, allowed=("open", "closed")),
        number("exit_edge_dollars", "What the package would have earned if put on at the prices found and taken off at today's executable ones, dollars after fees; null if a leg has no quote."),
    ),
)  # fmt: skip

DETECTOR_RECORD = Table(
    "mart", "detector_record", "one row per session and kind", ("session_date", "kind"),
    (
        _SESSION,
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
        _SESSION,
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
        _SESSION,
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
        text("kind", "note (written by the user); others are written by the program.", nullable=False),
        text("decision_id", "Decision the entry is about; null for a note."),
        text("refers_to", "Entry this one corrects or continues; null if none."),
        text("evidence", "Rows the entry rests on, frozen, JSON; null for a note."),
        text("prices", "Prices at the time, JSON; null for a note."),
        text("note", "What the user wrote; null for an entry of the program."),
        Column("written_at", TS, "When it was written, UTC.", nullable=False),
    ),
    partition="none", session_column=None,
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

TABLES: tuple[Table, ...] = (
    LANDED_FILE, OPTION_QUOTE, FUTURES_SETTLEMENT, INDEX_LEVEL, MARKET_BREADTH, TREASURY_RATE, ECONOMIC_EVENT,
    SETTLEMENT_VALUE, ACCOUNT_STATE, REJECTED_ROW, TERM_STRUCTURE, CURVE_DAILY, MOMENTUM_DAILY,
    MEAN_REVERSION_DAILY, VOL_OF_VOL_DAILY, SLICE, OPTION_ANALYTICS, VARIANCE_DAILY, SURFACE_DAILY,
    BOX_CURVE, VARIANCE_TRIANGLE, MISPRICING, MISPRICING_LEG, MISPRICING_OUTCOME, DETECTOR_RECORD, SIGNAL_DAILY, DATA_QUALITY, JOURNAL, RUN,
)  # fmt: skip

BY_NAME: dict[str, Table] = {table.full_name: table for table in TABLES}


def partition_of(table: Table) -> Partition:
    """Return how snapshots of `table` are cut: "session", "year" or "none"."""
    return table.partition if table.session_column else "none"
