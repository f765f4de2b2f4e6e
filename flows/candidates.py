"""The candidates of both engines, session by session: what could be opened, measured and ranked.

Cross-section but for one number, the trailing ratio of realized to implied variance, which scales the physical law.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import cast

import polars as pl

from flows.internal_tables import MADE_FROM_SCHEMA
from flows.map_sessions import LOADED_TOGETHER, Progress, Runner, batched, map_sessions
from flows.object_store import Store
from flows.partition_files import (
    LARGE_TABLES,
    PartitionFile,
    hand_over,
    read_partition,
    shared_partitions,
    write_partition,
)
from flows.settings import COMPUTING, Settings, settings_from
from flows.staging import RANKED, stage, staged, staged_name
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


@dataclass(frozen=True)
class RankInputs:
    """What the candidates of a session are made from: its chain, priced, and the few numbers known by then.

    `settings` are those of its night as JSON, since their sections are made when the program starts and cannot be sent.
    """

    session_date: date
    quotes: PartitionFile
    analytics: PartitionFile
    slices: pl.DataFrame
    term_structure: pl.DataFrame
    vix: float | None
    variance_ratio: float | None
    settings: str
    settings_sha256: str
    staging: Store
    partitions: Store

    @property
    def name(self) -> str:
        """The name under which its candidates are staged: a hash of everything they are made from."""
        digest = hashlib.sha256()
        for frame in (self.slices, self.term_structure):
            digest.update(frame.write_json().encode())
        numbers = json.dumps([self.vix, self.variance_ratio])
        made_from = (self.quotes.sha256, self.analytics.sha256, digest.hexdigest(), numbers, self.settings_sha256)
        return staged_name(RANKED, str(self.session_date), *made_from)


@dataclass(frozen=True)
class RankedSession:
    """The candidates of a session: `frames` by table name; their scenarios, if there are any, are in a file."""

    session_date: date
    name: str
    scenarios: PartitionFile | None
    frames: dict[str, pl.DataFrame]


def rank_sessions(
    warehouse: Warehouse,
    *,
    staging: Store,
    sessions: Sequence[date],
    settings: Mapping[date, Settings],
    runner: Runner,
    progress: Progress | None = None,
) -> None:
    """Write the candidates of each session, by the settings of its night.

    Those made from the same inputs by the same code are left alone; a session without a priced chain has none.
    """
    inputs = _rank_inputs(warehouse, staging=staging, sessions=sessions, settings=settings)
    before = dict(warehouse.read_meta("meta.ranked").iter_rows())
    empty = {table.full_name: table.empty() for table in CANDIDATE_TABLES if table not in LARGE_TABLES}
    bare = [RankedSession(day, "", None, empty) for day in sorted({*sessions} - {*inputs}) if day in before]
    due = [item for day, item in sorted(inputs.items()) if before.get(day) != item.name]
    chains = (file for item in due for file in (item.quotes, item.analytics))
    hand_over(chains, source=warehouse.partitions, target=shared_partitions(warehouse.partitions, staging))
    found = map_sessions(
        rank_session, due, runner=runner, name=lambda item: f"ranking {item.session_date}", progress=progress
    )
    for some in batched([*bare], LOADED_TOGETHER):
        _load(warehouse, some, staging=staging)
    for some in batched(found, LOADED_TOGETHER):
        _load(warehouse, some, staging=staging)


def rank_session(inputs: RankInputs) -> RankedSession:
    """Return the candidates of a session: what is staged of them, else computed and staged."""
    kept = staged(inputs.staging, inputs.name)
    if kept is not None:
        frames, facts = kept
        known = PartitionFile(**facts["scenarios"], session_date=inputs.session_date) if facts["scenarios"] else None
        if known is None or inputs.partitions.exists(known.name):
            return RankedSession(inputs.session_date, inputs.name, known, frames)
    found = session_candidates(
        read_partition(inputs.partitions, inputs.quotes),
        read_partition(inputs.partitions, inputs.analytics),
        slices=inputs.slices,
        term_structure=inputs.term_structure,
        vix=inputs.vix,
        variance_ratio=inputs.variance_ratio,
        settings=_settings(inputs.settings),
    )
    rows = found.pop(RATIO_SPREAD_SCENARIO)
    scenarios = write_partition(inputs.partitions, RATIO_SPREAD_SCENARIO, rows) if rows.height else None
    frames = {table.full_name: frame for table, frame in found.items()}
    stage(inputs.staging, inputs.name, frames=frames, facts={"scenarios": scenarios.facts if scenarios else None})
    return RankedSession(inputs.session_date, inputs.name, scenarios, frames)


@lru_cache(maxsize=4)
def _settings(text: str) -> Settings:
    return settings_from(json.loads(text), where="the settings of a session")


def _rank_inputs(
    warehouse: Warehouse, *, staging: Store, sessions: Sequence[date], settings: Mapping[date, Settings]
) -> dict[date, RankInputs]:
    """Return what each session with a priced chain is ranked from."""
    ratios = dict(
        trailing_variance_ratio(warehouse.read(SURFACE_DAILY).lazy())
        .collect()
        .select("session_date", "variance_ratio")
        .iter_rows()
    )
    levels = warehouse.read(INDEX_LEVEL)
    closes = dict(levels.filter(pl.col("symbol") == "VIX").select("session_date", "close").iter_rows())
    quotes = warehouse.files_of(OPTION_QUOTE, sessions=sessions)
    analytics = warehouse.files_of(OPTION_ANALYTICS, sessions=sessions)
    slices = warehouse.read(SLICE, sessions=sessions).partition_by("session_date", as_dict=True)
    curves = warehouse.read(TERM_STRUCTURE, sessions=sessions).partition_by("session_date", as_dict=True)
    return {
        session: RankInputs(
            session_date=session,
            quotes=quotes[session],
            analytics=analytics[session],
            slices=slices[(session,)],
            term_structure=curves.get((session,), TERM_STRUCTURE.empty()),
            vix=closes.get(session),
            variance_ratio=ratios.get(session),
            settings=settings[session].model_dump_json(include=set(COMPUTING)),
            settings_sha256=settings[session].sha256,
            staging=staging,
            partitions=shared_partitions(warehouse.partitions, staging),
        )
        for session in sessions
        if session in quotes and session in analytics and (session,) in slices
    }


def _load(warehouse: Warehouse, ranked: Sequence[RankedSession], *, staging: Store) -> None:
    """Load the candidates of some sessions in one transaction."""
    sessions = [one.session_date for one in ranked]
    files = [one.scenarios for one in ranked if one.scenarios]
    hand_over(files, source=shared_partitions(warehouse.partitions, staging), target=warehouse.partitions)
    with warehouse.transaction():
        for table in CANDIDATE_TABLES:
            if table in LARGE_TABLES:
                warehouse.write_partition_files(table, files, sessions=sessions)
            else:
                rows = pl.concat([table.empty(), *(one.frames[table.full_name] for one in ranked)])
                warehouse.write_changes(table, rows, sessions=sessions)
        marks = [(one.session_date, one.name) for one in ranked if one.name]
        warehouse.replace_meta(
            "meta.ranked", pl.DataFrame(marks, schema=MADE_FROM_SCHEMA, orient="row"), sessions=sessions
        )
    for one in ranked:
        if one.name:
            staging.remove(one.name)


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
