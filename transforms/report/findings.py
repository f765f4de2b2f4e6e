"""What a night offers and what it costs: ranked mispricings, the engines' candidates, the tail table."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from transforms.report.night import Night
from transforms.report.words import day_words, strike_words
from transforms.schemas import (
    CONDOR_CANDIDATE,
    DETECTOR_RECORD,
    MISPRICING,
    MISPRICING_LEG,
    POSITION_DAILY,
    RATIO_SPREAD_CANDIDATE,
    RATIO_SPREAD_SCENARIO,
    TAIL_SCENARIO,
)

Document = dict[str, Any]
FINDINGS_SHOWN = 25
CANDIDATES_SHOWN = 5
CONFIDENCES = ("executable", "conditional", "indicative")


def finding_documents(night: Night) -> list[Document]:
    """Return the best findings: executable before conditional before indicative, then by dollars, half-spreads, z.

    A finding from doubtful quotes stands behind those of its confidence that rest on sound ones.
    """
    legs: dict[str, list[str]] = {}
    for leg in night.tonight(MISPRICING_LEG).sort("finding_id", "leg").to_dicts():
        legs.setdefault(leg["finding_id"], []).append(leg_words(leg))
    order = pl.col("confidence").replace_strict({name: rank for rank, name in enumerate(CONFIDENCES)})
    ranked = night.tonight(MISPRICING).sort(
        order, "from_flagged_quotes", pl.col("edge_dollars").fill_null(0.0).neg(),
        pl.col("edge_in_half_spreads").fill_null(0.0).neg(), pl.col("z_score").fill_null(0.0).abs().neg(), "finding_id",
    )  # fmt: skip
    return [
        {**row, "title": row["kind"].replace("_", " "), "legs": legs.get(row["finding_id"], [])}
        for row in ranked.drop("session_date").head(FINDINGS_SHOWN).to_dicts()
    ]


def finding_counts(night: Night) -> dict[str, int]:
    """Return how many findings the night has, in all and by confidence."""
    found = night.tonight(MISPRICING)["confidence"].to_list()
    return {"all": len(found), **{name: found.count(name) for name in CONFIDENCES}}


def detector_documents(night: Night) -> list[Document]:
    """Return each detector's newest record, of the night or before it."""
    return night.rows(DETECTOR_RECORD).sort("session_date").group_by("kind").last().sort("kind").to_dicts()


def leg_words(leg: Document) -> str:
    """Return a leg as it is spoken: buy 1 SPX 18 Dec 2026 6090 put at 36.2."""
    what = (leg["root"], day_words(leg["expiration"]), strike_words(leg["strike"]), leg["option_type"] or "")
    named = " ".join(str(part) for part in what if part) if leg["instrument"] != "cash" else "cash"
    quantity = f"{leg['quantity']:,.6g}"
    price = "" if leg["price"] is None else f" at {leg['price']:,.6g}"
    kind = f" {leg['instrument']}" if leg["instrument"] in ("future", "forward") else ""
    return f"{leg['side']} {quantity} {named}{kind}{price}"


def candidate_documents(night: Night) -> dict[str, list[Document]]:
    """Return the best candidates of each engine, best first."""
    return {
        engine: night.tonight(table).filter(pl.col("rank") <= CANDIDATES_SHOWN).sort("rank").to_dicts()
        for engine, table in (("condor", CONDOR_CANDIDATE), ("second", RATIO_SPREAD_CANDIDATE))
    }


def scenario_document(night: Night, candidate_id: str | None) -> Document | None:
    """Return what a ratio spread earns by horizon and VIX move, points a structure; None without scenarios."""
    own = night.tonight(RATIO_SPREAD_SCENARIO).filter(pl.col("candidate_id") == pl.lit(candidate_id, dtype=pl.String))
    if own.is_empty():
        return None
    moves = own["vix_move"].unique().sort().to_list()
    value = {(row["horizon"], row["vix_move"]): row["profit"] for row in own.to_dicts()}
    horizons = [name for name in ("now", "5_days", "10_days", "expiration") if (name, moves[0]) in value]
    return {
        "candidate_id": candidate_id,
        "moves": moves,
        "rows": [{"horizon": name, "profits": [value.get((name, move)) for move in moves]} for name in horizons],
        "scale": _largest(value.values()),
    }


def tail_document(night: Night) -> Document:
    """Return the tail table: the four joint moves by subject and horizon, and the whole grid of the book, dollars.

    Subjects: the book and its engines, each open position, then the candidates (one contract).
    """
    rows = night.tonight(TAIL_SCENARIO)
    pairs = rows.filter("is_pair").sort("vix")
    moves = list(pairs.select("vix", "spx_return").unique(maintain_order=True).iter_rows())
    value = {(r["subject"], r["horizon"], r["vix"]): r["value"] for r in pairs.to_dicts()}
    horizons = [name for name in ("instant", "expiration") if name in set(rows["horizon"].to_list())]
    subjects = [
        {
            "subject": subject,
            "sort": sort,
            "values": {horizon: [value.get((subject, horizon, vix)) for vix, _ in moves] for horizon in horizons},
        }
        for sort, subject in sorted((_sort(night, name), name) for name in set(rows["subject"].to_list()))
    ]
    return {"moves": moves, "horizons": horizons, "subjects": subjects, "grid": _grid(rows)}


def _sort(night: Night, subject: str) -> int:
    order = {"book": 0, "condor": 1, "second": 2}
    held = set(night.tonight(POSITION_DAILY)["position_id"].to_list())
    return order.get(subject, 3 if subject in held else 4)


def _grid(rows: pl.DataFrame) -> Document | None:
    """Return the book's instant values over all joint moves: rows by SPX return, columns by VIX."""
    book = rows.filter(pl.col("subject") == "book", pl.col("horizon") == "instant")
    if book.is_empty():
        return None
    levels = book["vix"].unique().sort().to_list()
    value = {(r["spx_return"], r["vix"]): r["value"] for r in book.to_dicts()}
    returns = book["spx_return"].unique().sort(descending=True).to_list()
    return {
        "vix": levels,
        "rows": [{"spx_return": move, "values": [value.get((move, level)) for level in levels]} for move in returns],
        "scale": _largest(value.values()),
    }


def _largest(values: Iterable[float | None]) -> float:
    """Return the largest size among values, for shades; 0 where none is known."""
    return max((abs(value) for value in values if value is not None), default=0.0)
