"""The positions the user states, as the book takes them up: tracked beside the paper book by the same steps."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from transforms.book.state import OptionKey


@dataclass(frozen=True)
class StatedLeg:
    """One leg as stated: contracts (positive where bought), prices in points, None while it is open."""

    number: int
    key: OptionKey
    quantity: int
    opened_on: date
    entry_price: float
    closed_on: date | None
    exit_price: float | None

    def is_open(self, day: date) -> bool:
        """Return whether it is held at the end of a day, settlement apart."""
        return self.opened_on <= day and (self.closed_on is None or self.closed_on > day)


@dataclass(frozen=True)
class StatedPosition:
    """A position as stated; fees in dollars, 0 if not given."""

    position_id: str
    engine: str
    legs: tuple[StatedLeg, ...]
    fees: float

    @property
    def packages(self) -> int:
        """Return the contracts of its smallest leg."""
        return min(abs(leg.quantity) for leg in self.legs)


def stated_positions(held_position: pl.DataFrame) -> tuple[StatedPosition, ...]:
    """Return the positions of core.held_position, in order of their names."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in held_position.sort("position_id", "leg").to_dicts():
        found.setdefault(row["position_id"], []).append(row)
    return tuple(_position(name, rows) for name, rows in found.items())


def _position(name: str, rows: list[dict[str, Any]]) -> StatedPosition:
    legs = tuple(
        StatedLeg(
            number=row["leg"],
            key=OptionKey(row["root"], row["expiration"], row["strike"], row["option_type"]),
            quantity=row["quantity"],
            opened_on=row["opened_on"],
            entry_price=row["entry_price"],
            closed_on=row["closed_on"],
            exit_price=row["exit_price"],
        )
        for row in rows
    )
    fees = sum(float(row["fees"] or 0.0) for row in rows)
    return StatedPosition(f"held:{name}", str(rows[0]["engine"]), legs, fees)
