"""What a package earns by where its underlying stands: when it settles, and tonight by the smile's vols."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.engines.offers.candidate import candidate_legs
from transforms.engines.payoff import option_payoff
from transforms.engines.priced_chain import PricedLegs
from transforms.report.figure import Axis, Drawable, Figure, Level, Missing, Panel, Series
from transforms.report.night import Night
from transforms.report.words import day_words, strike_words
from transforms.schemas import (
    CONDOR_CANDIDATE,
    DECISION,
    DECISION_LEG,
    FILL,
    OPTION_ANALYTICS,
    POSITION_DAILY,
    POSITION_EVENT,
    RATIO_SPREAD_CANDIDATE,
    SLICE,
)

Floats = NDArray[np.float64]
MULTIPLIER = 100.0
GRID_POINTS = 121
OPENINGS = {"condor": "open_condor", "second": "activate_second_engine"}
CANDIDATES = {"condor": CONDOR_CANDIDATE, "second": RATIO_SPREAD_CANDIDATE}
SETTLES_ON = {"condor": "SPX", "second": "VIX"}


@dataclass(frozen=True)
class Package:
    """Legs of one engine with what they brought in: `cash` dollars received less paid, of all contracts, so far.

    `terms` says in words at what price, `source` from which table they come.
    """

    name: str
    engine: str
    legs: pl.DataFrame
    cash: float
    terms: str
    source: str


def payoff_figures(night: Night) -> dict[str, Drawable]:
    """Return the payoff of each engine's package of the night: the one decided, else its best candidate."""
    found: dict[str, Drawable] = {}
    for engine, title in (("condor", "Payoff of the condor"), ("second", "Payoff of the layer")):
        package = _decided(night, engine) or _best(night, engine)
        if package is None:
            lacking = night.lacks("spx_options" if engine == "condor" else "vix_options")
            source = f"mart.decision_leg, {CANDIDATES[engine].full_name}"
            found[f"payoff_{engine}"] = Missing(title, source, lacking or "no candidate passed the filters tonight")
        else:
            found[f"payoff_{engine}"] = _payoff(night, title, package)
    return found


def position_figures(night: Night) -> dict[str, Drawable]:
    """Return the payoff of every open position of the paper book from its entry on, fees and adjustments included."""
    found: dict[str, Drawable] = {}
    for row in night.tonight(POSITION_DAILY).filter(pl.col("is_open"), pl.col("book") == "paper").to_dicts():
        name = row["position_id"]
        cash = sum(night.rows(POSITION_EVENT).filter(pl.col("position_id") == name)["cash"].to_list(), 0.0)
        fills = night.rows(FILL).filter(pl.col("position_id") == name)
        legs = _open_legs(fills, night.session)
        package = Package(name, row["engine"], legs, cash, "since its entry, after fees", FILL.full_name)
        found[f"position_{name}"] = _payoff(night, name, package)
    return found


def _decided(night: Night, engine: str) -> Package | None:
    decided = night.tonight(DECISION).filter(pl.col("engine") == engine, pl.col("decision") == OPENINGS[engine])
    if decided.is_empty() or decided["limit_price"][0] is None:
        return None
    row = decided.row(0, named=True)
    sign = pl.when(pl.col("side") == "buy").then(1).otherwise(-1)
    legs = night.tonight(DECISION_LEG).filter(pl.col("decision_id") == row["decision_id"])
    legs = legs.with_columns(quantity=pl.col("quantity") * sign * row["contracts"])
    cash = MULTIPLIER * row["contracts"] * row["limit_price"]
    terms = f"{row['contracts']} contracts at the limit of {row['limit_price']:,.2f}, before fees"
    return Package(OPENINGS[engine], engine, legs, cash, terms, DECISION_LEG.full_name)


def _best(night: Night, engine: str) -> Package | None:
    best = night.tonight(CANDIDATES[engine]).filter(pl.col("rank") == 1)
    if best.is_empty():
        return None
    row = best.row(0, named=True)
    credit = row["credit"] if engine == "second" else row["credit_natural"]
    legs = pl.DataFrame([asdict(leg) for leg in candidate_legs(row, 1)])
    terms = f"best candidate, 1 contract at a credit of {credit:,.2f}, before fees; not decided tonight"
    return Package(row["candidate_id"], engine, legs, MULTIPLIER * credit, terms, CANDIDATES[engine].full_name)


def _open_legs(fills: pl.DataFrame, session: date) -> pl.DataFrame:
    key = ["root", "expiration", "strike", "option_type"]
    held = fills.filter(pl.col("expiration") >= session).group_by(key).agg(pl.col("quantity").sum()).sort(key)
    return held.filter(pl.col("quantity") != 0)


def _payoff(night: Night, title: str, package: Package) -> Drawable:
    source = f"{package.source}, {SLICE.full_name}, {OPTION_ANALYTICS.full_name}"
    legs = package.legs
    if legs.is_empty() or legs["expiration"].n_unique() > 1:
        return Missing(title, source, "its legs expire on several days: it has no payoff on one; see the tail table")
    expiration: date = legs["expiration"][0]
    underlying = SETTLES_ON[package.engine]
    at = _levels(legs, _forward(night, legs))
    settled = _settled(legs, at) + package.cash
    series = [Series("at expiration", at.tolist(), settled.tolist(), tone="first")]
    priced = _priced(night, legs)
    note = f"{package.terms[0].upper()}{package.terms[1:]}. {_legs_words(legs)}"
    if priced is None:
        note += f". Tonight's line is missing: {night.lacks('spx_options', 'vix_options') or 'a leg has no vol'}"
    else:
        value = MULTIPLIER * (legs["quantity"].to_numpy()[:, None] * priced.value(np.tile(at, (legs.height, 1)))).sum(0)
        series.append(Series("tonight", at.tolist(), (value + package.cash).tolist(), tone="second", dashed=True))
    forward = _forward(night, legs)
    marks = [] if forward is None else [Level(forward, f"forward {forward:,.2f}")]
    marks += [Level(float(level), f"{level:,.2f}") for level in _crossings(at, settled)]
    days = (expiration - night.session).days
    note += f". Settles on {day_words(expiration)}, in {days} days; tonight's line is by the forward of that day."
    note += " Dotted: the forward, and where it breaks even." if len(marks) > (forward is not None) else ""
    panel = Panel(Axis("profit, dollars", "dollars"), series, [Level(0.0, "")])
    return Figure(title, source, Axis(f"{underlying}, points", _form(at)), [panel], marks=marks, note=note)


def _form(at: Floats) -> Any:
    return "number0" if at[-1] > 1000.0 else "number1"


def _forward(night: Night, legs: pl.DataFrame) -> float | None:
    own = _slice(night, legs)
    return None if own is None else own["forward"]


def _slice(night: Night, legs: pl.DataFrame) -> dict[str, Any] | None:
    root, expiration = legs["root"][0], legs["expiration"][0]
    own = night.tonight(SLICE).filter(pl.col("root") == root, pl.col("expiration") == expiration)
    own = own.drop_nulls("forward")
    return None if own.is_empty() else own.row(0, named=True)


def _levels(legs: pl.DataFrame, forward: float | None) -> Floats:
    """Return the levels drawn, increasing, the strikes among them, and beyond them half their span and more."""
    strikes = legs["strike"].to_numpy()
    low, high = float(strikes.min()), float(strikes.max())
    middle = forward if forward is not None else (low + high) / 2.0
    low, high = min(low, middle), max(high, middle)
    reach = max(0.5 * (high - low), 0.02 * middle)
    # What a layer is held for happens far above its strikes.
    upward = max(reach, 0.75 * middle) if legs["root"][0].startswith("VIX") else reach
    grid = np.linspace(max(low - reach, 0.0), high + upward, GRID_POINTS)
    return np.asarray(np.unique(np.concatenate((grid, strikes))))


def _settled(legs: pl.DataFrame, at: Floats) -> Floats:
    calls = (legs["option_type"] == "call").to_numpy()[:, None]
    paid = option_payoff(at[None, :], legs["strike"].to_numpy()[:, None], is_call=calls)
    return np.asarray(MULTIPLIER * (legs["quantity"].to_numpy()[:, None] * paid).sum(axis=0))


def _priced(night: Night, legs: pl.DataFrame) -> PricedLegs | None:
    """Return the legs at the vols the smile gives their strikes, the mid's own without a smile; None without one."""
    own = _slice(night, legs)
    if own is None or own["discount_factor"] is None:
        return None
    key = ["root", "expiration", "strike", "option_type"]
    vols = night.rows(OPTION_ANALYTICS).select(*key, pricing_vol=pl.coalesce("fitted_vol", "implied_vol_mid"))
    joined = legs.join(vols, on=key, how="left", validate="m:1", maintain_order="left")
    if joined["pricing_vol"].null_count():
        return None
    columns = {name: pl.lit(own[name]) for name in ("forward", "discount_factor", "time_to_expiry")}
    return PricedLegs.of(joined.with_columns(**columns))


def _crossings(at: Floats, profit: Floats) -> Sequence[float]:
    """Return where the profit changes sign, exact since it is straight between the levels."""
    turn = np.flatnonzero(profit[:-1] * profit[1:] < 0.0)
    share = profit[turn] / (profit[turn] - profit[turn + 1])
    return [float(value) for value in at[turn] + share * (at[turn + 1] - at[turn])]


def _legs_words(legs: pl.DataFrame) -> str:
    words: Mapping[str, str] = {"call": "C", "put": "P"}
    return ", ".join(
        f"{row['quantity']:+d} {row['root']} {strike_words(row['strike'])}{words[row['option_type']]}"
        for row in legs.sort("strike").to_dicts()
    )
