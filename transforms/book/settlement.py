"""The values options settle to: those the exchange states, else the index's own prints (METHOD section 9)."""

from datetime import date

import numpy as np
import polars as pl

from transforms.sessions import TradingCalendar

COLUMNS = ["root", "expiration", "fixed_on", "value", "source", "exact"]
# VX futures and VIX options of one expiration settle to the same opening quotation; of two stated values the future's
# own file knows best, unless the option's own is stated.
VIX_FAMILY = ("VX", "VIX", "VIXW")
SATURDAY = 6


def settlement_values(stated: pl.DataFrame, levels: pl.DataFrame, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return what every option that has expired settled to: one row per root and expiration.

    Parameters
    ----------
    stated : core.settlement_value; it outranks whatever is derived
    levels : core.index_level; of it the SPX

    Returns
    -------
    root, expiration, fixed_on (session on which the value is fixed: no session before it may use it), value (points),
    source, exact. VIX and VIXW settle as VX of the same expiration, never to the VIX close. SPX settles on the opening
    of its constituents: the index's printed open stands in, not exact (before 2008 that print is the close before).
    SPXW settles to the close. A missing value has no row; an expiration printed on a Saturday is fixed on the session
    before it.
    """
    told = pl.concat([stated.filter(~pl.col("root").is_in(VIX_FAMILY[1:])), _vix_options(stated)])
    told = told.with_columns(_fixed_on(told["expiration"], calendar)).select(COLUMNS)
    derived = _index_prints(levels, calendar=calendar).join(told, on=["root", "expiration"], how="anti")
    return pl.concat([told, derived]).sort("root", "expiration")


def settlements_known(values: pl.DataFrame, session_date: date) -> pl.DataFrame:
    """Return the rows of `settlement_values` that are fixed by the end of a session."""
    return values.filter(pl.col("fixed_on") <= session_date)


def _vix_options(stated: pl.DataFrame) -> pl.DataFrame:
    """Return the stated values of VIX and VIXW options, each root's own or what another of the family settled to."""
    family = stated.filter(pl.col("root").is_in(VIX_FAMILY)).rename({"root": "stated_root"})
    roots = pl.DataFrame({"root": VIX_FAMILY[1:]})
    trust = pl.col("stated_root").replace_strict(
        {root: rank for rank, root in enumerate(VIX_FAMILY)}, return_dtype=pl.Int8
    )
    return (
        family.join(roots, how="cross")
        .sort("root", "expiration", pl.col("root") != pl.col("stated_root"), trust)
        .unique(["root", "expiration"], keep="first", maintain_order=True)
        .select(stated.columns)
    )


def _index_prints(levels: pl.DataFrame, *, calendar: TradingCalendar) -> pl.DataFrame:
    """Return the SPX open for SPX, the close for SPXW: by session, and by the Saturday after a week's last session."""
    spx = levels.filter(pl.col("symbol") == "SPX").select(pl.col("session_date").alias("fixed_on"), "open", "close")
    saturday = pl.col("fixed_on") + pl.duration(days=SATURDAY - pl.col("fixed_on").dt.weekday())
    saturdays = spx.with_columns(saturday.cast(pl.Date).alias("expiration"))
    last_of_week = _fixed_on(saturdays["expiration"], calendar) == saturdays["fixed_on"]
    days = pl.concat([spx.with_columns(pl.col("fixed_on").alias("expiration")), saturdays.filter(last_of_week)])
    prints = [
        days.filter(pl.col(price).is_not_null()).with_columns(
            pl.lit(root).alias("root"),
            pl.col(price).alias("value"),
            pl.lit(f"index_{price}").alias("source"),
            pl.lit(exact).alias("exact"),
        )
        for root, price, exact in (("SPX", "open", False), ("SPXW", "close", True))
    ]
    return pl.concat(prints).select(COLUMNS)


def _fixed_on(expiration: pl.Series, calendar: TradingCalendar) -> pl.Series:
    """Return the last session on or before each expiration."""
    days = expiration.to_numpy().astype("datetime64[D]")
    place = np.searchsorted(calendar.sessions, days, side="right") - 1
    return pl.Series("fixed_on", calendar.sessions[np.maximum(place, 0)]).cast(pl.Date)
