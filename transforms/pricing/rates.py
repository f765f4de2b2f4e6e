"""Rates for a session whose own slices determine none: Treasury par yields, else the 13-week bill, else fed funds."""

from datetime import date, timedelta

import polars as pl

from transforms.pricing.forward import RateCurve, par_yield_curve

RATE_KINDS = ("treasury", "bill_13_week", "fed_funds")
OLDEST = timedelta(days=7)


def fallback_curve(treasury_rate: pl.DataFrame, session: date) -> RateCurve | None:
    """Return the newest published curve not after `session` and at most a week old; None if there is none.

    `treasury_rate` is core.treasury_rate of any span; its kinds are tried in the order of METHOD section 4.
    """
    recent = treasury_rate.filter(pl.col("session_date").is_between(session - OLDEST, session))
    for kind in RATE_KINDS:
        own = recent.filter(pl.col("rate_kind") == kind)
        newest = own.filter(pl.col("session_date") == pl.col("session_date").max())
        if newest.height:
            tenors = newest["tenor_days"].to_numpy().astype(float)
            return par_yield_curve(kind, tenors, par_yield=newest["par_yield"].to_numpy())
    return None
