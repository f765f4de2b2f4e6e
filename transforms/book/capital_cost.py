"""What the capital of the two engines costs (METHOD section 9), with premium and box rates and at the loan rate.

V is the margin of both engines. It is funded by debt D and own money E = V - D. D is the net premium received, which
has to be earned back at what lending it in a box would pay, and the shortfall: the margin that the account's cash
(premium included) and securities do not cover, borrowed in a box or on margin, whichever is cheaper. Own money costs
the return its owner requires. No tax shield.
"""

import polars as pl

# What the box curve knows of S&P options: European and liquid; boxes of VIX options are all spread.
BOX_ROOTS = ("SPX", "SPXW")
HALF_A_CENT = 0.005


def premium() -> pl.Expr:
    """Return the net premium counted as debt, dollars: `net_premium` from 0 to `margin`; null if either is."""
    return _within(pl.col("net_premium"), pl.col("margin"))


def financed_shortfall() -> pl.Expr:
    """Return the margin to be borrowed, dollars, at most what `premium` leaves of it.

    0 if `cash` alone covers the margin; else null if `marketable_securities` (dollars) are not stated.
    """
    uncovered = pl.col("margin") - pl.col("cash")
    shortfall = (uncovered - pl.col("marketable_securities")).clip(lower_bound=0.0)
    needed = pl.when(uncovered <= 0.0).then(0.0).otherwise(shortfall)
    return _within(needed, pl.col("margin") - premium())


def weighted_cost(premium_rate: pl.Expr, shortfall_rate: pl.Expr, *, required_return: float | None) -> pl.Expr:
    """Return (E x required_return + premium x premium_rate + shortfall x shortfall_rate)/V, decimal a year.

    Null without margin, and where an input with a weight above 0 is missing.
    """
    borrowed, margin = premium() + financed_shortfall(), pl.col("margin")
    own_rate = pl.lit(required_return, dtype=pl.Float64)
    cost = (
        _product(margin - borrowed, own_rate)
        + _product(premium(), premium_rate)
        + _product(financed_shortfall(), shortfall_rate)
    )
    return pl.when(margin > 0.0).then(cost / margin)


def cost_of_capital(funding: pl.DataFrame, *, required_return: float | None) -> pl.DataFrame:
    """Return `session_date`, `wacc`, `wacc_alternative`: one row per row of `funding`, decimals a year.

    Parameters
    ----------
    funding : one row per session
        margin, net_premium, cash, marketable_securities (dollars); lending_rate, borrowing_rate (of a box of the
        engines' tenor), margin_loan_rate (decimals a year).
    required_return : decimal a year; None if not set

    Notes
    -----
    wacc_alternative is the same V and D with all of D at the margin loan rate. Either is null if V is 0 or unknown, or
    if a missing input has a part in it. The cheaper of two borrowing rates is not known while one of them is missing.
    """
    loan = pl.col("margin_loan_rate")
    borrowing = pl.when(pl.col("borrowing_rate").is_not_null() & loan.is_not_null()).then(
        pl.min_horizontal("borrowing_rate", loan)
    )
    return funding.select(
        "session_date",
        weighted_cost(pl.col("lending_rate"), borrowing, required_return=required_return).alias("wacc"),
        weighted_cost(loan, loan, required_return=required_return).alias("wacc_alternative"),
    )


def box_rates(box_curve: pl.DataFrame, tenors: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `lending_rate`, `borrowing_rate`: the box rates of a tenor, one row per row of `tenors`.

    Parameters
    ----------
    box_curve : feature.box_curve, sessions of any span
    tenors : session_date, tenor_days (calendar days, Float64; null gives null rates)

    Notes
    -----
    Of SPX and SPXW slices of one expiration the better executable rate: the highest lending, the lowest borrowing.
    Between the nearest expirations with such a rate on either side it is linear in days; beyond the first or last
    expiration it is theirs.
    """
    rates = (
        box_curve.filter(pl.col("root").is_in(BOX_ROOTS))
        .with_columns((pl.col("expiration") - pl.col("session_date")).dt.total_days().cast(pl.Float64).alias("days"))
        .group_by("session_date", "days")
        .agg(pl.col("lending_rate").max(), pl.col("borrowing_rate").min())
        .sort("session_date", "days")
    )
    sessions = tenors.select("session_date", "tenor_days").sort("session_date")
    known = sessions.filter(pl.col("tenor_days").is_not_null())
    for name in ("lending_rate", "borrowing_rate"):
        own = rates.select("session_date", "days", pl.col(name).alias("rate")).drop_nulls("rate")
        found = _interpolated(known, own).select("session_date", pl.col("rate").alias(name))
        sessions = sessions.join(found, on="session_date", how="left", validate="1:1", maintain_order="left")
    return sessions.select("session_date", "lending_rate", "borrowing_rate")


def _interpolated(tenors: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """Return `tenors` with `rate`, linear in `days` between the bracketing rows of `rates` of the same session."""
    for strategy, suffix in (("backward", "_below"), ("forward", "_above")):
        side = rates.rename({"days": f"days{suffix}", "rate": f"rate{suffix}"})
        tenors = tenors.join_asof(
            side,
            left_on="tenor_days",
            right_on=f"days{suffix}",
            by="session_date",
            strategy=strategy,  # type: ignore[arg-type]
            check_sortedness=False,
        )
    below, above = pl.col("rate_below"), pl.col("rate_above")
    width = pl.col("days_above") - pl.col("days_below")
    between = below + (above - below) * (pl.col("tenor_days") - pl.col("days_below")) / width
    return tenors.with_columns(pl.when(width > 0.0).then(between).otherwise(pl.coalesce(below, above)).alias("rate"))


def _within(value: pl.Expr, high: pl.Expr) -> pl.Expr:
    return pl.when(high.is_not_null()).then(value.clip(0.0, high))


def _product(dollars: pl.Expr, rate: pl.Expr) -> pl.Expr:
    """Return dollars x rate: 0 for no dollars whatever the rate, null for an unknown factor that counts."""
    return pl.when(dollars.abs() < HALF_A_CENT).then(0.0).otherwise(dollars * rate)
