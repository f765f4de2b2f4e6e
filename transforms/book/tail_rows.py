"""The tail table of a night: the best candidates, each open position, the engines and the book (METHOD section 7)."""

from datetime import date
from typing import Any

import polars as pl

from transforms.book.state import ENGINES, Book
from transforms.engines.offers.candidate import candidate_legs
from transforms.engines.tail import tail_scenarios
from transforms.engines.vix_curve import VixCurve
from transforms.schemas import TAIL_SCENARIO

CANDIDATES_SHOWN = 3
LEG_SCHEMA = {
    "subject": pl.String(),
    "root": pl.String(),
    "expiration": pl.Date(),
    "strike": pl.Float64(),
    "option_type": pl.String(),
    "quantity": pl.Int64(),
}


def tail_rows(
    book: Book, chain: pl.DataFrame, *, condors: pl.DataFrame, layers: pl.DataFrame, curve: VixCurve | None
) -> pl.DataFrame:
    """Return mart.tail_scenario of a session.

    Subjects: the three best candidates of each engine (one contract), every open position, each engine's paper
    positions together (condor, second) and all of them (book). The second horizon is the nearest expiration of an open
    layer, else of the best candidate. Empty without a chain or a curve. (`tail_scenarios`)
    """
    if curve is None or chain.is_empty():
        return TAIL_SCENARIO.empty()
    rows = []
    for candidates in (condors, layers):
        for candidate in candidates.sort("rank").head(CANDIDATES_SHOWN).to_dicts():
            rows += [_row(candidate["candidate_id"], leg) for leg in candidate_legs(candidate, 1)]
    for position in book.positions:
        legs = [{**leg.key._asdict(), "quantity": leg.quantity} for leg in position.legs]
        subjects = [position.position_id]
        subjects += [position.engine, "book"] if position.book == "paper" else []
        rows += [{"subject": subject, **leg} for subject in subjects for leg in legs]
    legs_frame = (
        pl.DataFrame(rows, schema=LEG_SCHEMA, orient="row")
        .group_by("subject", "root", "expiration", "strike", "option_type")
        .agg(pl.col("quantity").sum())
    )
    if legs_frame.is_empty():
        return TAIL_SCENARIO.empty()
    return tail_scenarios(legs_frame, chain, curve=curve, layer_expiration=_layer_expiration(book, layers))


def _row(subject: str, leg: Any) -> dict[str, Any]:
    return {
        "subject": subject,
        "root": leg.root,
        "expiration": leg.expiration,
        "strike": leg.strike,
        "option_type": leg.option_type,
        "quantity": leg.quantity,
    }


def _layer_expiration(book: Book, layers: pl.DataFrame) -> date | None:
    held = [position.expiration for position in book.of(ENGINES[1])]
    best = layers.sort("rank").head(1)["expiration"].to_list()
    return min(held, default=best[0] if best else None)
