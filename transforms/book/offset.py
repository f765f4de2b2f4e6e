"""How much of the first engine's losses the second one earns back (METHOD section 9).

offset = -P&L of the second engine/P&L of the first, between two closes: over each condor's drawdown up to its first
adjustment, and over each FOMC decision on which volatility spiked. P&L is the change of the engines' equity.
"""

import polars as pl

ADJUSTMENTS = ("widened", "tightened", "reduced")
FOMC_DECISIONS = ("fomc_decision", "fomc_intermeeting")
MULTIPLIER = 100.0
# METHOD section 9: a smaller loss is noise, and a ratio over it too.
LEAST_LOSS_SHARE = 0.10
LEAST_VIX_RISE = 0.10


def drawdown_path(position: pl.DataFrame, position_event: pl.DataFrame, position_daily: pl.DataFrame) -> pl.DataFrame:
    """Return the drawdown every condor stands in, session by session: only rows on which it stands in one.

    Parameters
    ----------
    position, position_event, position_daily : mart tables of those names, paper condors and anything else

    Returns
    -------
    One row per session and position: drawdown_from (last session of the highest pnl_total so far), drawdown_to (last
    session of the lowest one since), loss (dollars between them, positive), credit (dollars taken in at opening). A
    condor is in a drawdown while its pnl_total is below its highest and the loss has been at least a tenth of the
    credit; the sessions from its first adjustment on do not count. A row rests on sessions up to its own.
    """
    condors = position.filter((pl.col("engine") == "condor") & (pl.col("book") == "paper")).select(
        "position_id", (MULTIPLIER * pl.col("entry_credit") * pl.col("contracts")).alias("credit")
    )
    adjusted = (
        position_event.filter(pl.col("event").is_in(ADJUSTMENTS))
        .group_by("position_id")
        .agg(pl.col("session_date").min().alias("adjusted_on"))
    )
    own, order = "position_id", "session_date"
    level, highest = pl.col("pnl_total"), pl.col("highest")
    return (
        position_daily.select("session_date", "position_id", "pnl_total")
        .join(condors, on="position_id", how="inner", validate="m:1")
        .join(adjusted, on="position_id", how="left", validate="m:1")
        .filter((pl.col("session_date") < pl.col("adjusted_on")).fill_null(True))
        .sort(own, order)
        .with_columns(level.cum_max().over(own, order_by=order).alias("highest"))
        .with_columns(
            pl.when(level == highest)
            .then("session_date")
            .forward_fill()
            .over(own, order_by=order)
            .alias("drawdown_from")
        )
        .with_columns(level.cum_min().over(own, "drawdown_from", order_by=order).alias("lowest"))
        .with_columns(
            # The peak itself is the first row of its stretch, so its own session stands in until something is lower.
            pl.when(level == pl.col("lowest"))
            .then("session_date")
            .forward_fill()
            .over(own, "drawdown_from", order_by=order)
            .alias("drawdown_to"),
            (highest - pl.col("lowest")).alias("loss"),
        )
        .filter((level < highest) & (pl.col("credit") > 0.0) & (pl.col("loss") >= LEAST_LOSS_SHARE * pl.col("credit")))
        .select("session_date", "position_id", "drawdown_from", "drawdown_to", "loss", "credit")
    )


def drawdown_in_force(path: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return the drawdown in force on each session, or the last one that ended: columns of `path`, one row a session.

    Of several in force the one with the largest loss. `sessions` has `session_date`, ascending; nulls before the first
    drawdown.
    """
    worst = (
        path.sort("session_date", "loss", "position_id", descending=[False, True, False])
        .unique("session_date", keep="first", maintain_order=True)
        .rename({"session_date": "seen_on"})
    )
    return sessions.join_asof(worst, left_on="session_date", right_on="seen_on", strategy="backward").drop("seen_on")


def condor_drawdowns(path: pl.DataFrame, engine_daily: pl.DataFrame) -> pl.DataFrame:
    """Return the drawdowns of `drawdown_path`, each as its last session left it, with the engines' offset.

    One row per position and drawdown_from: position_id, drawdown_from, drawdown_to, last_session, loss, credit, and the
    columns of `with_offset`.
    """
    last = (
        path.sort("position_id", "drawdown_from", "session_date")
        .unique(["position_id", "drawdown_from"], keep="last", maintain_order=True)
        .rename({"session_date": "last_session"})
    )
    rows = with_offset(last, engine_daily, least_loss=LEAST_LOSS_SHARE * pl.col("credit"))
    return rows.select(
        "position_id", "drawdown_from", "drawdown_to", "last_session", "loss", "credit",
        "pnl_first", "pnl_second", "layers_open", "offset_ratio",
    )  # fmt: skip


def fomc_spikes(economic_event: pl.DataFrame, index_level: pl.DataFrame, engine_daily: pl.DataFrame) -> pl.DataFrame:
    """Return the FOMC decisions between whose closes VIX rose by a tenth or more, with the engines' offset.

    One row per decision: event_date, drawdown_from and drawdown_to (sessions of the last VIX close before the decision
    and of the first after it), vix_from, vix_to (points), and the columns of `with_offset`. Decisions whose instant is
    not given count as of the day's afternoon; one after the close has its spike on the session after. Decisions without
    a later VIX close are left out.

    Parameters
    ----------
    economic_event, index_level : core tables of those names
    engine_daily : mart.engine_daily; decisions before its first session are left out
    """
    closes = (
        index_level.filter(pl.col("symbol") == "VIX")
        .select(pl.col("session_date").alias("drawdown_to"), pl.col("close").alias("vix_to"))
        .sort("drawdown_to")
        .with_columns(
            pl.col("drawdown_to").shift(1).alias("drawdown_from"), pl.col("vix_to").shift(1).alias("vix_from")
        )
    )
    local = pl.col("event_ts").dt.replace_time_zone("UTC").dt.convert_time_zone("America/New_York").dt.time()
    after_close = (local >= pl.time(16)).fill_null(False)
    decisions = (
        economic_event.filter(pl.col("event").is_in(FOMC_DECISIONS))
        .select(
            "event_date", (pl.col("event_date") + pl.duration(days=after_close.cast(pl.Int64))).alias("reacts_from")
        )
        .sort("reacts_from", "event_date")
        .unique("event_date", keep="first", maintain_order=True)
    )
    windows = decisions.join_asof(
        closes, left_on="reacts_from", right_on="drawdown_to", strategy="forward", coalesce=False
    ).filter(pl.col("vix_to") >= (1.0 + LEAST_VIX_RISE) * pl.col("vix_from"))
    rows = with_offset(windows, engine_daily, least_loss=pl.lit(0.0))
    return rows.filter(pl.col("pnl_first").is_not_null()).select(
        "event_date", "drawdown_from", "drawdown_to", "vix_from", "vix_to",
        "pnl_first", "pnl_second", "layers_open", "offset_ratio",
    )  # fmt: skip


def with_offset(windows: pl.DataFrame, engine_daily: pl.DataFrame, *, least_loss: pl.Expr) -> pl.DataFrame:
    """Return `windows` with what the engines earned between two closes, and the offset.

    Parameters
    ----------
    windows : rows with drawdown_from and drawdown_to, sessions
    engine_daily : mart.engine_daily
    least_loss : dollars
        What the first engine must have lost for a ratio.

    Returns
    -------
    pnl_first, pnl_second (dollars, null if the engine has no row on either session), layers_open (positions of the
    second engine open at the first close), offset_ratio: null unless the first engine lost, and lost `least_loss`.
    """
    result = windows
    for engine, name in (("condor", "first"), ("second", "second")):
        own = engine_daily.filter(pl.col("engine") == engine)
        for end in ("from", "to"):
            ends = own.select(
                pl.col("session_date").alias(f"drawdown_{end}"),
                pl.col("equity").alias(f"{name}_{end}"),
                pl.col("n_open").alias(f"open_{name}_{end}"),
            )
            result = result.join(ends, on=f"drawdown_{end}", how="left", validate="m:1", maintain_order="left")
    first, second = pl.col("pnl_first"), pl.col("pnl_second")
    return result.with_columns(
        (pl.col("first_to") - pl.col("first_from")).alias("pnl_first"),
        (pl.col("second_to") - pl.col("second_from")).alias("pnl_second"),
        pl.col("open_second_from").alias("layers_open"),
    ).with_columns(pl.when((first < 0.0) & (-first >= least_loss)).then(-second / first).alias("offset_ratio"))
