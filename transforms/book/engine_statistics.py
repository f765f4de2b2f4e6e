"""What the two engines are to each other, session by session: mart.engine_statistics, and the correlations of
mart.engine_daily (METHOD section 9).

Everything runs from the first session of the book; a row of T rests on rows up to T.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.book.capital_cost import box_rates, cost_of_capital
from transforms.book.internal_rate import rates_to_date
from transforms.book.offset import LEAST_LOSS_SHARE, drawdown_in_force, drawdown_path, with_offset
from transforms.schemas import ENGINE_STATISTICS, POSITION_DAILY, POSITION_EVENT

Floats = NDArray[np.float64]

CORRELATION_SESSIONS = (20, 60)
ADJUSTED = ("widened", "tightened")
ATTRIBUTION = ("pnl_delta", "pnl_gamma", "pnl_vega", "pnl_theta", "pnl_slippage", "pnl_residual", "pnl_fees")
# Dollars; an engine whose P&L moves by less did not move.
STILL = 1e-9


@dataclass(frozen=True)
class BookTables:
    """The tables mart.engine_statistics is made from, every session of the book from its first.

    position, position_event, position_daily, engine_daily and account_daily are the mart tables of those names,
    box_curve is feature.box_curve. Held positions may be among them: only paper ones count.
    """

    position: pl.DataFrame
    position_event: pl.DataFrame
    position_daily: pl.DataFrame
    engine_daily: pl.DataFrame
    account_daily: pl.DataFrame
    box_curve: pl.DataFrame


def engine_correlations(engine_daily: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `correlation_20d`, `correlation_60d`: one row per session both engines have a row for.

    Pearson's correlation of the engines' pnl over that many sessions up to and with the session's own. Null before
    there are so many, where one is unknown, and where either engine's pnl is constant.
    """
    pnl = _wide(engine_daily, "pnl").sort("session_date")
    condor, second = (pnl[f"pnl_{engine}"].cast(pl.Float64).to_numpy() for engine in ("condor", "second"))
    return pnl.select(
        "session_date",
        *(
            pl.Series(f"correlation_{window}d", _rolling_correlation(condor, second, window=window), nan_to_null=True)
            for window in CORRELATION_SESSIONS
        ),
    )


def engine_statistics(
    book: BookTables, *, required_return: float | None, only_sessions: Sequence[date] | None = None
) -> pl.DataFrame:
    """Return mart.engine_statistics: one row per session of mart.engine_daily, or per one of `only_sessions` it has.

    Parameters
    ----------
    book : BookTables
    required_return : decimal a year
        What own capital must earn (METHOD section 9); None leaves the costs of capital null where there is any.
    only_sessions
        Sessions to give rows for. They are the same rows as without it; the internal rates of the others are not
        searched, which is nearly all the work.

    Notes
    -----
    Internal rates: what is posted and released is the engine's margin in engine_daily, what is paid and received the
    cash of position_event, what closes what is open the marks of position_daily; interest is no part of it. A session
    whose margin is unknown has none.

    Ledger: the second engine's cash, less what it paid for widening and tightening condors: of the cash such an event
    cost, as much as there was at the end of the session before (transforms/book/step.py pays so).
    """
    paper = book.position.filter(pl.col("book") == "paper").select("position_id", "engine")
    # Sums are added up in the order of the key, whatever the order of the rows.
    events = book.position_event.join(paper, on="position_id", how="inner", validate="m:1").sort(POSITION_EVENT.key)
    daily = book.position_daily.filter(pl.col("book") == "paper").sort(POSITION_DAILY.key)
    sessions = book.engine_daily.select("session_date").unique().sort("session_date")
    parts = (
        _offset(book, sessions),
        _rates(book.engine_daily, events, daily, sessions, only_sessions),
        _capital_cost(book, events, daily, required_return=required_return),
        _overlap(book.engine_daily, daily),
        _ledger(book.engine_daily, events),
        _residual_share(daily, sessions),
    )
    rows = sessions
    for part in parts:
        rows = rows.join(part, on="session_date", how="left", validate="1:1")
    if only_sessions is not None:
        rows = rows.filter(pl.col("session_date").is_in(list(only_sessions)))
    return ENGINE_STATISTICS.conform(rows.select(ENGINE_STATISTICS.column_names))


def _wide(engine_daily: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Return one row per session with `<name>_condor` and `<name>_second`; an engine with nothing open has 0 of all."""
    nothing_open = pl.col("n_open") == 0
    condor, second = (
        engine_daily.filter(pl.col("engine") == engine).select(
            "session_date",
            *(
                pl.when(nothing_open).then(pl.col(name).fill_null(0)).otherwise(name).alias(f"{name}_{engine}")
                for name in names
            ),
        )
        for engine in ("condor", "second")
    )
    return condor.join(second, on="session_date", how="inner", validate="1:1")


def _rolling_correlation(left: Floats, right: Floats, *, window: int) -> Floats:
    """Return Pearson's correlation over each window, NaN where there is none; each window is summed by itself."""
    result = np.full(left.size, np.nan)
    if left.size < window:
        return result
    views = [np.lib.stride_tricks.sliding_window_view(values, window).copy() for values in (left, right)]
    deviations = [view - view.mean(axis=1, keepdims=True) for view in views]
    moves = np.all([np.ptp(view, axis=1) > STILL for view in views], axis=0)
    a, b = deviations
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        result[window - 1 :] = np.where(moves, ((a * b).sum(axis=1) / scale).clip(-1.0, 1.0), np.nan)
    return result


def _offset(book: BookTables, sessions: pl.DataFrame) -> pl.DataFrame:
    path = drawdown_path(book.position, book.position_event, book.position_daily)
    in_force = drawdown_in_force(path, sessions)
    return with_offset(in_force, book.engine_daily, least_loss=LEAST_LOSS_SHARE * pl.col("credit")).select(
        "session_date",
        "offset_ratio",
        pl.col("drawdown_from").alias("offset_from"),
        pl.col("drawdown_to").alias("offset_to"),
    )


def _rates(
    engine_daily: pl.DataFrame,
    events: pl.DataFrame,
    daily: pl.DataFrame,
    sessions: pl.DataFrame,
    only_sessions: Sequence[date] | None,
) -> pl.DataFrame:
    """Return `session_date`, `irr_condor`, `irr_both`, `irr_roots` of the sessions asked for."""
    asked = sessions["session_date"] if only_sessions is None else pl.Series(only_sessions, dtype=pl.Date)
    at = np.flatnonzero(sessions["session_date"].is_in(asked.implode()).to_numpy()).tolist()
    days = sessions["session_date"].to_physical().cast(pl.Int64).to_numpy()
    flows = sessions.join(_wide(engine_daily, "margin"), on="session_date", how="left", validate="1:1")
    for name, amounts in (("cash", events), ("mark", daily)):
        for engine in ("condor", "second"):
            own = _sum(amounts.filter(pl.col("engine") == engine), name, alias=f"{name}_{engine}")
            flows = flows.join(own, on="session_date", how="left", validate="1:1").with_columns(
                pl.col(f"{name}_{engine}").fill_null(0.0)
            )
    flows = flows.sort("session_date")
    columns = {name: flows[name].cast(pl.Float64).to_numpy() for name in flows.columns[1:]}
    found = {}
    for name, engines in (("irr_condor", ("condor",)), ("irr_both", ("condor", "second"))):
        margin, cash, mark = (
            np.sum([columns[f"{part}_{engine}"] for engine in engines], axis=0) for part in ("margin", "cash", "mark")
        )
        rates = rates_to_date(days, margin=margin, cash=cash, mark=mark, at=at)
        found[name] = [[] if roots is None else roots.tolist() for roots in rates]
    several = [{name: roots[row] for name, roots in found.items() if len(roots[row]) > 1} for row in range(len(at))]
    return pl.DataFrame(
        {
            "session_date": sessions["session_date"].gather(at),
            **{name: [own[0] if len(own) == 1 else None for own in roots] for name, roots in found.items()},
            "irr_roots": [json.dumps(roots) if roots else None for roots in several],
        },
        schema_overrides={"irr_condor": pl.Float64, "irr_both": pl.Float64, "irr_roots": pl.String},
    )


def _capital_cost(
    book: BookTables, events: pl.DataFrame, daily: pl.DataFrame, *, required_return: float | None
) -> pl.DataFrame:
    """Return `session_date`, `wacc`, `wacc_alternative`."""
    by_position = events.with_columns(pl.col("cash") + pl.col("fees")).sort("position_id", "session_date", "event")
    received = _sum(by_position, "cash", alias="received", by=("position_id", "session_date")).select(
        "session_date",
        "position_id",
        pl.col("received").cum_sum().over("position_id", order_by="session_date").alias("premium"),
    )
    open_now = (
        daily.filter("is_open")
        .with_columns((pl.col("margin") * pl.col("days_to_expiry")).alias("margin_days"))
        .join_asof(received, on="session_date", by="position_id", strategy="backward", check_sortedness=False)
    )
    sums = [
        _sum(open_now, name, alias=alias)
        for name, alias in (("premium", "net_premium"), ("margin_days", "margin_days"), ("margin", "open_margin"))
    ]
    margin = _wide(book.engine_daily, "margin").select(
        "session_date", (pl.col("margin_condor") + pl.col("margin_second")).alias("margin")
    )
    account = book.account_daily.select("session_date", "cash", "marketable_securities", "margin_loan_rate")
    funding = margin.join(account, on="session_date", how="left", validate="1:1")
    for own in sums:
        funding = funding.join(own, on="session_date", how="left", validate="1:1")
    funding = funding.with_columns(
        pl.when(pl.col("open_margin") > 0.0).then(pl.col("margin_days") / pl.col("open_margin")).alias("tenor_days")
    )
    rates = box_rates(book.box_curve, funding.select("session_date", "tenor_days"))
    return cost_of_capital(
        funding.join(rates, on="session_date", how="left", validate="1:1"), required_return=required_return
    )


def _overlap(engine_daily: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `coverage_gap_days`, `theta_overlap`, `theta_both`."""
    nearest = [
        daily.filter(pl.col("is_open") & (pl.col("engine") == engine))
        .group_by("session_date")
        .agg(pl.col("days_to_expiry").min().alias(f"nearest_{engine}"))
        for engine in ("condor", "second")
    ]
    both_open = (pl.col("n_open_condor") > 0) & (pl.col("n_open_second") > 0)
    rows = _wide(engine_daily, "theta", "n_open")
    for frame in nearest:
        rows = rows.join(frame, on="session_date", how="left", validate="1:1")
    condor, second = pl.col("theta_condor"), pl.col("theta_second")
    return rows.select(
        "session_date",
        (pl.col("nearest_condor") - pl.col("nearest_second")).cast(pl.Float64).alias("coverage_gap_days"),
        pl.when(both_open & (condor != 0.0)).then(second / condor).alias("theta_overlap"),
        (condor + second).alias("theta_both"),
    )


def _ledger(engine_daily: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `ledger_balance`, `adjustments_proposed`, `adjustments_funded`."""
    adjustments = events.filter(pl.col("event").is_in(ADJUSTED) & (pl.col("engine") == "condor")).with_columns(
        (-pl.col("cash")).clip(lower_bound=0.0).alias("cost")
    )
    rows = (
        engine_daily.filter(pl.col("engine") == "second")
        .select("session_date", "cash")
        .join(_sum(adjustments, "cost", alias="cost"), on="session_date", how="left", validate="1:1")
        .sort("session_date")
        .with_columns(pl.col("cost").fill_null(0.0), pl.col("cash").shift(1).fill_null(0.0).alias("cash_before"))
    )
    cost, cash_before = (rows[name].to_numpy() for name in ("cost", "cash_before"))
    paid, spent = np.zeros(rows.height), 0.0
    for row in np.flatnonzero(cost):
        paid[row] = min(cost[row], max(cash_before[row] - spent, 0.0))
        spent += paid[row]
    return rows.with_columns(
        pl.col("cost").cum_sum().alias("adjustments_proposed"),
        pl.Series("adjustments_funded", paid).cum_sum(),
    ).select(
        "session_date",
        (pl.col("cash") - pl.col("adjustments_funded")).alias("ledger_balance"),
        "adjustments_proposed",
        "adjustments_funded",
    )


def _residual_share(daily: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return `session_date`, `residual_share`: to date, of paper positions."""
    gross = pl.sum_horizontal(pl.col(name).abs() for name in ATTRIBUTION)
    terms = daily.select("session_date", pl.col("pnl_residual").abs().alias("unexplained"), gross.alias("gross"))
    rows = sessions
    for name in ("unexplained", "gross"):
        rows = rows.join(_sum(terms, name, alias=name), on="session_date", how="left", validate="1:1")
    return (
        rows.sort("session_date")
        .with_columns(pl.col("unexplained", "gross").fill_null(0.0).cum_sum())
        .select(
            "session_date",
            pl.when(pl.col("gross") > 0.0).then(pl.col("unexplained") / pl.col("gross")).alias("residual_share"),
        )
    )


def _sum(frame: pl.DataFrame, name: str, *, alias: str, by: tuple[str, ...] = ("session_date",)) -> pl.DataFrame:
    """Return the sum of a column by session, or `by` other columns, along which the rows are sorted; null counts as 0.

    Added up row by row: the sums of a group_by depend in their last bits on what other rows there are.
    """
    run = frame.select(pl.struct(by).rle_id()).to_series().to_numpy()
    sums = np.bincount(run, weights=frame[name].cast(pl.Float64).fill_null(0.0).to_numpy())
    return frame.select(by).unique(maintain_order=True).with_columns(pl.Series(alias, sums, dtype=pl.Float64))
