"""The smile of an expiration: quotes as bid-ask ranges of vol, the fitted curve, and what each quote misses it by."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from transforms.report.figure import Axis, Choices, Drawable, Figure, Level, Missing, Panel, Series
from transforms.report.night import Night
from transforms.report.words import day_words
from transforms.schemas import CONDOR_CANDIDATE, DECISION_LEG, OPTION_ANALYTICS, RATIO_SPREAD_CANDIDATE, SLICE

SOURCE = "feature.option_analytics, feature.slice"
# Beside the expirations traded: the slice nearest to each of these days, and the first months of the layer's root.
SPX_DAYS = (7, 30, 60, 91, 182)
VIX_SLICES = 4
Key = tuple[str, date]


def smile_figures(night: Night) -> dict[str, Drawable]:
    """Return the smiles of SPX and of VIX: those traded tonight first, then others by days left."""
    return {
        "smile_spx": _smiles(night, "Smile of SPX options", ("SPX", "SPXW"), CONDOR_CANDIDATE, "spx_options"),
        "smile_vix": _smiles(night, "Smile of VIX options", ("VIX", "VIXW"), RATIO_SPREAD_CANDIDATE, "vix_options"),
    }


def _smiles(night: Night, title: str, roots: Sequence[str], candidates: Any, needed: str) -> Drawable:
    slices = night.tonight(SLICE).filter(pl.col("root").is_in(roots), pl.col("svi_a").is_not_null())
    slices = slices.filter(pl.col("time_to_expiry") > 0.0).sort("expiration", "root")
    if slices.is_empty():
        lacking = night.lacks(needed)
        refused = night.tonight(SLICE).filter(pl.col("root").is_in(roots))["status"].unique().sort().to_list()
        said = f"no smile was accepted (slices are {', '.join(map(str, refused))})" if refused else "no quotes"
        return Missing(title, SOURCE, lacking or said)
    chosen = _chosen(night, slices, candidates)
    figures = [_smile(night, title, row) for key in chosen for row in slices.to_dicts() if _key(row) == key]
    return Choices([figure for figure in figures if figure is not None])


def _chosen(night: Night, slices: pl.DataFrame, candidates: Any) -> list[Key]:
    """Return the slices worth a look, those of tonight's legs and of the best candidate first."""
    listed = [(row["root"], row["expiration"]) for row in slices.to_dicts()]
    best = night.tonight(candidates).filter(pl.col("rank") == 1)
    traded = [*night.tonight(DECISION_LEG).iter_rows(named=True), *best.iter_rows(named=True)]
    first = [(row["root"], row["expiration"]) for row in traded]
    days = {key: (key[1] - night.session).days for key in listed}
    monthly = [key for key in listed if key[0] in ("SPX", "VIX")] or listed
    if listed[0][0].startswith("VIX"):
        others = monthly[:VIX_SLICES]
    else:
        others = [min(listed, key=lambda key: (abs(days[key] - wanted), key)) for wanted in SPX_DAYS]
    return list(dict.fromkeys(key for key in [*first, *others] if key in days))


def _key(row: dict[str, Any]) -> Key:
    return row["root"], row["expiration"]


def _smile(night: Night, title: str, of: dict[str, Any]) -> Figure | None:
    """Return the smile of one slice on its out-of-the-money quotes; None if none is two-sided."""
    quotes = (
        night.rows(OPTION_ANALYTICS)
        .filter(pl.col("root") == of["root"], pl.col("expiration") == of["expiration"])
        .filter((pl.col("option_type") == "put") == (pl.col("strike") < of["forward"]))
        .filter(pl.col("implied_vol_bid").is_not_null() & pl.col("implied_vol_ask").is_not_null())
        .sort("strike")
    )
    if quotes.is_empty():
        return None
    strike = quotes["strike"].to_list()
    low, mid, high, fitted = (
        (100.0 * quotes[name]).to_list()
        for name in ("implied_vol_bid", "implied_vol_mid", "implied_vol_ask", "fitted_vol")
    )
    miss = _less(mid, fitted)
    inside = [f is not None and b <= f <= a for b, f, a in zip(low, fitted, high, strict=True)]
    days = (of["expiration"] - night.session).days
    upper = Panel(
        Axis("implied vol, vol points", "number2"),
        [
            Series("bid to ask", strike, mid, mark="range", tone="muted", low=low, high=high),
            Series("fitted smile", strike, fitted, tone="first"),
        ],
    )
    lower = Panel(
        Axis("mid less fitted, vol points", "number2"),
        [
            Series(
                "bid to ask",
                strike,
                miss,
                mark="range",
                tone="muted",
                low=_less(low, fitted),
                high=_less(high, fitted),
            ),
            Series("fit inside bid-ask", strike, _where(miss, inside), mark="points", tone="first"),
            Series("fit outside", strike, _where(miss, [not held for held in inside]), mark="points", tone="warn"),
        ],
        [Level(0.0, "")],
        share=0.5,
    )
    share = of["share_inside_spread"]
    note = (
        f"{of['status']}; misfit {of['rmse_vol_points']:.3f} vol points (root mean square),"
        f" {share:.0%} of {of['n_quotes']} quotes hold the fit inside bid-ask; forward {of['forward']:,.2f}."
        if share is not None and of["rmse_vol_points"] is not None
        else f"{of['status']}."
    )
    return Figure(
        title,
        SOURCE,
        Axis("strike, points", "number0"),
        [upper, lower],
        marks=[Level(of["forward"], "forward")],
        note=note,
        choice=f"{of['root']} {day_words(of['expiration'])}, {days} days",
    )


def _where(values: Sequence[float | None], kept: Sequence[bool]) -> list[float | None]:
    return [value if keep else None for value, keep in zip(values, kept, strict=True)]


def _less(values: Sequence[float | None], others: Sequence[float | None]) -> list[float | None]:
    return [None if v is None or o is None else v - o for v, o in zip(values, others, strict=True)]
