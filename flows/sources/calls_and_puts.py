"""Chains that print a call and a put on one line, as Cboe's delayed-quote downloads do in two layouts.

`Expiration Date, Calls, <call columns>, Strike, Puts, <put columns>`: the column names repeat, so the first of a name
is the call's and the second, after `Puts`, the put's. The download's date and the index stand in a preamble above.
"""

from dataclasses import replace
from datetime import datetime

import polars as pl

from flows.sources import ROW_NUMBER, Delivery, Reading
from flows.sources.delimited import Lines, header_names, read_lines
from flows.sources.option_symbols import LINE_NUMBER, quote_rows, snapshot_at
from transforms.errors import RefusedFile
from transforms.schemas import OPTION_QUOTE
from transforms.sessions import CURB_END, Snapshot, TradingCalendar, option_close, to_utc

ANCHOR = "expiration date"
# Column of core.option_quote: names under which the layouts print it.
SIDE_COLUMNS = {
    "last": ("last sale",),
    "bid": ("bid",),
    "ask": ("ask",),
    "volume": ("volume", "vol"),
    "vendor_implied_vol": ("iv",),
    "vendor_delta": ("delta",),
    "open_interest": ("open interest", "open int"),
}
KNOWN = ("net", "net.2", "gamma", "gamma.2")
EXPIRATION_FORMATS = ("%a %b %d %Y", "%d-%m-%y", "%m/%d/%y", "%m/%d/%Y", "%Y-%m-%d")


def chain_header(head: str) -> tuple[str, ...]:
    """Return the lower-case column names if the text is a chain of calls and puts side by side, else nothing."""
    names = header_names(head, anchor=ANCHOR)
    return names if {"calls", "puts", "strike"} <= set(names) else ()


def preamble(head: str) -> list[str]:
    """Return the lines above the header, blank ones apart."""
    above = []
    for line in head.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if ANCHOR in line.lower():
            break
        if line.strip(" ,;\t"):
            above.append(line.strip())
    return above


def read_chain(
    delivery: Delivery,
    *,
    stamp: datetime,
    spot: float | None,
    calendar: TradingCalendar,
    frozen_overnight: bool = False,
) -> Reading:
    """Return the quotes of a chain downloaded at `stamp` (UTC, naive) with the index at `spot` (points).

    A line holds two rows: source_row_number is twice the line's number for the call and one more for the put, and a
    line that cannot be read counts as two rejected rows. With `frozen_overnight` the site shows the close while options
    trade overnight, so that quotes stamped then are of the close; they stay marked non_regular.

    Raises
    ------
    RefusedFile
        If a column is missing on one side, the stamp lies outside the calendar, or the chain is of another underlying.
    """
    _require_both_sides(delivery)
    snapshot = snapshot_at(stamp, file_name=delivery.name, calendar=calendar)
    if frozen_overnight and snapshot.quote_ts >= to_utc(snapshot.session_date, CURB_END):
        snapshot = replace(snapshot, quote_ts=option_close(snapshot.session_date, calendar=calendar))
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={
            "expiration": (ANCHOR,),
            "call_symbol": ("calls",),
            "strike": ("strike",),
            "put_symbol": ("puts",),
            **{f"call_{column}": names for column, names in SIDE_COLUMNS.items()},
            **{f"put_{column}": tuple(f"{n}.2" for n in names) for column, names in SIDE_COLUMNS.items()},
        },
        known=KNOWN,
        table=OPTION_QUOTE,
    )
    options = pl.concat([_side(lines, side, snapshot=snapshot, spot=spot) for side in ("call", "put")])
    frame, rejected = quote_rows(options, lines=lines, file_name=delivery.name, expiration_formats=EXPIRATION_FORMATS)
    unreadable = lines.unreadable.with_columns(pl.lit(snapshot.session_date).alias("session_date"))
    halves = [unreadable.with_columns(pl.col(ROW_NUMBER) * 2 + half) for half in (0, 1)]
    return Reading(
        n_lines=lines.n_lines,
        frames={OPTION_QUOTE.full_name: frame},
        rejected=pl.concat([rejected, *halves]),
        unknown_columns=lines.unknown_columns,
        stamped_at=stamp,
        notes=() if spot is not None else ("The preamble names no index level: spot is null.",),
    )


def _side(lines: Lines, side: str, *, snapshot: Snapshot, spot: float | None) -> pl.DataFrame:
    return lines.frame.select(
        (pl.col(ROW_NUMBER) * 2 + (side == "put")).alias(ROW_NUMBER),
        pl.col(ROW_NUMBER).alias(LINE_NUMBER),
        pl.lit(snapshot.session_date).alias("session_date"),
        pl.lit(snapshot.quote_ts, dtype=pl.Datetime("us")).alias("quote_ts"),
        pl.lit(snapshot.kind).alias("snapshot_kind"),
        pl.col(f"{side}_symbol").alias("symbol"),
        "expiration",
        "strike",
        pl.lit(side).alias("option_type"),
        pl.lit(spot, dtype=pl.Float64()).alias("spot"),
        *(pl.col(f"{side}_{column}").alias(column) for column in SIDE_COLUMNS),
    )


def _require_both_sides(delivery: Delivery) -> None:
    """Raise if a column stands on one side only: the second name would then be read as the first."""
    names = chain_header(delivery.head)
    puts = names.index("puts")
    sides = {"calls": names[:puts], "puts": [name.removesuffix(".2") for name in names[puts:]]}
    lacking = [
        f"{printed[0]} of the {side}"
        for side, present in sides.items()
        for printed in SIDE_COLUMNS.values()
        if not set(printed) & set(present)
    ]
    if lacking:
        raise RefusedFile(
            f"{delivery.name}: {len(lacking)} required columns are missing ({', '.join(lacking)}); "
            "download the file again with all its columns"
        )
