"""Option quotes as rows of core.option_quote: OCC symbols taken apart, and the assembly all chain layouts share.

A source brings its lines into one frame, a row per option, under the names of `core.option_quote`. Here the values
become numbers and days, a vendor's sign for "nothing" becomes null, and what cannot become a row is set apart.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

import polars as pl

from flows.sources import ROW_NUMBER
from flows.sources.delimited import LineRule, Lines, day, divide, given_but_unread, number, whole_number
from transforms.errors import DataError, RefusedFile
from transforms.schemas import OPTION_QUOTE, OPTION_ROOTS
from transforms.sessions import NEW_YORK, Snapshot, TradingCalendar, settlement_style, snapshot_of_stamp

QUOTE_COLUMNS = [*(name for name in OPTION_QUOTE.column_names if name != "source_sha256"), ROW_NUMBER]
LINE_NUMBER = "line_number"
# Root, in some layouts padded with blanks to six characters; yymmdd; C or P; strike x 1000. (OCC, 2010)
OCC_SYMBOL = r"^[A-Z]{1,6}[0-9]? *[0-9]{6}[CP][0-9]{8}$"
OCC_TAIL = 15
OPTION_TYPES = {"c": "call", "call": "call", "p": "put", "put": "put"}
# What pandas and databases print for a missing number.
MISSING_NUMBERS = ("nan", "null", "none", "n/a", "na", "nat")
COUNTS = ("bid_size", "ask_size", "volume", "open_interest")
PRICES = ("strike", "bid", "ask", "last", "spot", "vendor_implied_vol", "vendor_delta")
FIGURES = (*PRICES, *COUNTS)
SYMBOL_PARTS = {
    "symbol_root": pl.String(),
    "symbol_expiration": pl.Date(),
    "symbol_type": pl.String(),
    "symbol_strike": pl.Float64(),
}
STRIKE_TOLERANCE = 0.0005
SATURDAY = 6


def symbol_parts(column: str) -> list[pl.Expr]:
    """Return the parts of OCC option symbols, padded or not, as four expressions; null where it is no symbol.

    `symbol_root`, `symbol_expiration` (date), `symbol_type` (call, put) and `symbol_strike` (index points). Before
    2015 SPX symbols carry the Saturday after the last trading day.
    """
    text = pl.col(column)
    valid = text.str.contains(OCC_SYMBOL)
    tail = text.str.tail(OCC_TAIL)
    parts = {
        "symbol_root": text.str.head(-OCC_TAIL).str.strip_chars_end(" "),
        "symbol_expiration": tail.str.head(6).str.to_date("%y%m%d", strict=False),
        "symbol_type": pl.when(tail.str.slice(6, 1) == "C").then(pl.lit("call")).otherwise(pl.lit("put")),
        "symbol_strike": tail.str.tail(8).cast(pl.Float64(), strict=False) / 1000.0,
    }
    return [pl.when(valid).then(part).alias(name) for name, part in parts.items()]


def stamped(frame: pl.DataFrame, *, kind: str, instant: Callable[[date], datetime]) -> pl.DataFrame:
    """Return rows of one or more sessions with `quote_ts` = instant(session_date), UTC, and `snapshot_kind`.

    Null where `session_date` is null.
    """
    days = frame["session_date"].unique().drop_nulls()
    instants = pl.DataFrame(
        {"session_date": days, "quote_ts": [instant(session) for session in days]},
        schema={"session_date": pl.Date(), "quote_ts": pl.Datetime("us")},
    )
    return frame.join(instants, on="session_date", how="left", validate="m:1", maintain_order="left").with_columns(
        pl.lit(kind).alias("snapshot_kind")
    )


def snapshot_at(stamp: datetime, *, file_name: str, calendar: TradingCalendar) -> Snapshot:
    """Return the session, instant and kind of quotes downloaded at `stamp` (UTC, naive).

    Raises
    ------
    RefusedFile
        If the stamp lies outside the calendar.
    """
    try:
        wall = stamp.replace(tzinfo=UTC).astimezone(NEW_YORK).replace(tzinfo=None)
        return snapshot_of_stamp(wall, calendar=calendar)
    except (DataError, OverflowError) as error:
        raise RefusedFile(
            f"{file_name}: the stamp {stamp} UTC has no session ({error}); download the file again"
        ) from error


def quote_rows(
    options: pl.DataFrame, *, lines: Lines, file_name: str, expiration_formats: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the options as rows of core.option_quote, without `source_sha256`, and the rejected ones.

    An ask, a last trade, an index level or a vendor's vol of 0 (-1 at iVolatility) means there is none and is null;
    so is a vendor's delta of 0 beside such a vol. A bid of 0 stays: it says that nobody bids. Prices are index
    points, vols and deltas decimals.

    Parameters
    ----------
    options
        One row per option: `session_date` (null if unreadable), `quote_ts`, `snapshot_kind`, `source_row_number`,
        and `line_number` where it is another. As printed: `expiration`, `strike`, `option_type`, and `symbol` (OCC)
        or `root`. As printed or as numbers, where the layout has them: bid, ask, bid_size, ask_size, last, volume,
        open_interest, spot, vendor_implied_vol, vendor_delta.
    expiration_formats
        Formats of the printed expiration, tried in turn.

    Raises
    ------
    RefusedFile
        If the file quotes options, but none of SPX, SPXW, VIX or VIXW.
    """
    printed = options.with_columns(
        pl.lit(None, dtype=pl.String()).alias(name)
        for name in ("symbol", "root", *FIGURES)
        if name not in options.columns
    )
    parsed = _with_figures(_with_expiration(_with_contract(printed), expiration_formats))
    in_scope = pl.col("root").is_in(OPTION_ROOTS)
    if not parsed.select(in_scope.any()).item():
        others = sorted(parsed["root"].drop_nulls().unique().to_list())
        if others:
            raise RefusedFile(
                f"{file_name}: quotes of {', '.join(others[:5])}; this program reads SPX, SPXW, VIX and VIXW: "
                "import a chain of one of these"
            )
    rules = _rules(has_symbols="symbol" in options.columns, in_scope=in_scope)
    kept, rejected = divide(parsed, rules, lines=lines, table=OPTION_QUOTE, session="session_date")
    return _as_quotes(kept), rejected


def _with_contract(printed: pl.DataFrame) -> pl.DataFrame:
    """Return the options with `root`, `option_type` and the parts of their symbols."""
    has_symbols = printed["symbol"].null_count() < printed.height
    no_parts = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in SYMBOL_PARTS.items()]
    parts = printed.with_columns(symbol_parts("symbol") if has_symbols else no_parts)
    kinds = (
        printed.select("option_type")
        .unique()
        .with_columns(
            pl.col("option_type").str.to_lowercase().replace_strict(OPTION_TYPES, default=None).alias("read_type")
        )
    )
    return parts.join(
        kinds, on="option_type", how="left", validate="m:1", maintain_order="left", nulls_equal=True
    ).with_columns(pl.coalesce("symbol_root", "root").alias("root"))


def _with_expiration(options: pl.DataFrame, formats: Sequence[str]) -> pl.DataFrame:
    """Return the options with `printed_expiration` (text) and `expiration` (date); each text is read once."""
    days = options.select(pl.col("expiration").alias("printed_expiration")).unique()
    days = days.with_columns(day("printed_expiration", *formats).alias("read_expiration"))
    joined = options.rename({"expiration": "printed_expiration"}).join(
        days, on="printed_expiration", how="left", validate="m:1", maintain_order="left", nulls_equal=True
    )
    return joined.rename({"read_expiration": "expiration"})


def _with_figures(options: pl.DataFrame) -> pl.DataFrame:
    """Return the options with their figures as numbers, the printed ones beside ("printed bid"), and `unread`.

    `unread` names the first figure that is given and is no number; null if all are.
    """
    printed = {name: f"printed {name}" for name in FIGURES}
    texts = options.rename(printed)
    read = _numbered(texts, printed)
    unread = [given_but_unread(text, name) for name, text in printed.items()]
    if not read.select(pl.any_horizontal(unread).any()).item():
        return read.with_columns(pl.lit(None, dtype=pl.String()).alias("unread"))
    missing = [
        pl.when(~pl.col(text).str.to_lowercase().is_in(MISSING_NUMBERS)).then(pl.col(text)).alias(text)
        for text in printed.values()
        if texts.schema[text] == pl.String()
    ]
    return _numbered(texts.with_columns(missing), printed).with_columns(
        pl.coalesce(
            pl.when(given_but_unread(text, name)).then(pl.format("{} '{}'", pl.lit(name), pl.col(text)))
            for name, text in printed.items()
        ).alias("unread")
    )


def _numbered(texts: pl.DataFrame, printed: dict[str, str]) -> pl.DataFrame:
    def figure(name: str, text: str) -> pl.Expr:
        if texts.schema[text] == pl.String():
            return (whole_number(text) if name in COUNTS else number(text)).alias(name)
        value = pl.when(pl.col(text).is_finite()).then(pl.col(text))
        if name in COUNTS:
            return pl.when(value == value.floor()).then(value).cast(pl.Int64(), strict=False).alias(name)
        return value.alias(name)

    return texts.with_columns(figure(name, text) for name, text in printed.items())


def _rules(*, has_symbols: bool, in_scope: pl.Expr) -> list[LineRule]:
    """Return why an option cannot become a row, in the order in which they are asked."""
    contract = "symbol" if has_symbols else "root"
    needed = (contract, "printed_expiration", "printed strike", "option_type")
    gap = (pl.col("symbol_expiration") - pl.col("expiration")).dt.total_days()
    on_saturday = pl.col("symbol_expiration").dt.weekday() == SATURDAY
    same_day = (gap == 0) | (on_saturday & gap.is_in([1, 2]))
    same_strike = (pl.col("symbol_strike") - pl.col("strike")).abs() < STRIKE_TOLERANCE
    agrees = same_day & same_strike & (pl.col("symbol_type") == pl.col("read_type"))
    rules = [
        LineRule(
            "bad_symbol",
            pl.col("symbol").is_not_null() & (pl.col("symbol_root").is_null() | pl.col("symbol_expiration").is_null()),
            "symbol '{}' is not root, yymmdd, C or P, strike x 1000",
            ("symbol",),
        ),
        LineRule(
            "no_value",
            pl.any_horizontal(pl.col(name).is_null() for name in needed),
            f"blank among {contract} {{}}, expiration {{}}, strike {{}}, option type {{}}",
            needed,
        ),
        LineRule("root_out_of_scope", ~in_scope, "root {} is none of " + ", ".join(OPTION_ROOTS), ("root",)),
        LineRule(
            "bad_date",
            pl.col("session_date").is_null() | pl.col("expiration").is_null(),
            "session {} or expiration '{}' is not a date",
            ("session_date", "printed_expiration"),
        ),
        LineRule("bad_option_type", pl.col("read_type").is_null(), "option type '{}'", ("option_type",)),
        LineRule("bad_number", pl.col("unread").is_not_null(), "{} is not a number", ("unread",)),
        LineRule(
            "symbol_mismatch",
            ~agrees,
            "symbol {} beside expiration {}, strike {}, {}",
            ("symbol", "expiration", "strike", "read_type"),
        ),
        LineRule(
            "expired_before_session",
            pl.col("expiration") < pl.col("session_date"),
            "expired on {}, before the session {}",
            ("expiration", "session_date"),
        ),
    ]
    about_symbols = {"bad_symbol", "symbol_mismatch"}
    return [rule for rule in rules if has_symbols or rule.name not in about_symbols]


def _as_quotes(options: pl.DataFrame) -> pl.DataFrame:
    """Return readable options as rows of the table, with the vendor's signs for "nothing" as nulls."""
    styles = {root: settlement_style(root) for root in OPTION_ROOTS}
    has_vol = pl.col("vendor_implied_vol") > 0.0
    has_delta = has_vol.fill_null(False) | (pl.col("vendor_delta") != 0.0)
    return options.with_columns(
        pl.col("read_type").alias("option_type"),
        pl.col("root").replace_strict(styles, return_dtype=pl.String()).alias("settlement_style"),
        *(pl.when(pl.col(name) != 0.0).then(pl.col(name)).alias(name) for name in ("ask", "last", "spot")),
        pl.when(has_vol).then(pl.col("vendor_implied_vol")).alias("vendor_implied_vol"),
        pl.when(has_delta).then(pl.col("vendor_delta")).alias("vendor_delta"),
    ).select(QUOTE_COLUMNS)
