"""Checks of whole slices: an expiration that vanished from the chain, and strikes that are not the ones traded.

Every row of such a slice, or of the chain without it, is sound by itself, and the chain's counts hardly change.
"""

from collections.abc import Sequence
from datetime import date

import polars as pl

from transforms.schemas import DATA_QUALITY, OPTION_QUOTE, SLICE

MAX_NAMED = 5
# Of the forward. Between neighbors up to 0.7 years out, real forwards of 2022 to 2024 leave the line by 0.04 % at most.
FORWARD_TOLERANCE = 0.0006


def expirations_quoted(quotes: pl.DataFrame) -> pl.DataFrame:
    """Return session_date, root, expiration and n_quotes of core.option_quote rows, sorted."""
    key = ["session_date", "root", "expiration"]
    return quotes.group_by(key).agg(pl.len().cast(pl.Int64).alias("n_quotes")).sort(key)


def missing_expiration_check(expirations: pl.DataFrame, session: date, *, before: date) -> pl.DataFrame:
    """Warn of expirations quoted in the session before, not yet past, and absent from the session's chain.

    Parameters
    ----------
    expirations
        `expirations_quoted` of any span; only `session` and `before`, the trading session before it, are read.

    Returns
    -------
    pl.DataFrame
        mart.data_quality: the check `missing_expiration <root>`, severity warn, one row per root of the session.
        n_rows: expirations to be expected; n_failed: those missing. Skipped where `before` holds none of the root.
    """
    now = expirations.filter(pl.col("session_date") == session)
    earlier = expirations.filter((pl.col("session_date") == before) & (pl.col("expiration") > session))
    rows = []
    for root in now["root"].unique().sort():
        today, expected = now.filter(pl.col("root") == root), earlier.filter(pl.col("root") == root)
        missing = expected.join(today, on="expiration", how="anti", maintain_order="left")
        named = [f"{day} ({n:,} quotes on {before})" for day, n in missing.select("expiration", "n_quotes").iter_rows()]
        failed = (
            f"option_quote for {session} lacks {missing.height} of {expected.height} {root} expirations quoted on "
            f"{before}: {_listed(named)}. The file is probably filtered or cut off. Import the complete chain and run "
            "the session again."
        )
        skipped = f"no {root} quotes of {before} that outlive {session}"
        rows.append(
            _row(
                session,
                table=OPTION_QUOTE.full_name,
                check=f"missing_expiration {root}",
                n=(expected.height, missing.height),
                detail=failed if missing.height else None if expected.height else skipped,
            )
        )
    return _frame(rows)


def forward_check(
    slices: pl.DataFrame, session: date, *, tolerance: float = FORWARD_TOLERANCE, max_years: float = 0.7
) -> pl.DataFrame:
    """Warn of SPX slices whose implied forward lies off the line between the expirations beside them.

    Strikes printed a step too high raise a slice's forward by that step; dividends and rates bend the forward curve far
    less between neighbors.

    Parameters
    ----------
    slices
        session_date, root, expiration, time_to_expiry, forward of feature.slice, of any span; only the SPX and SPXW
        rows of `session` up to `max_years` are read: further out expirations lie too far apart for a line.
    tolerance
        Largest distance that passes, as a share of the forward.

    Returns
    -------
    pl.DataFrame
        mart.data_quality: the check `forward_off_curve`, severity warn, one row. n_rows: slices judged, those with a
        neighbor on either side; n_failed: those off. Of slices side by side only the one furthest off counts, since
        it displaces the others' lines. Skipped where no slice can be judged.
    """
    forward, years = pl.col("forward"), pl.col("time_to_expiry")
    share = (years - years.shift(1)) / (years.shift(-1) - years.shift(1))
    off = forward - (forward.shift(1) + share * (forward.shift(-1) - forward.shift(1)))
    distance = pl.col("off").abs()
    judged = (
        slices.filter(
            (pl.col("session_date") == session)
            & pl.col("root").is_in(["SPX", "SPXW"])
            & forward.is_not_null()
            & years.is_between(0.0, max_years, closed="right")
        )
        .sort("time_to_expiry", "root", "expiration")
        .with_columns(off.alias("off"))
        .with_columns(pl.max_horizontal(distance.shift(1), distance.shift(-1)).alias("beside"))
        .filter(pl.col("off").is_not_null())
    )
    failing = judged.filter((distance > tolerance * forward) & (distance >= pl.col("beside").fill_null(0.0)))
    named = [
        f"{root} {expiration} by {points:+.2f}"
        for root, expiration, points in failing.select("root", "expiration", "off").iter_rows()
    ]
    failed = (
        f"{failing.height} of {judged.height} SPX forwards of {session} lie more than {tolerance:.2%} off the line "
        f"between their neighbors, in points: {_listed(named)}. The strikes of such a slice are probably shifted. "
        "Compare its strikes with the session before, import a correct file and run the session again."
    )
    skipped = f"no SPX slice of {session} has a forward and a neighbor on either side"
    detail = failed if failing.height else None if judged.height else skipped
    counts = judged.height, failing.height
    return _frame([_row(session, table=SLICE.full_name, check="forward_off_curve", n=counts, detail=detail)])


def _listed(named: Sequence[str]) -> str:
    more = [f"{len(named) - MAX_NAMED} more"] if len(named) > MAX_NAMED else []
    return ", ".join([*named[:MAX_NAMED], *more])


def _row(session: date, *, table: str, check: str, n: tuple[int, int], detail: str | None) -> dict[str, object]:
    n_rows, n_failed = n
    return {
        "session_date": session,
        "table_name": table,
        "check_name": check,
        "severity": "warn",
        "outcome": "failed" if n_failed else "skipped" if not n_rows else "passed",
        "n_rows": n_rows,
        "n_failed": n_failed,
        "detail": detail,
    }


def _frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    # Conformed when a batch of sessions is written: for a row or two it would take longer than the check.
    return pl.DataFrame(rows, schema=DATA_QUALITY.polars_schema)
