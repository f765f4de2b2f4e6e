"""Core: what the vendors delivered, validated; quarantine: what was refused."""

from transforms.table_schema import Column, PairRule, RangeRule, Table
from transforms.tables.columns import (
    BOOL,
    DATE,
    EXPIRATION,
    F64,
    I64,
    OPTION_ROOT,
    OPTION_TYPE,
    SESSION,
    SNAPSHOT_KINDS,
    SOURCE,
    STRIKE,
    TS,
    count,
    number,
    text,
)

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
        SESSION, OPTION_ROOT, EXPIRATION, STRIKE, OPTION_TYPE,
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
        SOURCE,
    ),
    partition="session",
    rules=(PairRule("crossed", larger="ask", smaller="bid"),),
)  # fmt: skip

FUTURES_SETTLEMENT = Table(
    "core", "futures_settlement", "one row per VX contract and session", ("session_date", "root", "expiration"),
    (
        SESSION,
        text("root", "VX.", nullable=False, allowed=("VX",)),
        EXPIRATION,
        Column("is_monthly", BOOL, "True if the expiration is that of the monthly contract.", nullable=False),
        number("open", "First trade, points; null on a session without trades.", low=1.0, high=250.0),
        number("high", "Highest trade, points; null on a session without trades (vendors print the ask or bid there).", low=1.0, high=250.0),
        number("low", "Lowest trade, points; null on a session without trades.", low=1.0, high=250.0),
        number("close", "Last trade, points; null on a session without trades.", low=1.0, high=250.0),
        Column("settle", F64, "Daily settlement, points; on the expiration day the final settlement value.", nullable=False, low=5.0, high=250.0),
        text("settle_source", "settle (printed), close (the file prints no settlement) or curve (from a settlement curve).", nullable=False, allowed=("settle", "close", "curve")),
        count("volume", "Contracts traded; null if not given."),
        count("open_interest", "Open contracts; null if not given."),
        SOURCE,
    ),
    rules=(PairRule("high_below_low", larger="high", smaller="low"),),
)  # fmt: skip

INDEX_LEVEL = Table(
    "core", "index_level", "one row per index and session", ("session_date", "symbol"),
    (
        SESSION,
        text("symbol", "SPX, VIX, VVIX, VIX9D, VIX3M, VIX6M or SKEW.", nullable=False, allowed=("SPX", "VIX", "VVIX", "VIX9D", "VIX3M", "VIX6M", "SKEW")),
        number("open", "Open, points; null if not given or outside the day's range.", low=0.0),
        number("high", "High, points; null if not given or below the low.", low=0.0),
        number("low", "Low, points; null if not given or above the high.", low=0.0),
        Column("close", F64, "Close, points.", nullable=False, low=1.0, high=1_000_000.0),
        SOURCE,
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
        SESSION,
        text("exchange", "NYSE (the exchange's count) or NYSE_CONSTITUENTS (counted from constituent prices).", nullable=False, allowed=("NYSE", "NYSE_CONSTITUENTS")),
        Column("advances", I64, "Issues that rose.", nullable=False, low=0, high=100_000),
        Column("declines", I64, "Issues that fell.", nullable=False, low=0, high=100_000),
        count("unchanged", "Issues unchanged; null if not counted."),
        SOURCE,
    ),
)  # fmt: skip

TREASURY_RATE = Table(
    "core", "treasury_rate", "one row per session and tenor", ("session_date", "tenor_days"),
    (
        SESSION,
        Column("tenor_days", I64, "Tenor in days: months x 365/12, rounded; 1 for fed funds.", nullable=False, low=1, high=11_000),
        Column("par_yield", F64, "Yield as published, decimal (par yield, bond equivalent).", nullable=False, low=-0.05, high=0.30),
        text("rate_kind", "treasury (par yield curve), bill_13_week or fed_funds.", nullable=False, allowed=("treasury", "bill_13_week", "fed_funds")),
        SOURCE,
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
        SOURCE,
    ),
    partition="none", session_column=None,
)  # fmt: skip

SETTLEMENT_VALUE = Table(
    "core", "settlement_value", "one row per root and expiration", ("root", "expiration"),
    (
        text("root", "VX, VIX, VIXW, SPX or SPXW.", nullable=False, allowed=("VX", "VIX", "VIXW", "SPX", "SPXW")),
        EXPIRATION,
        Column("value", F64, "Value the contracts settled to, points.", nullable=False, low=1.0),
        text("source", "vx_file (settle of the expiration day), archive, set, index_open or index_close.", nullable=False),
        Column("exact", BOOL, "False where the value stands in for the official one.", nullable=False),
        SOURCE,
    ),
    partition="none", session_column=None,
)  # fmt: skip

ACCOUNT_STATE = Table(
    "core", "account_state", "one row per session on which the user stated the account", ("session_date",),
    (
        SESSION,
        Column("equity", F64, "Account equity, dollars.", nullable=False),
        number("cash", "Cash, dollars, negative where it is borrowed; null if not stated."),
        number("marketable_securities", "Securities not pledged elsewhere, dollars.", low=0.0),
        number("receivables", "Receivables, dollars.", low=0.0),
        number("current_liabilities", "Liabilities due within a year, dollars.", low=0.0),
        number("margin_loan_rate", "Margin loan rate, decimal a year.", low=0.0, high=0.5),
        SOURCE,
    ),
    partition="none",
)  # fmt: skip

REJECTED_ROW = Table(
    "quarantine", "rejected_row", "one row per row refused and rule broken",
    ("session_date", "table_name", "source_sha256", "source_row_number", "rule"),
    (
        Column("session_date", DATE, "Session the row claims; 1900-01-01 if it names none.", nullable=False),
        text("table_name", "Table the row was meant for.", nullable=False),
        SOURCE,
        Column("source_row_number", I64, "Which row of the file: the data line counted from 1, times the rows a line can hold (2 options, 4 of a VX line, 100 cells of a Treasury line), plus the place in the line.", nullable=False),
        text("rule", "Rule broken.", nullable=False),
        text("reason", "What is wrong with the row, with the value.", nullable=False),
        text("row_json", "The row as read, JSON.", nullable=False),
    ),
)  # fmt: skip
