"""The VX curve: monthly contracts by rank, and the daily figures read off them (METHOD §2)."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import polars as pl

from transforms.errors import UsageError
from transforms.indicators.session_grid import numbered_sessions, session_grid
from transforms.schemas import CURVE_DAILY, TERM_STRUCTURE
from transforms.sessions import TradingCalendar, vix_monthly_expirations

FIRST_VX_MONTH = date(2004, 4, 1)
# The rule of the last month looks at the third Friday of the next, which the calendar must still hold.
EXPIRATION_RULE_REACH = timedelta(days=62)
# In its first years the exchange listed some months only. From each of these sessions on, so many nearest
# months were always listed: read off the first rows of the exchange's own files, complete for 2006 to 2012.
SERIAL_MONTHS_LISTED = ((date(2006, 10, 20), 5), (date(2008, 4, 18), 7), (date(2011, 8, 22), 8))
CURVE_RANKS = range(1, 8)


def term_structure(futures: pl.LazyFrame, *, calendar: TradingCalendar) -> pl.LazyFrame:
    """Return feature.term_structure: one row per session and rank of the monthly VX calendar.

    Rank 1 is the nearest listed monthly expiration strictly after the session: on its expiration day a
    contract settles in the morning and is no longer part of the curve. A month counts as listed if a file
    held it on or before the session, or if it is one of the nearest months that the exchange always listed by
    then (`SERIAL_MONTHS_LISTED`); so a month whose file is absent keeps its rank, and before 2006-10-20 a
    month the exchange never listed takes none.

    Parameters
    ----------
    futures
        core.futures_settlement; weeklies are ignored.
    calendar
        New York sessions; rows cover every one from the first to the last session with a monthly VX row.

    Returns
    -------
    pl.LazyFrame
        `settle` in index points, null with reason `missing_contract` where no file holds the listed month
        that session; `days_to_expiry` in calendar days.
    """
    monthlies = _monthlies(futures)
    first_seen = monthlies.group_by("expiration").agg(pl.col("session_date").min().alias("first_seen"))
    month_of_calendar = pl.col("month_number") - pl.col("month_number").min().over("session_date") + 1
    is_listed = (month_of_calendar <= _serial_months_listed(pl.col("session_date"))) | (
        pl.col("first_seen") <= pl.col("session_date")
    )
    return (
        session_grid(monthlies, calendar=calendar)
        .join(_monthly_contracts(calendar).join(first_seen, on="expiration", how="left"), how="cross")
        .filter(pl.col("expiration") > pl.col("session_date"))
        .filter(is_listed)
        .join(monthlies, on=["session_date", "expiration"], how="left", validate="1:1")
        .sort("session_date", "expiration")
        .with_columns(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("session_date").alias("rank"),
            (pl.col("expiration") - pl.col("session_date")).dt.total_days().alias("days_to_expiry"),
            pl.when(pl.col("settle").is_null()).then(pl.lit("missing_contract")).alias("missing_reason"),
        )
        .select(TERM_STRUCTURE.column_names)
    )


def curve_daily(
    futures: pl.LazyFrame,
    index_level: pl.LazyFrame,
    *,
    calendar: TradingCalendar,
    roll_days_before_expiry: int = 1,
) -> pl.LazyFrame:
    """Return feature.curve_daily: one row per session from the first to the last with a monthly VX row.

    Parameters
    ----------
    futures
        core.futures_settlement; weeklies are ignored.
    index_level
        core.index_level; the VIX close is read from it.
    calendar
        New York sessions.
    roll_days_before_expiry
        Sessions before expiration at whose close the contract held is rolled.

    Returns
    -------
    pl.LazyFrame
        Prices in points, ratios as decimals. `missing_reason` holds `missing_contract` where a listed month
        among VX1 to VX7 has no row or VX2 does not exist, and `missing_vix`; a figure that needs what
        is missing is null. Before 2006-10-20 fewer than seven months could be listed: then the slope is null
        without a reason.

    Raises
    ------
    UsageError
        If the contract would be rolled at a close it does not live to see.
    """
    if roll_days_before_expiry < 1:
        raise UsageError(
            f"roll_days_before_expiry = {roll_days_before_expiry}: a VX contract settles on the morning of "
            "its expiration and has its last close the session before; set it to 1 or more"
        )
    monthlies = _monthlies(futures)
    structure = term_structure(futures, calendar=calendar)
    held = _contract_held(structure, calendar=calendar, roll_days_before_expiry=roll_days_before_expiry)
    vix = index_level.filter(pl.col("symbol") == "VIX").select("session_date", pl.col("close").alias("vix"))
    vx1, vx2, vix_close = pl.col("settle_1"), pl.col("settle_2"), pl.col("vix")
    settles = [pl.col(f"settle_{rank}") for rank in CURVE_RANKS]
    days = [pl.col(f"days_{rank}") for rank in CURVE_RANKS]
    lacks_contract = pl.col("lacks_contract") | vx2.is_null()
    return (
        _front_index(session_grid(monthlies, calendar=calendar), held, monthlies)
        .join(_curve_wide(structure), on="session_date", how="left", validate="1:1")
        .join(vix, on="session_date", how="left", validate="1:1")
        .sort("session_date")
        .with_columns(
            vx1.alias("vx1"),
            vx2.alias("vx2"),
            relative_difference(vx2, vx1).alias("contango_ratio"),
            relative_difference(vx1, vix_close).alias("basis_ratio"),
            roll_yield_daily(vx1, vix_close, days_to_expiry=days[0]).alias("roll_yield_daily"),
            settle_per_sqrt_day(settles, days).alias("settle_per_sqrt_day"),
            constant_maturity(30, settles=settles, days=days).alias("constant_maturity_30d"),
            constant_maturity(60, settles=settles, days=days).alias("constant_maturity_60d"),
            pl.concat_str(
                pl.when(lacks_contract).then(pl.lit("missing_contract")),
                pl.when(vix_close.is_null()).then(pl.lit("missing_vix")),
                separator=",",
                ignore_nulls=True,
            )
            .replace({"": None})
            .alias("missing_reason"),
        )
        .select(CURVE_DAILY.column_names)
    )


def relative_difference(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Return numerator/denominator − 1, a decimal: VX2 to VX1 is the contango, VX1 to VIX the basis."""
    return numerator / denominator - 1.0


def roll_yield_daily(vx1: pl.Expr, vix: pl.Expr, *, days_to_expiry: pl.Expr) -> pl.Expr:
    """Return (VX1 − VIX)/VX1 per calendar day: what a holder of VX1 loses a day if VIX stands still."""
    return (vx1 - vix) / vx1 / days_to_expiry


def settle_per_sqrt_day(settles: Sequence[pl.Expr], days: Sequence[pl.Expr]) -> pl.Expr:
    """Return the least-squares slope of settle on √days, points per √day; null if a contract is missing."""
    roots = [day.sqrt() for day in days]
    root_mean = pl.sum_horizontal(roots, ignore_nulls=False) / len(roots)
    deviations = [root - root_mean for root in roots]
    covariation = pl.sum_horizontal(
        [deviation * settle for deviation, settle in zip(deviations, settles, strict=True)],
        ignore_nulls=False,
    )
    return covariation / pl.sum_horizontal([deviation.pow(2) for deviation in deviations], ignore_nulls=False)


def constant_maturity(target: int, *, settles: Sequence[pl.Expr], days: Sequence[pl.Expr]) -> pl.Expr:
    """Return the VX price at `target` calendar days, points, on the line through the two contracts around it.

    A contract exactly at the target is the price; a target nearer than VX1 is extrapolated from VX1 and VX2.
    Null if a contract the figure needs is missing, or if no listed month reaches the target. `settles` and
    `days` go by rank.
    """
    contracts = list(zip(settles, days, strict=True))
    price = pl.lit(None, dtype=pl.Float64)
    for near, far in pairwise(contracts):
        is_bracket = (near[1] <= target) & (far[1] > target)
        price = pl.when(is_bracket).then(_on_the_line(target, near, far)).otherwise(price)
    for settle, day in contracts:
        price = pl.when(day == target).then(settle).otherwise(price)
    extrapolated = _on_the_line(target, contracts[0], contracts[1])
    return pl.when(days[0] > target).then(extrapolated).otherwise(price)


def _on_the_line(target: int, near: tuple[pl.Expr, pl.Expr], far: tuple[pl.Expr, pl.Expr]) -> pl.Expr:
    (near_settle, near_days), (far_settle, far_days) = near, far
    return near_settle + (far_settle - near_settle) * (target - near_days) / (far_days - near_days)


def _monthlies(futures: pl.LazyFrame) -> pl.LazyFrame:
    return futures.filter((pl.col("root") == "VX") & pl.col("is_monthly")).select(
        "session_date", "expiration", "settle"
    )


def _monthly_contracts(calendar: TradingCalendar) -> pl.LazyFrame:
    """Return the contract calendar: `expiration`, and `month_number`, which counts months without a hole."""
    last: date = calendar.sessions[-1].astype(object)
    expirations = vix_monthly_expirations(FIRST_VX_MONTH, last - EXPIRATION_RULE_REACH, calendar=calendar)
    return pl.LazyFrame({"expiration": expirations}, schema={"expiration": pl.Date()}).with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("month_number")
    )


def _serial_months_listed(session: pl.Expr) -> pl.Expr:
    months: pl.Expr = pl.lit(0)
    for since, n_months in SERIAL_MONTHS_LISTED:
        months = pl.when(session >= since).then(n_months).otherwise(months)
    return months


def _curve_wide(structure: pl.LazyFrame) -> pl.LazyFrame:
    """Return one row per session: `settle_k` and `days_k` of rank k, and whether one of them has no row."""
    ranked = structure.filter(pl.col("rank") <= CURVE_RANKS[-1])
    at = {rank: pl.col("rank") == rank for rank in CURVE_RANKS}
    return ranked.group_by("session_date").agg(
        *(pl.col("settle").filter(is_rank).first().alias(f"settle_{rank}") for rank, is_rank in at.items()),
        *(pl.col("days_to_expiry").filter(is_rank).first().alias(f"days_{rank}") for rank, is_rank in at.items()),
        pl.col("settle").is_null().any().alias("lacks_contract"),
    )


def _contract_held(structure: pl.LazyFrame, *, calendar: TradingCalendar, roll_days_before_expiry: int) -> pl.LazyFrame:
    """Return the contract held over each session: the nearest listed one not yet rolled at the close before.

    Columns: `session_date`, `held_expiration`, `held_settle` (points, null if missing), `days_to_roll`
    (sessions, 0 where it is rolled at today's close). A session on which every listed month is rolled has no
    row.
    """
    session_numbers = numbered_sessions(calendar)
    expiration_numbers = session_numbers.select(expiration="session_date", expiration_number="session_number")
    sessions_left = pl.col("expiration_number") - pl.col("session_number") - roll_days_before_expiry
    return (
        structure.select("session_date", "expiration", "settle")
        .join(session_numbers, on="session_date", how="left", validate="m:1")
        .join(expiration_numbers, on="expiration", how="left", validate="m:1")
        .with_columns(sessions_left.alias("days_to_roll"))
        .filter(pl.col("days_to_roll") >= 0)
        .filter(pl.col("expiration") == pl.col("expiration").min().over("session_date"))
        .select("session_date", "days_to_roll", held_expiration="expiration", held_settle="settle")
    )


def _front_index(sessions: pl.LazyFrame, held: pl.LazyFrame, monthlies: pl.LazyFrame) -> pl.LazyFrame:
    """Return the continuous front-month series and its gaps, one row per session of the grid."""
    yesterday = monthlies.select(
        previous_session="session_date", held_expiration="expiration", held_settle_yesterday="settle"
    )
    settle = pl.col("held_settle")
    has_started = settle.is_not_null().cum_max()
    is_start = has_started & ~has_started.shift(1, fill_value=False)
    change = settle - pl.col("held_settle_yesterday")
    step = pl.when(is_start).then(settle).when(has_started).then(change.fill_null(0.0)).otherwise(0.0)
    return (
        sessions.select("session_date", pl.col("session_date").shift(1).alias("previous_session"))
        .join(held, on="session_date", how="left", validate="1:1")
        .join(yesterday, on=["previous_session", "held_expiration"], how="left", validate="m:1")
        .sort("session_date")
        .select(
            "session_date",
            "held_expiration",
            "days_to_roll",
            pl.when(has_started).then(step.cum_sum()).alias("front_index"),
            (change.is_null() & ~is_start).alias("front_index_gap"),
        )
    )
