"""The tables of the two engines: candidates, what the filters removed, scenarios. Units as in transforms/schemas.py."""

from transforms.table_schema import Column, Table
from transforms.tables.columns import BOOL, DATE, EXPIRATION, F64, I64, SESSION, count, number, text

_RANK = Column("rank", I64, "1 for the best candidate of the session.", nullable=False, low=1)

CONDOR_CANDIDATE = Table(
    "mart", "condor_candidate", "one row per session and iron condor kept, best first", ("session_date", "candidate_id"),
    (
        SESSION,
        text("candidate_id", "Root, expiration and strikes from low to high.", nullable=False),
        text("root", "SPX or SPXW.", nullable=False, allowed=("SPX", "SPXW")),
        EXPIRATION,
        Column("days_to_expiry", I64, "Calendar days from the session to expiration.", nullable=False, low=0),
        Column("put_long", F64, "Strike of the long put, points.", nullable=False, low=0.0),
        Column("put_short", F64, "Strike of the short put, points.", nullable=False, low=0.0),
        Column("call_short", F64, "Strike of the short call, points.", nullable=False, low=0.0),
        Column("call_long", F64, "Strike of the long call, points.", nullable=False, low=0.0),
        number("put_short_delta", "Delta of the short put (forward delta times the discount factor), negative."),
        number("call_short_delta", "Delta of the short call, positive."),
        number("credit_mid", "Credit at the mids, points a condor."),
        number("credit_natural", "Credit at natural prices: short at the bid, long at the ask, points a condor."),
        number("max_profit", "Most it can earn, points before fees: credit_natural."),
        number("max_loss", "Most it can lose, points before fees: wider wing less credit_natural.", low=0.0),
        number("break_even_low", "Settlement value below which it loses, points; null if the put side never loses."),
        number("break_even_high", "Settlement value above which it loses, points; null if the call side never loses."),
        number("probability_of_profit", "Chance of settling between the break-evens under the smile's risk-neutral law, decimal.", low=-1e-6, high=1.000001),
        number("probability_of_profit_physical", "The same with variance scaled by the trailing ratio of realized to implied variance; null without that ratio.", low=-1e-6, high=1.000001),
        number("expected_value", "credit_natural less the discounted expected payout under the smile's risk-neutral law, points before fees."),
        number("expected_value_physical", "The same under the physical law; null without a variance ratio."),
        number("delta", "Delta of one condor, points per point of the forward."),
        number("gamma", "Gamma of one condor, per point; null where a leg's mid has no vol."),
        number("vega", "Change per 0.01 of vol, points; null where a leg's mid has no vol."),
        number("theta", "Change per calendar day, points; null where a leg's mid has no vol."),
        number("spread_cost_ratio", "(credit_mid - credit_natural)/credit_mid: share of the credit that crossing the spreads costs, decimal."),
        count("size_at_touch", "Contracts (condors) that the sizes at bid and ask allow; null if a size is unknown."),
        number("margin", "Strategy-based margin before credit, dollars a condor: 100 x wider wing.", low=0.0),
        number("portfolio_margin", "Estimate: largest loss over ten moves of the index from -8 % to +6 %, dollars a condor; null if a leg has no vol.", low=0.0),
        number("capital_at_risk", "100 x max_loss plus opening fees, dollars a condor.", low=0.0),
        number("return_on_margin", "100 x credit_natural/margin, decimal."),
        number("score", "Expected value under the law chosen by score_density over max_loss, decimal; more is better."),
        _RANK,
    ),
)  # fmt: skip

STRUCTURES = ("backspread", "front_ratio", "diagonal")

RATIO_SPREAD_CANDIDATE = Table(
    "mart", "ratio_spread_candidate", "one row per session and VIX call ratio spread kept, best first",
    ("session_date", "candidate_id"),
    (
        SESSION,
        text("candidate_id", "Structure, ratio, expirations and strikes.", nullable=False),
        text("root", "VIX or VIXW.", nullable=False, allowed=("VIX", "VIXW")),
        text("structure", "backspread (short 1, long N), front_ratio (long 1, short N) or diagonal (short 1, long N a month later).", nullable=False, allowed=STRUCTURES),
        EXPIRATION,
        Column("far_expiration", DATE, "Expiration of the far legs of a diagonal; null else."),
        Column("month", I64, "Rank of the expiration in the monthly VX calendar.", nullable=False, low=1),
        number("future", "VX settlement of the expiration, points."),
        Column("ratio", I64, "N: contracts on the side that has more.", nullable=False, low=2),
        Column("short_strike", F64, "Strike of the calls sold, points.", nullable=False, low=0.0),
        Column("long_strike", F64, "Strike of the calls bought, points.", nullable=False, low=0.0),
        number("credit_natural", "Credit at natural prices, points a structure; negative if it costs."),
        number("credit_mid", "Credit at the mids, points a structure."),
        number("credit", "Credit by credit_rule, on which the figures below rest, points a structure."),
        number("credit_intrinsic", "Part of credit that is discounted intrinsic value at the future, points."),
        number("credit_time", "Part of credit that is time value, points."),
        number("max_loss", "Most it can lose at expiration, points before fees; null if unlimited.", low=0.0),
        number("max_loss_level", "VIX at which it loses most, points; null if unlimited."),
        number("break_even_low", "VIX above which it loses, points; null if it loses from 0 on or only above break_even_high."),
        number("break_even_high", "Upper break-even, points."),
        number("break_even_above_future", "break_even_high - future, points."),
        number("dead_zone_low", "Lower end of the stretch of VIX in which it loses at expiration, points."),
        number("dead_zone_high", "Upper end of that stretch, points; null if it has none."),
        Column("gains_in_tail", BOOL, "True if its profit rises without limit above the last strike: only such a structure is a hedge.", nullable=False),
        number("short_delta", "Delta of one call sold."),
        number("delta", "Delta of one structure, points per point of the future."),
        number("gamma", "Gamma of one structure, per point."),
        number("vega", "Change per 0.01 of vol, points a structure."),
        number("theta", "Change per calendar day, points a structure."),
        count("size_at_touch", "Contracts (structures) that the sizes at bid and ask allow; null if a size is unknown."),
        number("margin", "Strategy-based margin before credit, dollars a structure; null if it needs a VIX level that is missing.", low=0.0),
        number("portfolio_margin", "Estimate: largest loss over moves of the future by up to 20 %, dollars a structure; null if a leg has no vol.", low=0.0),
        number("capital_at_risk", "100 x max_loss plus opening fees, dollars a structure; null if unlimited.", low=0.0),
        number("offset_vix_move", "Least rise of VIX, points, whose gain offsets 60 % of the condor's loss at the SPX move that goes with it; null without a condor or if it never does."),
        number("score", "Loss in the dead zone (max_loss) per point of vega; less is better; null if unlimited or without positive vega."),
        _RANK,
    ),
)  # fmt: skip

RATIO_SPREAD_SCENARIO = Table(
    "mart", "ratio_spread_scenario", "one row per session, ratio-spread candidate, horizon and VIX move",
    ("session_date", "candidate_id", "horizon", "vix_move"),
    (
        SESSION,
        text("candidate_id", "The candidate.", nullable=False),
        text("horizon", "now, 5_days, 10_days (calendar) or expiration.", nullable=False, allowed=("now", "5_days", "10_days", "expiration")),
        Column("vix_move", F64, "Change of the VIX, points.", nullable=False),
        number("future", "VX of the expiration in the scenario, points: along today's curve as time passes, moved by its beta; at expiration the VIX itself."),
        number("profit", "Profit of one structure opened at `credit`, points before fees; null if a leg has no vol."),
    ),
    partition="session",
)  # fmt: skip

CANDIDATE_FUNNEL = Table(
    "mart", "candidate_funnel", "one row per session, engine and filter", ("session_date", "engine", "filter"),
    (
        SESSION,
        text("engine", "condor or second.", nullable=False, allowed=("condor", "second")),
        text("filter", "What is asked of a candidate.", nullable=False),
        Column("step", I64, "Rank of the filter in the order in which they are asked, from 1.", nullable=False, low=1),
        count("n_in", "Count of candidates before it; for the first filter all that could be written.", nullable=False),
        count("n_out", "Count of candidates that pass it.", nullable=False),
    ),
)  # fmt: skip

TAIL_SCENARIO = Table(
    "mart", "tail_scenario", "one row per session, subject, horizon and joint move of VIX and SPX",
    ("session_date", "subject", "horizon", "vix", "spx_return"),
    (
        SESSION,
        text("subject", "A candidate_id, a position_id, an engine or book.", nullable=False),
        text("horizon", "instant, or expiration (of the VIX layer).", nullable=False, allowed=("instant", "expiration")),
        Column("vix", F64, "VIX in the scenario, points.", nullable=False, low=1.0),
        Column("spx_return", F64, "SPX return in the scenario, decimal.", nullable=False, low=-1.0),
        Column("is_pair", BOOL, "True for the four pairs of the tail table: (30, -5 %), (40, -10 %), (60, -20 %), (80, -30 %).", nullable=False),
        number("value", "Change of the subject's value against tonight's fitted prices, dollars; null if a leg cannot be priced."),
    ),
    partition="session",
)  # fmt: skip

ENGINE_TABLES: tuple[Table, ...] = (
    CONDOR_CANDIDATE, RATIO_SPREAD_CANDIDATE, RATIO_SPREAD_SCENARIO, CANDIDATE_FUNNEL, TAIL_SCENARIO,
)  # fmt: skip
