"""The positions their owner holds or held, one line a leg: `position_id,leg,engine,root,expiration,strike,option_type,
quantity,opened_on,entry_price,closed_on,exit_price,fees`.

ISO dates; prices in index points; contracts positive where bought; fees in dollars of the leg so far. engine is condor
or second, option_type call or put. closed_on and exit_price are blank while the leg is open or was held to settlement.
A position is taken whole or not at all: a part of it would be another position. A later file replaces the legs it
states again; legs and positions it does not name stay as they were, so that a closed position may be left out. What was
stated by mistake is taken back by closing it on the day it was opened, at its entry price.
"""

import json

import polars as pl

from flows.sources import Delivery, Reading
from flows.sources.delimited import (
    LineRule,
    Lines,
    day,
    divide,
    given_but_unread,
    header_names,
    number,
    read_lines,
    rows_of,
    whole_number,
)
from transforms.schemas import HELD_POSITION
from transforms.sessions import TradingCalendar

NAME = "held_position"
ANCHOR = "position_id"
COLUMNS = tuple(name for name in HELD_POSITION.column_names if name != "source_sha256")
REMEDY = "state every column, and leave blank what does not apply"

_DAYS = ("expiration", "opened_on", "closed_on")
_NUMBERS = ("strike", "entry_price", "exit_price", "fees")
_COUNTS = ("leg", "quantity")
_TEXTS = ("engine", "root", "option_type")
_KEY = ["position_id", "leg"]
# mart.position_leg of this program has most of the others.
_TELLING = {"opened_on", "closed_on", "exit_price"}


def recognizes(delivery: Delivery) -> bool:
    """Return whether the header names a position and at least two of what only this layout has."""
    return len(_TELLING & set(header_names(delivery.head, anchor=ANCHOR))) >= 2


def read(delivery: Delivery, *, calendar: TradingCalendar) -> Reading:
    """Return the legs of every position all of whose lines are good.

    Raises
    ------
    RefusedFile
        If the header lacks a column.
    """
    lines = read_lines(
        delivery,
        anchor=ANCHOR,
        required={ANCHOR: (ANCHOR,), **{f"{name}_text": (name,) for name in COLUMNS if name != ANCHOR}},
        table=HELD_POSITION,
        remedy=REMEDY,
    )
    frame = lines.frame.with_columns(
        *(day(f"{name}_text", "%Y-%m-%d").alias(name) for name in _DAYS),
        *(number(f"{name}_text", thousands=True).alias(name) for name in _NUMBERS),
        *(whole_number(f"{name}_text").alias(name) for name in _COUNTS),
        pl.col("root_text").str.to_uppercase().alias("root"),
        *(pl.col(f"{name}_text").str.to_lowercase().alias(name) for name in _TEXTS if name != "root"),
    )
    rules = _rules(calendar)
    unfit = [rule.broken.fill_null(False) for rule in rules]
    frame = frame.with_columns(_is_refusable().alias("is_refusable")).with_columns(
        pl.any_horizontal("is_refusable", _is_torn(lines), *unfit).alias("is_unfit")
    )
    rules.append(
        LineRule(
            "incomplete_position",
            pl.col("is_unfit").any().over(ANCHOR) & ~pl.col("is_refusable"),
            "another leg of position {} is refused; mend it and import the whole position again",
            (ANCHOR,),
        )
    )
    kept, rejected = divide(frame, rules, lines=lines, table=HELD_POSITION, session="opened_on")
    return Reading(
        n_lines=lines.n_lines,
        frames={HELD_POSITION.full_name: rows_of(kept, HELD_POSITION)},
        rejected=pl.concat([lines.unreadable, rejected]),
        unknown_columns=lines.unknown_columns,
    )


def _rules(calendar: TradingCalendar) -> list[LineRule]:
    sessions = pl.lit(pl.Series(calendar.sessions).cast(pl.Date()).implode())
    opened, closed, exit_price = pl.col("opened_on"), pl.col("closed_on"), pl.col("exit_price")
    of_dates = [_unread("bad_date", name, "no date like 2026-03-04") for name in _DAYS]
    of_numbers = [_unread("bad_number", name, "no number") for name in _NUMBERS]
    of_counts = [_unread("bad_number", name, "no whole number") for name in _COUNTS]
    return [
        *of_dates,
        *of_numbers,
        *of_counts,
        *(
            LineRule("not_a_session", ~pl.col(name).is_in(sessions), f"{name} {{}} is no trading session", (name,))
            for name in _DAYS[1:]
        ),
        LineRule(
            "half_closed",
            closed.is_null() != exit_price.is_null(),
            "closed_on {} and exit_price {}: a closed leg has both, an open or settled one neither",
            ("closed_on", "exit_price"),
        ),
        LineRule(
            "dates_contradict",
            (opened > pl.col("expiration")) | (closed > pl.col("expiration")) | (closed < opened),
            "opened_on {}, closed_on {} and expiration {} are not in this order",
            ("opened_on", "closed_on", "expiration"),
        ),
        LineRule("no_quantity", pl.col("quantity") == 0, "quantity is 0"),
        LineRule(
            "two_engines",
            pl.col("engine").n_unique().over(ANCHOR) > 1,
            "legs of position {} name several engines",
            (ANCHOR,),
        ),
    ]


def _unread(rule: str, name: str, what: str) -> LineRule:
    return LineRule(rule, given_but_unread(f"{name}_text", name), f"{name} {{}} is {what}", (f"{name}_text",))


def _is_refusable() -> pl.Expr:
    """Return where validation will refuse the row itself, for its own reason: the rest of the position goes with it."""
    broken = []
    for column in HELD_POSITION.columns:
        if column.name not in COLUMNS:
            continue
        value = pl.col(column.name)
        if not column.nullable:
            broken.append(value.is_null())
        if column.allowed is not None:
            broken.append(~value.is_in(column.allowed))
        if column.low is not None:
            broken.append(value < column.low)
        if column.high is not None:
            broken.append(value > column.high)
    others = pl.struct(name for name in COLUMNS if name not in _KEY)
    broken.append(others.n_unique().over(_KEY) > 1)
    return pl.any_horizontal(*broken).fill_null(False)


def _is_torn(lines: Lines) -> pl.Expr:
    """Return where the position is named in a line that could not be split into its fields."""
    torn = {field.strip(' "') for text in lines.unreadable["row_json"] for field in json.loads(text)["line"].split(",")}
    return pl.col(ANCHOR).is_in(sorted(torn))
