"""Features: what is computed from core, cross-section and through time."""

from transforms.table_schema import Column, Table
from transforms.tables.columns import (
    BOOL,
    DATE,
    EXPIRATION,
    I64,
    OPTION_ROOT,
    OPTION_TYPE,
    SESSION,
    STRIKE,
    count,
    number,
    text,
)

TERM_STRUCTURE = Table(
    "feature", "term_structure", "one row per session and rank of the monthly VX calendar", ("session_date", "rank"),
    (
        SESSION,
        Column("rank", I64, "1 for the nearest monthly expiration after the session, 2 for the next, ...", nullable=False, low=1, high=12),
        EXPIRATION,
        Column("days_to_expiry", I64, "Calendar days from the session to expiration.", nullable=False, low=0),
        number("settle", "Settlement, points; null if no landed file holds the contract on that session."),
        text("missing_reason", "missing_contract where settle is null.", allowed=("missing_contract",)),
    ),
)  # fmt: skip

CURVE_DAILY = Table(
    "feature", "curve_daily", "one row per session with VX data", ("session_date",),
    (
        SESSION,
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
        SESSION,
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
        SESSION,
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
        SESSION,
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
        SESSION, OPTION_ROOT, EXPIRATION,
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
        SESSION, OPTION_ROOT, EXPIRATION, STRIKE, OPTION_TYPE,
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
        SESSION,
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
        SESSION,
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
        SESSION, OPTION_ROOT, EXPIRATION,
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
        SESSION, EXPIRATION,
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

RESIDUAL_BUCKET_DAILY = Table(
    "feature", "residual_bucket_daily", "one row per session, root, delta bucket and tenor bucket with residuals",
    ("session_date", "root", "delta_bucket", "dte_bucket"),
    (
        SESSION, OPTION_ROOT,
        text("delta_bucket", "Range of delta, points per point.", nullable=False),
        text("dte_bucket", "Range of days to expiration.", nullable=False),
        count("n_quotes", "Quotes in the bucket.", nullable=False),
        number("sum_residual", "Sum of the residuals (mid less fitted price), half-spreads."),
        number("sum_squared_residual", "Sum of their squares, half-spreads squared."),
    ),
)  # fmt: skip

DISLOCATION_DAILY = Table(
    "feature", "dislocation_daily", "one row per session with SPX slices", ("session_date",),
    (
        SESSION,
        number("parity_width", "Median width of the forward's no-arbitrage interval over the forward, SPX slices of 7 to 180 days, basis points; null if none has an interval."),
        number("parity_width_percentile_252d", "Share of the previous 252 sessions strictly below, decimal; null in warm-up.", low=0.0, high=1.0),
        number("residual_dispersion", "Root mean square misfit of SPX quotes to the smile, half-spreads; null without residuals."),
        number("residual_dispersion_percentile_252d", "Share of the previous 252 sessions strictly below, decimal; null in warm-up.", low=0.0, high=1.0),
        count("n_executable_locks", "Findings of confidence executable that do not rest on doubtful quotes.", nullable=False),
    ),
)  # fmt: skip
