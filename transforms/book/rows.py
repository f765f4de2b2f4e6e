"""What a session of the book came to, as rows of its tables."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from transforms.book.attribution import Attribution, total
from transforms.book.figures import Figures, profit_figures, zone_of
from transforms.book.state import MULTIPLIER, Book, Leg, Position
from transforms.book.step import Fill, Stepped
from transforms.engines.sizing import Account
from transforms.schemas import (
    ACCOUNT_DAILY,
    ENGINE_DAILY,
    FILL,
    ORDER_STATUS,
    POSITION,
    POSITION_DAILY,
    POSITION_EVENT,
    POSITION_LEG,
)
from transforms.table_schema import Table

Row = dict[str, Any]
GREEKS = ("delta", "gamma", "vega", "theta")
# The least sure of a position's marks is its own.
MARK_SOURCES = ("mid", "fitted", "carried")
NOTHING_OPEN = dict.fromkeys(GREEKS, 0.0)


@dataclass
class BookRows:
    """Rows gathered session by session, by table."""

    rows: dict[Table, list[Row]] = field(
        default_factory=lambda: {
            table: []
            for table in (
                ORDER_STATUS, FILL, POSITION, POSITION_LEG, POSITION_EVENT, POSITION_DAILY, ENGINE_DAILY, ACCOUNT_DAILY,
            )
        }
    )  # fmt: skip

    def frames(self) -> dict[Table, pl.DataFrame]:
        """Return the rows as frames of their tables."""
        return {
            table: table.conform(pl.DataFrame(rows, schema=table.polars_schema, orient="row", strict=False))
            for table, rows in self.rows.items()
        }

    def add(
        self, stepped: Stepped, *, figures: Mapping[str, Figures], spx: float | None, futures: Mapping[date, float]
    ) -> None:
        """Add a session: `figures` by position id, `spx` the index level, `futures` VX settlements by expiration."""
        session_date = stepped.book.session_date
        assert session_date is not None
        opened = {position.position_id for position in stepped.opened}
        self.rows[ORDER_STATUS] += [
            {
                "session_date": session_date,
                "decision_id": outcome.order.decision_id,
                "decided_on": outcome.order.decided_on,
                "position_id": outcome.position_id,
                "status": outcome.status,
                "reason": outcome.reason,
            }
            for outcome in stepped.orders
        ]
        self.rows[FILL] += [_fill_row(fill, session_date) for fill in stepped.fills]
        self.rows[POSITION] += [
            _position_row(position, session_date, figures[position.position_id]) for position in stepped.opened
        ]
        self.rows[POSITION_LEG] += _leg_rows(stepped, session_date, opened=opened)
        self.rows[POSITION_EVENT] += [
            {"session_date": session_date, **{name: getattr(event, name) for name in POSITION_EVENT.column_names[1:]}}
            for event in stepped.events
        ]
        daily = [
            _daily_row(
                position,
                session_date,
                stepped.attributions[position.position_id],
                figures=figures[position.position_id],
                spx=spx,
                futures=futures,
            )
            for position in stepped.touched
        ]
        self.rows[POSITION_DAILY] += daily
        self.rows[ENGINE_DAILY] += _engine_rows(stepped, daily, session_date)

    def add_account(self, book: Book, account: Account, **stated: Any) -> None:
        """Add the account after a session; `stated` are the other columns of mart.account_daily."""
        due = None
        if account.current_liabilities is not None and stated["margin"] is not None:
            due = account.current_liabilities + stated["margin"]
        assets = account.quick_assets
        self.rows[ACCOUNT_DAILY].append(
            {
                "session_date": book.session_date,
                "equity": account.equity,
                "cash": account.cash,
                "marketable_securities": account.marketable_securities,
                "receivables": account.receivables,
                "current_liabilities": account.current_liabilities,
                "stated_on": book.stated_on,
                "quick_ratio": assets / due if assets is not None and due else None,
                **stated,
            }
        )


def _fill_row(fill: Fill, session_date: date) -> Row:
    return {
        "session_date": session_date,
        **fill.key._asdict(),
        **{name: getattr(fill, name) for name in FILL.column_names if name not in ("session_date", *fill.key._fields)},
    }


def _position_row(position: Position, session_date: date, figures: Figures) -> Row:
    return {
        "position_id": position.position_id,
        "session_date": session_date,
        "book": position.book,
        "engine": position.engine,
        "structure": position.structure,
        "root": position.legs[0].key.root,
        "expiration": position.expiration,
        "contracts": position.contracts,
        "decision_id": position.decision_id,
        "rolled_from": position.rolled_from,
        "stands_against": position.stands_against,
        "entry_credit": position.entry_credit,
        "max_profit": position.max_profit,
        "max_loss": None if figures.max_loss_points is None else figures.max_loss_points / position.contracts,
        "margin": figures.margin,
        "capital_at_risk": figures.capital_at_risk,
        "fees": position.entry_fees,
    }


def _leg_rows(stepped: Stepped, session_date: date, *, opened: set[str]) -> list[Row]:
    """Return the legs that came to positions in the session."""
    positions = {position.position_id: position for position in stepped.touched}
    before = {(position.position_id, leg.number) for position in stepped.before.positions for leg in position.legs}
    new = [
        (name, leg)
        for name, position in positions.items()
        for leg in position.legs
        if name in opened or ((name, leg.number) not in before)
    ]
    return [
        {
            "position_id": name,
            "leg": leg.number,
            "session_date": session_date,
            **leg.key._asdict(),
            "quantity": leg.quantity,
            "entry_price": leg.entry_price,
        }
        for name, leg in new
    ]


def _daily_row(
    position: Position,
    session_date: date,
    attribution: Attribution,
    *,
    figures: Figures,
    spx: float | None,
    futures: Mapping[date, float],
) -> Row:
    profit_share, loss_multiple = profit_figures(position)
    return {
        "session_date": session_date,
        "position_id": position.position_id,
        "book": position.book,
        "engine": position.engine,
        "days_to_expiry": (position.expiration - session_date).days if position.legs else None,
        "is_open": bool(position.legs),
        "mark": marked_value(position.legs),
        "mark_source": max((leg.mark.source for leg in position.legs), key=MARK_SOURCES.index, default="mid"),
        **attribution.as_columns(),
        "pnl_total": position.pnl_total,
        "profit_share": profit_share,
        "loss_multiple": loss_multiple,
        **greeks(position.legs),
        "zone": zone_of(position, spx),
        "distance_to_long_strike": _distance(position, futures),
        "max_loss": figures.max_loss,
        "margin": figures.margin,
        "capital_at_risk": figures.capital_at_risk,
    }


def _engine_rows(stepped: Stepped, daily: list[Row], session_date: date) -> list[Row]:
    rows = []
    for engine in ("condor", "second", "both"):
        engines = ("condor", "second") if engine == "both" else (engine,)
        own = [row for row in daily if row["engine"] in engines and row["book"] == "paper"]
        attributed = total(
            [
                stepped.attributions[position.position_id]
                for position in stepped.touched
                if position.engine in engines and position.book == "paper"
            ]
        )
        interest = sum(stepped.interest[name] for name in engines)
        columns = attributed.as_columns()
        columns["pnl"] = columns["pnl"] + interest
        rows.append(
            {
                "session_date": session_date,
                "engine": engine,
                **columns,
                "pnl_interest": interest,
                "equity": sum(stepped.book.tallies[name].equity for name in engines),
                "cash": sum(stepped.book.tallies[name].cash for name in engines),
                **{name: _summed(own, name) for name in (*GREEKS, "margin", "capital_at_risk")},
                "n_open": sum(row["is_open"] for row in own),
            }
        )
    return [{**dict.fromkeys(ENGINE_DAILY.column_names), **row} for row in rows]


def _summed(rows: Iterable[Row], name: str) -> float | None:
    """Return the sum over open positions; None if one is unknown."""
    values = [row[name] for row in rows if row["is_open"]]
    return None if None in values else sum(values, 0.0)


def marked_value(legs: tuple[Leg, ...]) -> float:
    """Return what legs are worth at their marks, dollars, negative where it costs to close them."""
    return sum(MULTIPLIER * leg.quantity * leg.mark.price for leg in legs)


def greeks(legs: tuple[Leg, ...]) -> dict[str, float | None]:
    """Return delta, gamma, vega and theta of legs, dollars; None where a leg's is unknown."""
    found: dict[str, float | None] = {}
    for name in GREEKS:
        each = [(leg.quantity, getattr(leg.mark, name)) for leg in legs]
        unknown = any(value is None for _, value in each)
        found[name] = None if unknown else sum(MULTIPLIER * quantity * value for quantity, value in each)
    return found


def _distance(position: Position, futures: Mapping[date, float]) -> float | None:
    bought = [leg.key for leg in position.legs if leg.quantity > 0 and leg.key.option_type == "call"]
    if position.engine != "second" or not bought:
        return None
    highest = max(bought, key=lambda key: key.strike)
    future = futures.get(highest.expiration)
    return None if future is None else highest.strike - future
