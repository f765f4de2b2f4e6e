"""What the real histories say, with intervals: docs/real_evidence.md and its figures.

Run from the checkout, on a home that has imported the vendors' files:

    alvh import ../shared/data --home HOME
    python -m benchmarks.real_evidence HOME

Reads the published tables of the home. Every figure has its number of observations and a 95 % interval by the bootstrap
of transforms/evidence: a series is redrawn in blocks of sessions, events one by one.
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.real_evidence_page import FASTER, RATIO, Figure, Histories, draw, page
from flows.calendar import trading_calendar
from transforms.evidence.bootstrap import Floats
from transforms.evidence.claims.vx_reverts_faster import half_life_ratio
from transforms.evidence.estimate import Observations, Sort, estimated, mean_of, mean_where, median_of, quotient

FIRST_SESSION = pl.date(2004, 3, 26)
TABLES = (
    "core.economic_event", "core.futures_settlement", "core.index_level", "feature.curve_daily",
    "feature.mean_reversion_daily", "feature.momentum_daily", "feature.term_structure", "feature.vol_of_vol_daily",
)  # fmt: skip
HORIZONS = (5, 10, 21)
OVERSOLD = 30.0
CONTANGO_SCAN = 0.08
CALM_RUN = 5
N_WORST = 10
SPIKE = 0.10
MONTH = 21
CONTANGO_BOUNDS = (0.0, 0.04, 0.08)
CONTANGO_LABELS = ("below 0%", "0 to 4%", "4 to 8%", "8% and above")
PERIODS = ((2004, 2009), (2010, 2015), (2016, 2020), (2021, 2026))


def read_histories(published: Path) -> Histories:
    """Return the tables of a published home."""
    tables = {name: pl.read_parquet(published / "snapshots" / name / "**" / "*.parquet") for name in TABLES}
    return Histories(tables, daily_rows(tables))


def daily_rows(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one row per session of the VX curve from 2004-03-26 on.

    Columns: spx, vix, vvix (closes, points), vx1, vx2, contango_ratio, roll_yield_daily, constant_maturity_30d; rsi (of
    front VX); held_return (return of the VX contract held over the session, decimal; null over a gap);
    sessions_below_30 (of VVIX); is_eve (orders fill in the week's first session); year; bucket (of contango, from 0);
    realized_ahead (vol of SPX over the next month, points); session_number; and what `_ahead` looks ahead to.
    """
    closes = tables["core.index_level"].pivot("symbol", index="session_date", values="close")
    curve = tables["feature.curve_daily"].sort("session_date")
    before = (
        tables["core.futures_settlement"]
        .filter("is_monthly")
        .select(previous_session="session_date", held_expiration="expiration", held_before="settle")
    )
    calendar = trading_calendar()
    sessions = curve["session_date"].to_list()
    weeks = [day.isocalendar()[:2] != calendar.after(day).isocalendar()[:2] for day in sessions]
    rsi = tables["feature.momentum_daily"].filter(pl.col("series") == "vx_front").select("session_date", "rsi")
    calm = tables["feature.vol_of_vol_daily"].select("session_date", "sessions_below_30")
    first = tables["feature.term_structure"].filter(pl.col("rank") == 1)
    front = first.select("session_date", vx1_expiration="expiration")
    change = pl.col("front_index").diff()
    return (
        curve.with_columns(
            is_eve=pl.Series(weeks),
            previous_session=pl.col("session_date").shift(1),
            change=pl.when(~pl.col("front_index_gap")).then(change),
        )
        .join(before, on=["previous_session", "held_expiration"], how="left", validate="m:1")
        .join(closes.select("session_date", spx="SPX", vvix="VVIX"), on="session_date", how="left", validate="1:1")
        .join(rsi, on="session_date", how="left", validate="1:1")
        .join(calm, on="session_date", how="left", validate="1:1")
        .join(front, on="session_date", how="left", validate="1:1")
        .filter(pl.col("session_date") >= FIRST_SESSION)
        .sort("session_date")
        .with_columns(held_return=pl.col("change") / pl.col("held_before"))
        .with_columns(
            *_ahead(),
            year=pl.col("session_date").dt.year(),
            bucket=pl.sum_horizontal([(pl.col("contango_ratio") >= bound).cast(pl.Int64) for bound in CONTANGO_BOUNDS]),
            realized_ahead=_realized_ahead(MONTH),
            session_number=pl.int_range(pl.len(), dtype=pl.Int64),
        )
    )


def _ahead() -> Iterator[pl.Expr]:
    """Yield what happened over the next sessions: VIX in points, SPX as a return, VX held (and rolled) as a return."""
    for horizon in (1, *HORIZONS):
        yield (pl.col("vix").shift(-horizon) - pl.col("vix")).alias(f"vix_ahead_{horizon}")
        yield (pl.col("spx").shift(-horizon) / pl.col("spx") - 1.0).alias(f"spx_ahead_{horizon}")
        growth = (1.0 + pl.col("held_return")).log().rolling_sum(horizon, min_samples=horizon)
        yield (growth.shift(-horizon).exp() - 1.0).alias(f"vx_ahead_{horizon}")


def _realized_ahead(horizon: int) -> pl.Expr:
    squares = (pl.col("spx") / pl.col("spx").shift(1)).log() ** 2
    return 100.0 * (252.0 * squares.rolling_mean(horizon, min_samples=horizon).shift(-horizon)).sqrt()


def values(frame: pl.DataFrame, column: str) -> Floats:
    """Return a column without nulls, in time order."""
    return frame.sort("session_date")[column].drop_nulls().cast(pl.Float64).to_numpy()


def figure(
    section: str, row: str, name: str, observations: Observations, *, sort: Sort, unit: str, scale: float = 1.0
) -> Figure:
    """Return the figure of some observations; `scale` takes the statistic to `unit`."""
    found = estimated(observations, sort=sort, key=f"{section}|{row}|{name}")
    low, high = found.interval() or (None, None)
    scaled = [None if value is None else scale * value for value in (found.estimate, low, high)]
    return Figure(section, row, name, unit, found.n, *scaled)


def contango_by_year(daily: pl.DataFrame) -> Iterator[Figure]:
    """Yield how often, and how steeply, VX2 stood above VX1."""
    years = [("all", daily), *((str(year), frame) for (year,), frame in daily.group_by("year", maintain_order=True))]
    for row, frame in years:
        known = frame.drop_nulls("contango_ratio")
        if known.is_empty():
            continue
        above = known.select("session_date", up=pl.col("contango_ratio") > 0.0, scan=pl.col("contango_ratio") > 0.08)
        section = "contango"
        yield figure(section, row, "VX2 above VX1", mean_of(values(above, "up")), sort="series", unit="%", scale=100)
        yield figure(section, row, "above 8%", mean_of(values(above, "scan")), sort="series", unit="%", scale=100)
        median = median_of(values(known, "contango_ratio"))
        yield figure(section, row, "median contango", median, sort="series", unit="%", scale=100)


def roll_yield(daily: pl.DataFrame) -> Iterator[Figure]:
    """Yield what a holder of front VX was to lose if VIX stood still, and what came, by contango."""
    section, ahead = "roll yield", daily.drop_nulls(["contango_ratio", "roll_yield_daily", "vx_ahead_1"])
    carry = -ahead["roll_yield_daily"].to_numpy() * 365.0 / 252.0
    came = ahead["vx_ahead_1"].to_numpy()
    bucket = ahead["bucket"].to_numpy()
    for number, row in [(None, "all"), *enumerate(CONTANGO_LABELS)]:
        chosen = np.ones(len(bucket)) if number is None else (bucket == number).astype(np.float64)
        for name, series in (("carry if VIX stands still", carry), ("return of VX held", came)):
            yield figure(section, row, name, mean_where(series, chosen), sort="series", unit="% a session", scale=100)
    slope = Observations(
        np.stack([carry, came, carry * came, carry**2], axis=1),
        len(carry),
        lambda m: (m[..., 2] - m[..., 0] * m[..., 1]) / (m[..., 3] - m[..., 0] ** 2),
    )
    yield figure(section, "all", "slope of the return on the carry", slope, sort="series", unit="ratio")


def oversold_starts(daily: pl.DataFrame) -> pl.DataFrame:
    """Return the first sessions of episodes with RSI below 30, with `sessions` they lasted; warm-ups start none."""
    is_low, before = pl.col("rsi") < OVERSOLD, pl.col("rsi").shift(1)
    marked = daily.sort("session_date").with_columns(
        is_low=is_low.fill_null(False), starts=(is_low & (before >= OVERSOLD)).fill_null(False)
    )
    run = marked.with_columns(run=(~pl.col("is_low")).cum_sum())
    lasted = run.filter("is_low").group_by("run").agg(sessions=pl.len())
    return run.filter("starts").join(lasted, on="run", how="left", validate="m:1").sort("session_date")


def apart(events: pl.DataFrame, column: str, horizon: int) -> Floats:
    """Return a column at events at least `horizon` sessions after the last one taken, so that none shares a session."""
    taken, last = [], -horizon
    for number, value in events.select("session_number", column).iter_rows():
        if value is not None and number - last >= horizon:
            taken.append(value)
            last = number
    return np.array(taken, dtype=np.float64)


def oversold(daily: pl.DataFrame) -> Iterator[Figure]:
    """Yield how often and how long front VX was oversold, and what VIX and VX did then."""
    section, starts = "RSI below 30", oversold_starts(daily)
    known = daily.drop_nulls("rsi")
    share = mean_of(values(known.select("session_date", low=pl.col("rsi") < OVERSOLD), "low"))
    yield figure(section, "episodes", "share of sessions", share, sort="series", unit="%", scale=100)
    length = median_of(starts["sessions"].cast(pl.Float64).to_numpy())
    yield figure(section, "episodes", "median length", length, sort="events", unit="sessions")
    yield from _aftermath(section, "first session of an episode", starts, daily)


def _aftermath(section: str, row: str, events: pl.DataFrame, daily: pl.DataFrame) -> Iterator[Figure]:
    """Yield what followed events, and what followed any session."""
    for horizon in HORIZONS:
        for name, column, unit, scale in (
            ("VIX", f"vix_ahead_{horizon}", "points", 1.0),
            ("VX held", f"vx_ahead_{horizon}", "%", 100.0),
            ("SPX", f"spx_ahead_{horizon}", "%", 100.0),
        ):
            after = mean_of(apart(events, column, horizon))
            any_session = mean_of(values(daily, column))
            label = f"{name}, next {horizon}"
            yield figure(section, row, label, after, sort="events", unit=unit, scale=scale)
            yield figure(section, "any session", label, any_session, sort="series", unit=unit, scale=scale)


def half_lives(histories: Histories) -> Iterator[Figure]:
    """Yield how fast 30-day VX reverts against VIX: over the whole, by period, and in the nightly windows."""
    daily, section = histories.daily, "half-lives"
    vix = daily.select("session_date", level="vix")
    for row, frame in [("all", daily), *_periods(daily)]:
        ratio = half_life_ratio(frame.select("session_date", "constant_maturity_30d"), vix)
        yield figure(section, row, RATIO, ratio, sort="series", unit="ratio")
    rolling = rolling_half_lives(histories)
    for name, column in (("30-day VX, median", "vx_30d"), ("VIX, median", "spx_iv_30d")):
        found = float(rolling[column].median())  # type: ignore[arg-type]
        yield Figure(section, "windows of 252 sessions", name, "sessions", rolling.height, found, None, None)
    shorter = float((rolling["vx_30d"] < rolling["spx_iv_30d"]).mean())  # type: ignore[arg-type]
    yield Figure(section, "windows of 252 sessions", FASTER, "%", rolling.height, 100.0 * shorter, None, None)


def rolling_half_lives(histories: Histories) -> pl.DataFrame:
    """Return the nightly half-lives of both series, sessions, on the sessions that have both."""
    reversion = histories.tables["feature.mean_reversion_daily"]
    return reversion.pivot("series", index="session_date", values="half_life").drop_nulls().sort("session_date")


def _periods(daily: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for first, last in PERIODS:
        yield f"{first} to {last}", daily.filter(pl.col("year").is_between(first, last))


def trigger(daily: pl.DataFrame) -> Iterator[Figure]:
    """Yield how often the conditions of the second engine held, alone and together."""
    known = daily.drop_nulls(["contango_ratio", "rsi"]).with_columns(
        scan=pl.col("contango_ratio") > CONTANGO_SCAN, low=pl.col("rsi") < OVERSOLD
    )
    conditions = {
        "contango above 8%": pl.col("scan"),
        "RSI below 30": pl.col("low"),
        "both": pl.col("scan") & pl.col("low"),
        "both, on the eve of a week": pl.col("scan") & pl.col("low") & pl.col("is_eve"),
    }
    for row, frame in [("all", known), *_periods(known)]:
        for name, condition in conditions.items():
            share = mean_of(values(frame.select("session_date", held=condition), "held"))
            yield figure("trigger", row, name, share, sort="series", unit="%", scale=100)
    eves = known.filter("is_eve")
    for name, condition in (("of eves: both", conditions["both"]), ("of eves: contango above 8%", pl.col("scan"))):
        share = mean_of(values(eves.select("session_date", held=condition), "held"))
        yield figure("trigger", "all", name, share, sort="series", unit="%", scale=100)
    together = known.filter("scan").select("session_date", held=pl.col("low"))
    yield figure(
        "trigger", "all", "of sessions above 8%: RSI below 30", mean_of(values(together, "held")), sort="series",
        unit="%", scale=100,
    )  # fmt: skip


def calm_vol_of_vol(daily: pl.DataFrame) -> Iterator[Figure]:
    """Yield how often VVIX stayed low for five sessions, and what followed the fifth."""
    section, known = "VVIX low", daily.drop_nulls("sessions_below_30")
    held = known.select("session_date", calm=pl.col("sessions_below_30") >= CALM_RUN)
    yield figure(
        section, "runs", "share of sessions", mean_of(values(held, "calm")), sort="series", unit="%", scale=100
    )
    begun = daily.filter(pl.col("sessions_below_30") == CALM_RUN)
    ends = known.with_columns(next_run=pl.col("sessions_below_30").shift(-1))
    lengths = ends.filter((pl.col("sessions_below_30") >= CALM_RUN) & (pl.col("next_run") == 0))["sessions_below_30"]
    length = median_of(lengths.cast(pl.Float64).to_numpy())
    yield figure(section, "runs", "median length of runs of 5 or more", length, sort="events", unit="sessions")
    yield from _aftermath(section, "fifth session of a run", begun, daily)


def decision_windows(economic_event: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """Return one row per FOMC decision, scheduled or not: VIX and SPX at the closes before and after it.

    The close after is that of the day, or of the next session for a decision on a day without one.
    """
    decisions = (
        economic_event.filter(pl.col("event").is_in(["fomc_decision", "fomc_intermeeting"]))
        .sort("event_date", "event")
        .unique("event_date", keep="first", maintain_order=True)
        .select("event_date", "event")
    )
    closes = daily.select(
        "session_date", "vix", "spx", "session_number", "vx_ahead_1",
        vix_before=pl.col("vix").shift(1), spx_before=pl.col("spx").shift(1), vx_return="held_return",
    )  # fmt: skip
    return (
        decisions.join_asof(
            closes.sort("session_date"), left_on="event_date", right_on="session_date", strategy="forward",
            coalesce=False,
        )
        .drop_nulls(["vix", "vix_before"])
        .with_columns(
            vix_change=pl.col("vix") / pl.col("vix_before") - 1.0, spx_return=pl.col("spx") / pl.col("spx_before") - 1.0
        )
    )  # fmt: skip


def decisions(histories: Histories) -> Iterator[Figure]:
    """Yield what VIX did over FOMC decisions, and how many spikes there were for a layer to offset."""
    section = "FOMC"
    windows = decision_windows(histories.tables["core.economic_event"], histories.daily)
    daily = histories.daily.with_columns(vix_change=pl.col("vix") / pl.col("vix").shift(1) - 1.0)
    for row, frame in (
        ("scheduled decisions", windows.filter(pl.col("event") == "fomc_decision")),
        ("unscheduled decisions", windows.filter(pl.col("event") == "fomc_intermeeting")),
    ):
        change = frame["vix_change"].to_numpy()
        yield figure(section, row, "median change of VIX", median_of(change), sort="events", unit="%", scale=100)
        spikes = mean_of((change >= SPIKE).astype(np.float64))
        yield figure(section, row, "VIX up a tenth or more", spikes, sort="events", unit="%", scale=100)
    every = values(daily, "vix_change")
    yield figure(section, "any session", "median change of VIX", median_of(every), sort="series", unit="%", scale=100)
    spikes = mean_of((every >= SPIKE).astype(np.float64))
    yield figure(section, "any session", "VIX up a tenth or more", spikes, sort="series", unit="%", scale=100)


def betas(daily: pl.DataFrame) -> Iterator[Figure]:
    """Yield how many percent VX1 (held) and VIX moved for one percent of SPX, on falls and on rises."""
    frame = daily.sort("session_date").with_columns(
        spx_return=pl.col("spx") / pl.col("spx").shift(1) - 1.0, vix_return=pl.col("vix") / pl.col("vix").shift(1) - 1.0
    )
    for row, rule in (
        ("SPX falls", pl.col("spx_return") < 0.0),
        ("SPX falls 2% or more", pl.col("spx_return") <= -0.02),
        ("SPX rises", pl.col("spx_return") > 0.0),
    ):
        for name, column in (("front VX", "held_return"), ("VIX", "vix_return")):
            known = frame.drop_nulls(["spx_return", column])
            chosen = known.select(chosen=rule)["chosen"].cast(pl.Float64).to_numpy()
            moves = known.select("spx_return", column).to_numpy() * chosen[:, None]
            ratio = Observations(moves[:, ::-1].copy(), int(chosen.sum()), quotient)
            yield figure("beta", row, f"{name} per 1% of SPX", ratio, sort="series", unit="%")


def variance_premium(daily: pl.DataFrame) -> Iterator[Figure]:
    """Yield what VIX promised over what SPX then realized in a month, on months that do not overlap."""
    monthly = daily.filter(pl.col("session_number") % MONTH == 0).drop_nulls(["vix", "realized_ahead"])
    bounds = (0.0, 15.0, 20.0, 30.0, 1_000.0)
    labels = ("VIX below 15", "15 to 20", "20 to 30", "30 and above")
    buckets = [pl.col("vix").is_between(low, high, closed="left") for low, high in pairwise(bounds)]
    for row, rule in [("all", pl.lit(True)), *zip(labels, buckets, strict=True)]:
        gap = monthly.filter(rule).select("session_date", gap=pl.col("vix") - pl.col("realized_ahead"))
        found = values(gap, "gap")
        section = "variance premium"
        yield figure(section, row, "VIX less realized", mean_of(found), sort="series", unit="points")
        positive = mean_of((found > 0.0).astype(np.float64))
        yield figure(section, row, "VIX above realized", positive, sort="series", unit="%", scale=100)


def worst_sessions(daily: pl.DataFrame, *, from_contango: bool = False) -> pl.DataFrame:
    """Return the ten sessions on which SPX fell most: moves in points, `spx_return` and `contango_before` in decimals.

    `from_contango` keeps those with VX2 above VX1 at the close before.

    VX1 and VX2 are null where a month expired, since they are other contracts than on the session before.
    """
    names = ("vix", "vvix", "vx1", "vx2")
    is_same = (pl.col("vx1_expiration") == pl.col("vx1_expiration").shift(1)).fill_null(False)
    return (
        daily.sort("session_date")
        .with_columns(
            *((pl.col(name) - pl.col(name).shift(1)).alias(f"{name}_change") for name in names),
            spx_return=pl.col("spx") / pl.col("spx").shift(1) - 1.0,
            contango_before=pl.col("contango_ratio").shift(1),
            is_same=is_same,
        )
        .with_columns(pl.when("is_same").then(pl.col(f"{name}_change")).alias(f"{name}_change") for name in names[2:])
        .drop_nulls("spx_return")
        .sort("spx_return", "session_date")
        .filter((pl.col("contango_before") > 0.0) if from_contango else True)
        .head(N_WORST)
        .select(
            "session_date", "spx_return", "vix", *(f"{name}_change" for name in names), "contango_before", "held_return"
        )
    )


def all_figures(histories: Histories) -> list[Figure]:
    """Return every figure of the page."""
    daily = histories.daily
    return [
        *contango_by_year(daily),
        *roll_yield(daily),
        *oversold(daily),
        *half_lives(histories),
        *trigger(daily),
        *calm_vol_of_vol(daily),
        *decisions(histories),
        *betas(daily),
        *variance_premium(daily),
    ]


def main() -> None:
    """Write the page and its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    histories = read_histories(parser.parse_args().home / "published")
    figures = all_figures(histories)
    daily = histories.daily
    page(figures, histories, worst_sessions(daily), worst_sessions(daily, from_contango=True))
    windows = decision_windows(histories.tables["core.economic_event"], histories.daily)
    draw(figures, rolling_half_lives(histories), windows)
    print(f"{len(figures)} figures")


if __name__ == "__main__":
    main()
