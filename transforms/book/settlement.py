"""The values options settle to: those the exchange states, else the index's own prints (METHOD section 9)."""

import polars as pl

COLUMNS = ["root", "expiration", "value", "source", "exact"]


def settlement_values(stated: pl.DataFrame, levels: pl.DataFrame) -> pl.DataFrame:
    """Return one row per root and expiration: value (points), source and whether it is exact.

    `stated`: core.settlement_value, which outranks; `levels`: core.index_level. SPX settles on the opening of the SPX
    constituents: the index's printed open stands in and is not exact. SPXW settles to the close. VIX is never taken
    from the index.
    """
    spx = levels.filter(pl.col("symbol") == "SPX")
    opening = spx.filter(pl.col("open").is_not_null()).select(
        root=pl.lit("SPX"),
        expiration="session_date",
        value="open",
        source=pl.lit("index_open"),
        exact=pl.lit(False),
    )
    closing = spx.select(
        root=pl.lit("SPXW"),
        expiration="session_date",
        value="close",
        source=pl.lit("index_close"),
        exact=pl.lit(True),
    )
    derived = pl.concat([opening, closing]).join(stated, on=["root", "expiration"], how="anti")
    return pl.concat([stated.select(COLUMNS), derived.select(COLUMNS)]).sort("root", "expiration")
