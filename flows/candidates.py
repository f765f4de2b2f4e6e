"""The candidates of both engines, session by session: what could be opened, measured and ranked.

Cross-section but for one number, the trailing ratio of realized to implied variance, which scales the physical law.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import cast

import polars as pl

from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.engines.iron_condor import condor_candidates
from transforms.engines.priced_chain import PricedLegs, priced_chain
from transforms.engines.ratio_spread import CondorProfile, ratio_spread_candidates, ratio_spread_scenarios
from transforms.engines.settlement_law import trailing_variance_ratio
from transforms.engines.tail import scenario_profile
from transforms.engines.vix_curve import VixCurve
from transforms.rules.layer_share import LayerShareParameters, largest_layer_share
from transforms.schemas import (
    CANDIDATE_FUNNEL,
    CONDOR_CANDIDATE,
    INDEX_LEVEL,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    RATIO_SPREAD_CANDIDATE,
    RATIO_SPREAD_SCENARIO,
    SLICE,
    SURFACE_DAILY,
    TERM_STRUCTURE,
)
from transforms.table_schema import Table

CANDIDATE_TABLES = (CONDOR_CANDIDATE, RATIO_SPREAD_CANDIDATE, RATIO_SPREAD_SCENARIO, CANDIDATE_FUNNEL)
PROFILE_RETURNS = tuple(step / 100.0 for step in range(-40, 21))
CONDOR_LEGS = (
    ("put_long", "put", 1.0), ("put_short", "put", -1.0), ("call_short", "call", -1.0), ("call_long", "call", 1.0),
)  # fmt: skip


def write_candidates(warehouse: Warehouse, *, sessions: Sequence[date], settings: Mapping[date, Settings]) -> None:
    """Write the candidates of each session, by the settings of its night; each session is one transaction."""
    ratios = dict(
        trailing_variance_ratio(warehouse.read(SURFACE_DAILY).lazy())
        .collect()
        .select("session_date", "variance_ratio")
        .iter_rows()
    )
    levels = warehouse.read(INDEX_LEVEL)
    closes = dict(levels.filter(pl.col("symbol") == "VIX").select("session_date", "close").iter_rows())
    for session in sorted(sessions):
        frames = session_candidates(
            warehouse.read(OPTION_QUOTE, sessions=[session]),
            warehouse.read(OPTION_ANALYTICS, sessions=[session]),
            slices=warehouse.read(SLICE, sessions=[session]),
            term_structure=warehouse.read(TERM_STRUCTURE, sessions=[session]),
            vix=closes.get(session),
            variance_ratio=ratios.get(session),
            settings=settings[session],
        )
        with warehouse.transaction():
            for table, frame in frames.items():
                warehouse.write_changes(table, frame, sessions=[session])


def session_candidates(
    quotes: pl.DataFrame,
    analytics: pl.DataFrame,
    *,
    slices: pl.DataFrame,
    term_structure: pl.DataFrame,
    vix: float | None,
    variance_ratio: float | None,
    settings: Settings,
) -> dict[Table, pl.DataFrame]:
    """Return the candidates, their scenarios and funnels of one session; empty tables without quotes."""
    if quotes.is_empty() or slices.is_empty():
        return {table: table.empty() for table in CANDIDATE_TABLES}
    condors = condor_candidates(
        quotes,
        analytics,
        slices=slices,
        variance_ratio=variance_ratio,
        settings=settings.condor.candidates(settings.fees),
    )
    share = largest_layer_share("steward", cast(LayerShareParameters, settings.rule_parameters()["layer_share"]))
    layers = ratio_spread_candidates(
        quotes,
        analytics,
        slices=slices,
        term_structure=term_structure,
        vix=vix,
        condor=_profile(condors.candidates, quotes, analytics, slices=slices),
        settings=settings.second_engine.candidates(settings.fees, layer_share=share),
    )
    scenarios = RATIO_SPREAD_SCENARIO.empty()
    if vix is not None:
        curve = VixCurve.of(term_structure, vix=vix)
        scenarios = ratio_spread_scenarios(layers.candidates, quotes, analytics, slices=slices, curve=curve)
    return {
        CONDOR_CANDIDATE: condors.candidates,
        RATIO_SPREAD_CANDIDATE: layers.candidates,
        RATIO_SPREAD_SCENARIO: scenarios,
        CANDIDATE_FUNNEL: pl.concat([condors.funnel, layers.funnel]),
    }


def _profile(
    condors: pl.DataFrame, quotes: pl.DataFrame, analytics: pl.DataFrame, *, slices: pl.DataFrame
) -> CondorProfile | None:
    """Return how the best condor's value answers moves of the index; None without a condor."""
    best = condors.filter(pl.col("rank") == 1)
    if best.is_empty():
        return None
    own = slices.filter(pl.col("root") == best["root"][0], pl.col("expiration") == best["expiration"][0])
    chain = priced_chain(quotes, analytics, slices=own)
    wanted = pl.DataFrame(
        {
            "strike": [best[name][0] for name, _, _ in CONDOR_LEGS],
            "option_type": [kind for _, kind, _ in CONDOR_LEGS],
            "quantity": [quantity for _, _, quantity in CONDOR_LEGS],
        }
    )
    legs = wanted.join(chain, on=["strike", "option_type"], how="inner", validate="1:1", maintain_order="left")
    profit = scenario_profile(PricedLegs.of(legs), legs["quantity"].to_numpy(), spx_return=PROFILE_RETURNS)
    return CondorProfile(
        spx_return=pl.Series(PROFILE_RETURNS).to_numpy(), profit=profit, max_loss=float(best["max_loss"][0])
    )
