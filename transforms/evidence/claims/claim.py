"""What a claim is: a statement, the measure that speaks for or against it, and the observations that make the measure.

The P&L of a session counts per dollar of margin in use over it, the larger of the margins at its two ends: dollars of
fifteen years, in which the index and the account grow, would be the last years' dollars.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.evidence.bootstrap import Floats
from transforms.evidence.estimate import Observations, Sort
from transforms.evidence.verdicts import Claimed

Frames = Mapping[str, pl.DataFrame]
SESSIONS_A_YEAR = 252.0
ENGINE_COLUMNS = ("session_date", "engine", "pnl", "pnl_theta", "margin", "capital_at_risk", "n_open")


@dataclass(frozen=True)
class Claim:
    """One claim of METHOD section 10.

    `measure` says what the estimate is and in which unit; `claimed` where the claim says it lies; `sort` how it is
    redrawn. `needs` names the tables and columns that `observations` reads; it gets frames of these columns.
    """

    name: str
    statement: str
    measure: str
    sort: Sort
    claimed: Claimed
    needs: Mapping[str, tuple[str, ...]]
    observations: Callable[[Frames], Observations]


def engine_sessions(engine_daily: pl.DataFrame) -> pl.DataFrame:
    """Return one row per session both engines have a row for, ascending.

    Columns for each engine (condor, second, both): `<engine>_pnl` and `<engine>_theta` (its part that is theta) in
    dollars, `<engine>_margin` and `<engine>_risk` (capital at risk), dollars in use over the session; an engine
    with nothing open has 0. `both` sums the two, and is null where one is. `days` are calendar days since the session
    before, null in the first row.
    """
    wide = [_engine(engine_daily, engine) for engine in ("condor", "second")]
    rows = wide[0].join(wide[1], on="session_date", how="inner", validate="1:1").sort("session_date")
    parts = ("pnl", "theta", "margin", "risk")
    return rows.with_columns(
        *((pl.col(f"condor_{part}") + pl.col(f"second_{part}")).alias(f"both_{part}") for part in parts),
        pl.col("session_date").diff().dt.total_days().cast(pl.Float64).alias("days"),
    )


def _engine(engine_daily: pl.DataFrame, engine: str) -> pl.DataFrame:
    nothing_open = pl.col("n_open") == 0
    kept = engine_daily.filter(pl.col("engine") == engine).sort("session_date")
    at_close = {
        name: pl.when(nothing_open).then(pl.col(column).fill_null(0.0)).otherwise(column)
        for name, column in (("margin", "margin"), ("risk", "capital_at_risk"))
    }
    in_use = [
        # The larger of the two closes; unknown where either is.
        pl.when(level.is_not_null() & level.shift(1, fill_value=0.0).is_not_null())
        .then(pl.max_horizontal(level, level.shift(1, fill_value=0.0)))
        .alias(f"{engine}_{name}")
        for name, level in at_close.items()
    ]
    return kept.select(
        "session_date",
        pl.when(nothing_open).then(pl.col("pnl").fill_null(0.0)).otherwise("pnl").alias(f"{engine}_pnl"),
        pl.when(nothing_open).then(pl.col("pnl_theta").fill_null(0.0)).otherwise("pnl_theta").alias(f"{engine}_theta"),
        *in_use,
    )


def columns_of(frame: pl.DataFrame, *names: str) -> Floats:
    """Return the named columns as an array (rows, columns), without the rows in which one is null or NaN."""
    wanted = frame.select(pl.col(name).cast(pl.Float64) for name in names)
    array = wanted.to_numpy()
    return np.asarray(array[np.isfinite(array).all(axis=1)], dtype=np.float64)
