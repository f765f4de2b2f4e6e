"""Cboe's delayed quotes as JSON, `delayed_quotes/options/_SPX.json` and `_VIX.json`: one record an option.

`timestamp` is when the answer was made, UTC (naive); it says which session the quotes are of, as a download's stamp
does. `data.current_price` is the index. Figures are numbers, sizes and counts among them ("7.0"); an `iv` of 0 means
none. Other underlyings come in the same layout (`_RUT.json`) and are refused.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import polars as pl

from flows.sources import ROW_NUMBER, Delivery, Reading, no_rejections
from flows.sources.delimited import Lines
from flows.sources.option_symbols import quote_rows, snapshot_at, symbol_parts
from transforms.errors import RefusedFile
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import TradingCalendar

NAME = "cboe_delayed_json"

# Vendor's key: column of core.option_quote.
FIGURES = {
    "bid": "bid",
    "bid_size": "bid_size",
    "ask": "ask",
    "ask_size": "ask_size",
    "last_trade_price": "last",
    "volume": "volume",
    "open_interest": "open_interest",
    "iv": "vendor_implied_vol",
    "delta": "vendor_delta",
}
KNOWN = {
    "option", *FIGURES, "gamma", "theta", "rho", "vega", "theo", "change", "open", "high", "low", "tick",
    "last_trade_time", "percent_change", "prev_day_close",
}  # fmt: skip
REQUIRED = ("option", "bid", "ask")


def recognizes(delivery: Delivery) -> bool:
    """Return whether the text begins like a JSON object that holds options by the key "option"."""
    head = delivery.head.lstrip()
    return head.startswith("{") and '"options"' in head and '"option"' in head


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Read the records; see flows.sources.Source.

    Raises
    ------
    RefusedFile
        If the JSON does not parse, has no timestamp or no options, or is of another underlying.
    """
    answer = _answer(delivery)
    options = answer["data"]["options"]
    stamp = _stamp(delivery.name, answer.get("timestamp"))
    snapshot = snapshot_at(stamp, file_name=delivery.name, calendar=calendar)
    records = [option if isinstance(option, dict) else {} for option in options]
    found = set().union(*records)
    missing = [key for key in REQUIRED if key not in found]
    if missing:
        raise RefusedFile(
            f"{delivery.name}: none of {len(records)} options has {', '.join(missing)}; download it again"
        )
    raw = pl.DataFrame(
        [_column(key, [record.get(key) for record in records]) for key in ("option", *FIGURES)]
    ).with_columns(pl.Series(ROW_NUMBER, range(1, len(records) + 1), dtype=pl.Int64()))
    lines = Lines(raw, raw, no_rejections(), len(records), tuple(sorted(found - KNOWN)))
    spot = _spot(answer["data"].get("current_price"))
    frame, rejected = quote_rows(
        _options(raw).with_columns(
            pl.lit(snapshot.session_date).alias("session_date"),
            pl.lit(snapshot.quote_ts, dtype=pl.Datetime("us")).alias("quote_ts"),
            pl.lit(snapshot.kind).alias("snapshot_kind"),
            pl.lit(spot, dtype=pl.Float64()).alias("spot"),
        ),
        lines=lines,
        file_name=delivery.name,
        expiration_formats=("%Y-%m-%d",),
    )
    return Reading(
        n_lines=len(records),
        frames={OPTION_QUOTE.full_name: frame},
        rejected=rejected,
        unknown_columns=lines.unknown_columns,
        stamped_at=stamp,
        notes=() if spot is not None else ("The answer gives no current_price: spot is null.",),
    )


def _answer(delivery: Delivery) -> dict[str, Any]:
    """Return the parsed object with a non-empty list at data.options; NaN and Infinity, which are no JSON, as null."""
    try:
        answer = json.loads(delivery.text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise RefusedFile(
            f"{delivery.name}: the JSON does not parse ({error}); it is probably cut off, download it again"
        ) from error
    data = answer.get("data")
    options = data.get("options") if isinstance(data, dict) else None
    if not isinstance(options, list) or not options:
        raise RefusedFile(f"{delivery.name}: the JSON has no options under data.options; download it again")
    return dict(answer)


def _stamp(name: str, timestamp: object) -> datetime:
    try:
        stamp = datetime.fromisoformat(str(timestamp))
        return stamp.astimezone(UTC).replace(tzinfo=None) if stamp.tzinfo else stamp
    except (ValueError, OverflowError):
        raise RefusedFile(
            f"{name}: the timestamp {timestamp!r} is no date and time, so the session of its quotes is unknown; "
            "download it again"
        ) from None


def _spot(price: object) -> float | None:
    return float(price) if isinstance(price, int | float) and 0.0 < price < float("inf") else None


def _column(key: str, values: list[object]) -> pl.Series:
    """Return the values of one key: figures as floats, or as text where any of them is something else."""
    if key in FIGURES:
        # What is no figure stays as text, so that the line is rejected with its value quoted.
        with suppress(TypeError, OverflowError):
            return pl.Series(key, values, dtype=pl.Float64())
    texts = [value if isinstance(value, str) or value is None else json.dumps(value) for value in values]
    return pl.Series(key, [text.strip() or None if text else None for text in texts], pl.String())


def _options(raw: pl.DataFrame) -> pl.DataFrame:
    """Return the records with the contract's terms taken from its symbol: this layout prints them nowhere else."""
    return raw.with_columns(symbol_parts("option")).select(
        ROW_NUMBER,
        pl.col("option").alias("symbol"),
        pl.col("symbol_expiration").dt.to_string("%Y-%m-%d").alias("expiration"),
        pl.col("symbol_strike").alias("strike"),
        pl.col("symbol_type").alias("option_type"),
        *(pl.col(key).alias(column) for key, column in FIGURES.items()),
    )
