"""A night's decisions as they are frozen: rows of their tables as JSON, and the orders that follow from them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import polars as pl

from transforms.book.state import OptionKey, Order, OrderLeg
from transforms.schemas import DECISION, DECISION_LEG, LIMIT_SLACK, RULE_EVALUATION
from transforms.table_schema import Table

FROZEN_TABLES: tuple[Table, ...] = (RULE_EVALUATION, DECISION, DECISION_LEG, LIMIT_SLACK)


@dataclass(frozen=True)
class Outcome:
    """What became of a decision or a position in a session, as the journal has it.

    kind: filled, waiting, cancelled, settled, closed, reduced or correction. about: kind and id; of several outcomes
    about one thing the last holds.
    """

    entry_id: str
    kind: str
    about: str
    decision_id: str | None
    refers_to: str | None
    note: str


@dataclass(frozen=True)
class Frozen:
    """What was decided on a night and on what grounds.

    frames: rows of mart.rule_evaluation, decision, decision_leg and limit_slack of the night. labels: the parameters of
    each rule version. prices: the market at the time, by name, points; None where missing. outcomes: what became of
    earlier decisions in the session, corrections behind what they correct.
    """

    session_date: date
    frames: Mapping[Table, pl.DataFrame]
    labels: Mapping[str, str]
    prices: Mapping[str, float | None]
    outcomes: tuple[Outcome, ...] = ()

    def as_json(self) -> str:
        """Return it as JSON."""
        rows = {table.full_name: frame.drop("session_date").to_dicts() for table, frame in self.frames.items()}
        said = {
            "session_date": self.session_date,
            "rows": rows,
            "labels": self.labels,
            "prices": self.prices,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
        }
        return json.dumps(said, default=lambda day: day.isoformat(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Frozen":
        """Return what `as_json` wrote."""
        said = json.loads(text)
        session_date = date.fromisoformat(said["session_date"])
        frames = {table: _frame(table, session_date, said["rows"][table.full_name]) for table in FROZEN_TABLES}
        outcomes = tuple(Outcome(**outcome) for outcome in said["outcomes"])
        return cls(session_date, frames, said["labels"], said["prices"], outcomes)

    def orders(self) -> tuple[Order, ...]:
        """Return the orders of the night: one for each decision with contracts, in order of decision ids."""
        return orders_of(self.frames[DECISION], self.frames[DECISION_LEG])


def orders_of(decisions: pl.DataFrame, legs: pl.DataFrame) -> tuple[Order, ...]:
    """Return the orders that rows of mart.decision and mart.decision_leg ask for."""
    by_decision: dict[str, list[OrderLeg]] = {}
    for leg in legs.sort("decision_id", "leg").to_dicts():
        key = OptionKey(leg["root"], leg["expiration"], leg["strike"], leg["option_type"])
        sign = 1 if leg["side"] == "buy" else -1
        price = leg["limit_price"] if leg["limit_price"] is not None else 0.0
        by_decision.setdefault(leg["decision_id"], []).append(OrderLeg(key, sign * leg["quantity"], price))
    return tuple(
        Order(
            decision_id=row["decision_id"],
            decided_on=row["session_date"],
            action=row["decision"],
            engine=row["engine"],
            position_id=row["position_id"],
            contracts=row["contracts"],
            legs=tuple(
                OrderLeg(leg.key, row["contracts"] * leg.quantity, leg.price) for leg in by_decision[row["decision_id"]]
            ),
            loss_before_credit=row["loss_before_credit"],
        )
        for row in decisions.sort("decision_id").to_dicts()
        if row["contracts"]
    )


def _frame(table: Table, session_date: date, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as they were frozen; a column that the table has got since is null."""
    names = [name for name in table.column_names if name != "session_date"]
    read = [
        {"session_date": session_date, **{name: _value(table, name, row.get(name)) for name in names}} for row in rows
    ]
    return table.conform(pl.DataFrame(read, schema=table.polars_schema, orient="row"))


def _value(table: Table, name: str, value: Any) -> Any:
    return date.fromisoformat(value) if value is not None and table.polars_schema[name] == pl.Date() else value
