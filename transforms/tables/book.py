"""The tables of the book: orders, fills, positions, their daily marks, the engines and the account (METHOD section 9).

Signs: a quantity is positive where bought; cash is positive where received. Dollars unless a meaning says points.
"""

from transforms.table_schema import Column, Table
from transforms.tables.columns import (
    BOOL,
    DATE,
    EXPIRATION,
    F64,
    I64,
    OPTION_ROOT,
    OPTION_TYPE,
    SESSION,
    SOURCE,
    STRIKE,
    count,
    number,
    text,
)

ENGINES = ("condor", "second")
BOOKS = ("paper", "held")
POSITION_EVENTS = ("opened", "widened", "tightened", "reduced", "settled", "closed")
ORDER_STATUSES = ("filled", "waiting", "cancelled")
POSITION_STRUCTURES = ("iron_condor", "backspread", "front_ratio", "diagonal", "other")

_POSITION = text("position_id", "The position.", nullable=False)
_ENGINE = text("engine", "condor (first engine) or second.", nullable=False, allowed=ENGINES)
_BOOK = text("book", "paper (filled by this program's rule) or held (the user's own).", nullable=False, allowed=BOOKS)
_LEG = Column("leg", I64, "Number of the leg: 1, 2, ... in the order in which legs came to the position.", nullable=False, low=1)  # fmt: skip

_ATTRIBUTION = (
    number("pnl", "Change of equity over the session, dollars: the sum of the columns delta to interest."),
    number("pnl_delta", "Delta of the session before times the change of the forward (VX for VIX options), dollars."),
    number("pnl_gamma", "Half of gamma times the squared change of the forward, dollars."),
    number("pnl_vega", "Vega times the change of the fitted vol at the strike, dollars."),
    number("pnl_theta", "Theta times the calendar days between the sessions, dollars."),
    number("pnl_slippage", "Fill prices against the mids of the fills, dollars."),
    number("pnl_residual", "What the terms above do not explain, dollars."),
    number("pnl_fees", "Fees paid, dollars, negative."),
)

HELD_POSITION = Table(
    "core", "held_position", "one row per position the user holds or held, and leg", ("position_id", "leg"),
    (
        text("position_id", "The user's name of the position.", nullable=False),
        _LEG, _ENGINE, OPTION_ROOT, EXPIRATION, STRIKE, OPTION_TYPE,
        Column("quantity", I64, "Contracts, positive where bought.", nullable=False),
        Column("opened_on", DATE, "Session in which it was opened.", nullable=False),
        Column("entry_price", F64, "Price paid or received, points.", nullable=False, low=0.0),
        Column("closed_on", DATE, "Session in which it was closed; null while open or held to settlement."),
        number("exit_price", "Price at which it was closed, points; null while open.", low=0.0),
        number("fees", "Fees paid so far, dollars; null if not given.", low=0.0),
        SOURCE,
    ),
    partition="none", session_column=None,
)  # fmt: skip

ORDER_STATUS = Table(
    "mart", "order_status", "one row per session and order that stood for it", ("session_date", "decision_id"),
    (
        SESSION,
        text("decision_id", "Decision the order comes from.", nullable=False),
        Column("decided_on", DATE, "Session of the decision.", nullable=False),
        text("position_id", "Position opened or changed by it."),
        text("status", "filled, waiting (a leg had no two-sided quote: one session more) or cancelled.", nullable=False, allowed=ORDER_STATUSES),
        text("reason", "Which leg had no two-sided quote; null if filled."),
    ),
)  # fmt: skip

FILL = Table(
    "mart", "fill", "one row per leg filled", ("session_date", "decision_id", "leg"),
    (
        SESSION,
        text("decision_id", "Decision the fill comes from.", nullable=False),
        Column("leg", I64, "Number of the leg in the decision's package.", nullable=False, low=1),
        _POSITION, _ENGINE, OPTION_ROOT, EXPIRATION, STRIKE, OPTION_TYPE,
        Column("quantity", I64, "Contracts, positive where bought.", nullable=False),
        Column("bid", F64, "Bid at the fill, points.", nullable=False, low=0.0),
        Column("ask", F64, "Ask at the fill, points.", nullable=False, low=0.0),
        Column("price", F64, "mid + fill_slippage x half-spread where bought, - where sold, points.", nullable=False),
        Column("slippage", F64, "100 x quantity x (mid - price), dollars, negative.", nullable=False),
        Column("fee", F64, "Fees of the leg, dollars.", nullable=False, low=0.0),
        Column("cash", F64, "-100 x quantity x price - fee, dollars.", nullable=False),
    ),
)  # fmt: skip

POSITION = Table(
    "mart", "position", "one row per position, as it was opened", ("position_id",),
    (
        _POSITION, SESSION, _BOOK, _ENGINE,
        text("structure", "iron_condor, backspread, front_ratio, diagonal or other.", nullable=False, allowed=POSITION_STRUCTURES),
        text("root", "Option class of its legs.", nullable=False),
        EXPIRATION,
        Column("contracts", I64, "Packages opened.", nullable=False, low=1),
        text("decision_id", "Decision that opened it; null for a held position."),
        text("rolled_from", "Layer it was moved from (time-shifting); null if it was opened anew."),
        text("stands_against", "Condor a layer was opened against; null for a condor or if there was none."),
        number("entry_credit", "Credit at the fill prices, points a package; negative if paid."),
        number("max_profit", "Most it could earn at expiration, points a package before fees; null if unlimited or of several expirations."),
        number("max_loss", "Most it could lose at expiration, points a package before fees; null if unlimited or of several expirations.", low=0.0),
        number("margin", "Strategy-based margin before credit, dollars; null if it needs a VIX level that is missing.", low=0.0),
        number("capital_at_risk", "100 x max_loss x contracts plus opening fees, dollars; null if unlimited.", low=0.0),
        Column("fees", F64, "Fees of opening it, dollars.", nullable=False, low=0.0),
    ),
)  # fmt: skip

POSITION_LEG = Table(
    "mart", "position_leg", "one row per leg that ever belonged to a position", ("position_id", "leg"),
    (
        _POSITION, _LEG,
        Column("session_date", DATE, "Session in which the leg came to the position.", nullable=False),
        OPTION_ROOT, EXPIRATION, STRIKE, OPTION_TYPE,
        Column("quantity", I64, "Contracts, positive where bought.", nullable=False),
        Column("entry_price", F64, "Price of the fill, points.", nullable=False, low=0.0),
    ),
)  # fmt: skip

POSITION_EVENT = Table(
    "mart", "position_event", "one row per session, position and what happened to it", ("session_date", "position_id", "event"),
    (
        SESSION, _POSITION,
        text("event", "opened, widened, tightened, reduced, settled (some legs, or all) or closed (no leg is left).", nullable=False, allowed=POSITION_EVENTS),
        text("decision_id", "Decision it comes from; null for a settlement."),
        Column("cash", F64, "Cash received, fees taken off, dollars.", nullable=False),
        Column("fees", F64, "Fees in it, dollars.", nullable=False, low=0.0),
        text("detail", "Legs, prices, settlement values and whether they are exact.", nullable=False),
    ),
)  # fmt: skip

POSITION_DAILY = Table(
    "mart", "position_daily", "one row per session and position open in it (its last session included)", ("session_date", "position_id"),
    (
        SESSION, _POSITION, _BOOK, _ENGINE,
        count("days_to_expiry", "Calendar days to the nearest expiration of an open leg; null once closed."),
        Column("is_open", BOOL, "True if a leg is left at the end of the session.", nullable=False),
        Column("mark", F64, "Value of the open legs, dollars, negative where it costs to close.", nullable=False),
        text("mark_source", "mid (all legs two-sided), fitted (a leg marked by the smile) or carried (a leg keeps the session before's mark: no chain).", nullable=False, allowed=("mid", "fitted", "carried")),
        *_ATTRIBUTION,
        Column("pnl_total", F64, "Since it was opened, dollars.", nullable=False),
        number("profit_share", "pnl_total over the maximum profit less opening fees, decimal; null if unlimited."),
        number("loss_multiple", "-pnl_total over the credit taken in, ratio; null without a credit."),
        number("delta", "Dollars per point of the forward."),
        number("gamma", "Dollars per point per point of the forward."),
        number("vega", "Dollars per 0.01 of vol."),
        number("theta", "Dollars per calendar day."),
        number("zone", "Condors: where SPX stands between the short strikes: 1 center, 0 at a strike, negative outside; null for others."),
        number("distance_to_long_strike", "Layers: long strike less the VX of the expiration, points; null for others."),
        number("max_loss", "Most it can still lose at expiration from entry, dollars, adjustments included; null if unlimited.", low=0.0),
        number("margin", "Strategy-based margin, dollars; null if it needs a VIX level that is missing.", low=0.0),
        number("capital_at_risk", "max_loss plus fees paid, dollars; null if unlimited.", low=0.0),
    ),
)  # fmt: skip

ENGINE_DAILY = Table(
    "mart", "engine_daily", "one row per session and engine, both together as a third", ("session_date", "engine"),
    (
        SESSION,
        text("engine", "condor, second or both.", nullable=False, allowed=("condor", "second", "both")),
        *_ATTRIBUTION,
        number("pnl_interest", "Interest on the engine's cash, dollars: at the margin loan rate where the account's cash is negative, else at credit_rate."),
        Column("equity", F64, "Cumulative pnl since the book began, dollars.", nullable=False),
        Column("cash", F64, "Cumulative cash of the engine, dollars.", nullable=False),
        number("delta", "Dollars per point of the forward."),
        number("gamma", "Dollars per point per point of the forward."),
        number("vega", "Dollars per 0.01 of vol."),
        number("theta", "Dollars per calendar day."),
        number("margin", "Strategy-based margin of what is open, dollars; null if one needs a VIX level that is missing.", low=0.0),
        number("capital_at_risk", "Capital at risk of what is open, dollars; null if unlimited.", low=0.0),
        count("n_open", "Positions open at the end of the session.", nullable=False),
        number("correlation_20d", "Correlation of the two engines' daily pnl over 20 sessions; on the row both; null if either did not move.", low=-1.000001, high=1.000001),
        number("correlation_60d", "The same over 60 sessions.", low=-1.000001, high=1.000001),
    ),
)  # fmt: skip

ENGINE_STATISTICS = Table(
    "mart", "engine_statistics", "one row per session of the book", ("session_date",),
    (
        SESSION,
        number("offset_ratio", "-P&L of the second engine over P&L of the first, over the condor drawdown in force or the last one that ended, ratio; null until there was one."),
        Column("offset_from", DATE, "First session of that drawdown."),
        Column("offset_to", DATE, "Last session of it so far."),
        number("irr_condor", "XIRR of the condors' margin and cash flows to date, open positions closed at their marks, decimal a year (ACT/365); null without a sign change or with several roots."),
        number("irr_both", "The same of both engines over the same dates."),
        text("irr_roots", "All roots where there are several, JSON by name; null else."),
        number("wacc", "Weighted cost of capital with premium and box rates, decimal a year; null if an input is missing."),
        number("wacc_alternative", "The same capital and debt at the margin loan rate."),
        number("coverage_gap_days", "Expiration of the nearest open condor less that of the nearest open layer, days; null unless both are open."),
        number("theta_overlap", "Second engine's theta over the condors', ratio: positive where both earn from time; null unless both are open."),
        number("theta_both", "Theta of both engines, dollars a day."),
        Column("ledger_balance", F64, "What the second engine has taken in and not spent: realized credit and gains less what paid for adjustments, dollars.", nullable=False),
        number("residual_share", "Sum of |residual| over sum of |every term| of the positions' attribution to date, decimal; null before any."),
        number("adjustments_proposed", "Cost of all adjustments acted on to date, dollars."),
        number("adjustments_funded", "Part of it the ledger paid, dollars."),
    ),
)  # fmt: skip

ACCOUNT_DAILY = Table(
    "mart", "account_daily", "one row per session of the book", ("session_date",),
    (
        SESSION,
        number("equity", "Equity: as stated, plus the paper book's P&L since, dollars; null until stated."),
        number("cash", "Cash: as stated, plus the paper book's cash flows since, dollars; null until stated."),
        number("marketable_securities", "As stated, dollars.", low=0.0),
        number("receivables", "As stated, dollars.", low=0.0),
        number("current_liabilities", "As stated, dollars.", low=0.0),
        number("margin_loan_rate", "As stated, decimal a year.", low=0.0, high=0.5),
        Column("stated_on", DATE, "Session of the statement in force; null for the settings' or none."),
        number("restated", "Equity stated on this session less what the book made it, dollars; 0 without a statement."),
        number("margin", "Margin of everything open, dollars.", low=0.0),
        number("open_max_loss", "Worst loss of everything open, added up, dollars; null if one is unlimited.", low=0.0),
        number("quick_ratio", "(cash + securities + receivables)/(liabilities + margin); null if unknown or infinite."),
    ),
)  # fmt: skip

LIMIT_SLACK = Table(
    "mart", "limit_slack", "one row per session, trade considered and limit", ("session_date", "engine", "limit_name"),
    (
        SESSION, _ENGINE,
        text("limit_name", "layer_share, trade_risk, book_risk, quick_ratio or size_at_touch.", nullable=False),
        text("candidate_id", "Candidate that was sized."),
        count("contracts", "Packages all limits allow together.", nullable=False),
        number("measured", "The limit's measure after that many: decimal share of equity or of condor risk, ratio, or contracts; null if an input is missing."),
        number("threshold", "What it is held against, in the same unit; null for a size at the touch that is not given."),
        number("slack", "How far it is from it, in the same unit; negative where it fails even without the trade."),
        count("largest", "Packages this limit alone would allow; null where it sets no bound."),
        Column("is_binding", BOOL, "True for the limit that kept the contracts from being more.", nullable=False),
        text("reason", "What is missing; null else."),
    ),
)  # fmt: skip

REPLAY_DAILY = Table(
    "mart", "replay_daily", "one row per session, book and variant replayed", ("session_date", "book", "variant"),
    (
        SESSION,
        text("book", "condor, second or both.", nullable=False, allowed=("condor", "second", "both")),
        text("variant", "Variant of the settings that was replayed; default for the settings as they are.", nullable=False),
        number("pnl", "P&L of the session, dollars."),
        number("equity", "Cumulative P&L since the replay began, dollars."),
    ),
)  # fmt: skip

BOOK_TABLES: tuple[Table, ...] = (
    ORDER_STATUS, FILL, POSITION, POSITION_LEG, POSITION_EVENT, POSITION_DAILY, ENGINE_DAILY, ENGINE_STATISTICS,
    ACCOUNT_DAILY, LIMIT_SLACK, REPLAY_DAILY,
)  # fmt: skip
