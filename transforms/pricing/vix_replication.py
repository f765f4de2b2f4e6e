"""Our own VIX of a session: Cboe's terms, strips and interpolation on the session's SPX quotes."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.pricing.forward import RateCurve
from transforms.pricing.slice_grid import slice_grid
from transforms.pricing.variance import MINUTES_365_DAYS, Strip, VixTerm, cboe_strip, vix_level, vix_terms
from transforms.sessions import TradingCalendar, settlement_instant

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VixReplication:
    """The index of one session and what it was made of.

    level: points, NaN if the interpolated variance is negative. terms, strips, minutes, rates: near and next term;
    minutes from the quotes' instant to settlement; rates decimal, continuously compounded, of the curve `rate_source`.
    """

    session_date: date
    level: float
    terms: tuple[VixTerm, VixTerm]
    strips: tuple[Strip, Strip]
    minutes: tuple[float, float]
    rates: tuple[float, float]
    rate_source: str


def replicated_vix(quotes: pl.DataFrame, *, calendar: TradingCalendar, rates: RateCurve) -> VixReplication | None:
    """Return the VIX that one session's SPX and SPXW quotes give, or None if a term is not listed or has no strip.

    Parameters
    ----------
    quotes : frame, one row per option
        Columns session_date, root, expiration, strike, option_type, quote_ts, bid, ask of core.option_quote, one
        session; index points. Other roots are ignored.
    rates : RateCurve
        Cboe takes Treasury yields; the implied curve of the options will do, and the result names which it was.

    Notes
    -----
    Time counts from quote_ts: the published closes are of 16:15 New York, when SPX options stop trading.
    """
    spx = quotes.filter(pl.col("root").is_in(["SPX", "SPXW"]))
    if spx.is_empty():
        return None
    session_date = spx["session_date"][0]
    terms = vix_terms(session_date, set(spx.select("root", "expiration").unique().iter_rows()), calendar=calendar)
    if terms is None:
        return None
    found = [_term_strip(spx, term, calendar=calendar, rates=rates) for term in terms]
    (near, near_minutes, near_rate), (following, following_minutes, following_rate) = found
    if near is None or following is None:
        return None
    minutes = (near_minutes, following_minutes)
    return VixReplication(
        session_date=session_date,
        level=vix_level((near.variance, following.variance), minutes),
        terms=terms,
        strips=(near, following),
        minutes=minutes,
        rates=(near_rate, following_rate),
        rate_source=rates.name,
    )


def _term_strip(
    quotes: pl.DataFrame, term: VixTerm, *, calendar: TradingCalendar, rates: RateCurve
) -> tuple[Strip | None, float, float]:
    """Return (strip, minutes to settlement, rate) of one term."""
    of_term = quotes.filter((pl.col("root") == term.root) & (pl.col("expiration") == term.expiration))
    grid = slice_grid(of_term)
    settlement = settlement_instant(term.root, term.expiration, calendar=calendar)
    minutes = (settlement - of_term.item(0, "quote_ts")).total_seconds() / 60.0
    years = minutes / MINUTES_365_DAYS
    rate = float(rates.rate(np.array([years]))[0])
    strip = cboe_strip(
        grid.strike[0],
        grid.call_bid[0],
        call_ask=grid.call_ask[0],
        put_bid=grid.put_bid[0],
        put_ask=grid.put_ask[0],
        time_to_expiry=years,
        rate=rate,
    )
    return strip, minutes, rate


def variance_daily(replications: list[VixReplication], index_level: pl.DataFrame) -> pl.DataFrame:
    """Return feature.variance_daily: the replicated VIX beside the published close, one row per session.

    `index_level` is core.index_level. Points; vix_published and vix_gap (replicated - published) are null where no
    close was landed, vix_replicated where the variance came out negative. Beside them: both terms with variance,
    forward and number of strikes, and rate_source.
    """
    rows = pl.DataFrame(
        [
            {
                "session_date": one.session_date,
                "vix_replicated": one.level,
                "rate_source": one.rate_source,
                **_term_columns("near", one, 0),
                **_term_columns("next", one, 1),
            }
            for one in replications
        ],
        schema=VARIANCE_DAILY_COLUMNS,
    )
    published = index_level.filter(pl.col("symbol") == "VIX").select(
        "session_date", pl.col("close").alias("vix_published")
    )
    return (
        rows.with_columns(pl.col("vix_replicated").fill_nan(None))
        .join(published, on="session_date", how="left", validate="1:1")
        .with_columns((pl.col("vix_replicated") - pl.col("vix_published")).alias("vix_gap"))
        .sort("session_date")
    )


def _term_columns(side: str, one: VixReplication, index: int) -> dict[str, object]:
    strip, term = one.strips[index], one.terms[index]
    return {
        f"{side}_root": term.root,
        f"{side}_expiration": term.expiration,
        f"{side}_minutes": one.minutes[index],
        f"{side}_rate": one.rates[index],
        f"{side}_variance": strip.variance,
        f"{side}_forward": strip.forward,
        f"{side}_n_strikes": int(strip.strikes.size),
    }


VARIANCE_DAILY_COLUMNS: dict[str, pl.DataType] = {
    "session_date": pl.Date(),
    "vix_replicated": pl.Float64(),
    "rate_source": pl.String(),
    **{
        f"{side}_{name}": dtype
        for side in ("near", "next")
        for name, dtype in (
            ("root", pl.String()),
            ("expiration", pl.Date()),
            ("minutes", pl.Float64()),
            ("rate", pl.Float64()),
            ("variance", pl.Float64()),
            ("forward", pl.Float64()),
            ("n_strikes", pl.Int64()),
        )
    },
}
