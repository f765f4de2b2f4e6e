"""Evidence: the nights replayed under today's settings and the disputed ones, each claim judged, two indices rebuilt.

Nothing that was published of a night is changed by it: the replay has tables of its own.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from flows import night
from flows.book import BookInputs, night_settings, session_inputs
from flows.calendar import trading_calendar
from flows.home import Home
from flows.served_database import named_query, query_published
from flows.served_record import SERVED_FILE
from flows.settings import Settings
from flows.warehouse import Warehouse
from transforms.book.engine_statistics import BookTables, engine_statistics
from transforms.book.settlement import settlement_values
from transforms.errors import DataError
from transforms.evidence.benchmark_daily import BenchmarkInputs, benchmark_daily
from transforms.evidence.benchmarks import marked_chain, options_held
from transforms.evidence.breakdown import evidence_breakdown
from transforms.evidence.claim_evidence import claim_evidence
from transforms.evidence.replay import DEFAULT, Replay, Variant, replayed
from transforms.schemas import (
    BENCHMARK_DAILY,
    BOX_CURVE,
    BY_NAME,
    CLAIM_EVIDENCE,
    ENGINE_STATISTICS,
    EVIDENCE_BREAKDOWN,
    FUTURES_SETTLEMENT,
    INDEX_LEVEL,
    OPTION_ANALYTICS,
    OPTION_QUOTE,
    REPLAY_DAILY,
    SETTLEMENT_VALUE,
    SLICE,
    TREASURY_RATE,
)

SEED = 20_090_320
CONDOR_ALONE = "condor_alone"
# What public descriptions of the method contradict each other on, one change of the settings each.
DISPUTED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "activation_trigger": {"decisions": {"activation_mode": "trigger"}},
    "activation_scan": {"decisions": {"activation_mode": "scan"}},
    "momentum_required": {
        "rules": {"breadth_momentum": {"mode": "required"}, "curve_momentum": {"mode": "required"}},
    },
    "zone_at_strike": {"rules": {"condor_in_zone": {"near_max_profit_zone": 0.0}}},
    "zone_half_way": {"rules": {"condor_in_zone": {"near_max_profit_zone": 0.5}}},
    "promoter_share_30": {"rules": {"layer_share": {"promoter_share": 0.30}}},
    "share_of_margin": {"rules": {"layer_share": {"layer_share_basis": "margin"}}},
    "share_of_notional": {"rules": {"layer_share": {"layer_share_basis": "notional"}}},
    "take_profit_half": {"rules": {"exit": {"take_profit_share": 0.5}}},
    "exit_at_21_days": {"rules": {"exit": {"exit_dte": 21}}},
    "stop_at_two_credits": {"rules": {"exit": {"stop_loss_multiple": 2.0}}},
    "tighten_wings": {"condor": {"tighten": "wings"}},
    "roll_by_risk": {"second_engine": {"roll_match": "risk"}},
    "fills_at_mid": {"book": {"fill_slippage": 0.0}},
    "fills_at_half_spread": {"book": {"fill_slippage": 0.5}},
}
CLAIM_TABLES = (
    "core.index_level", "core.economic_event", "core.treasury_rate", "feature.curve_daily", "feature.surface_daily",
    "feature.vol_of_vol_daily", "feature.momentum_daily", "mart.mispricing", "mart.mispricing_outcome",
)  # fmt: skip
Progress = Callable[[int, int, str], None]


def gather_evidence(
    home: Home, *, settings: Settings, now: datetime, disputed: bool = False, progress: Progress | None = None
) -> None:
    """Replay every night of the home, judge the claims, rebuild the indices and publish all of it.

    `disputed`: the disputed settings are replayed beside today's; Holm's procedure then corrects for their number.

    Raises
    ------
    DataError
        If no night has been run.
    """
    with Warehouse(home.warehouse) as warehouse:
        sessions = sorted(warehouse.read_meta("meta.night", ["session_date"])["session_date"].to_list())
        if not sessions:
            raise DataError(f"{home.root} has no nights to replay; run `alvh backfill` or `alvh run` first")
        replay = _replay(warehouse, sessions, _variants(settings, disputed=disputed), settings, progress=progress)
        measured = {name: warehouse.read(BY_NAME[name]) for name in CLAIM_TABLES}
        frames = _claim_frames(warehouse, replay, measured, settings)
        benchmarks = benchmark_daily(_benchmark_inputs(warehouse, sessions), sessions, calendar=trading_calendar())
        frames[DEFAULT][BENCHMARK_DAILY.full_name] = benchmarks
        claims = claim_evidence(frames, as_of=sessions[-1], seed=SEED)
        with warehouse.transaction():
            warehouse.write_changes(REPLAY_DAILY, replay.daily())
            warehouse.write_changes(BENCHMARK_DAILY, benchmarks)
            warehouse.write_changes(CLAIM_EVIDENCE, claims)
            warehouse.write_changes(EVIDENCE_BREAKDOWN, evidence_breakdown(frames, as_of=sessions[-1], seed=SEED))
    night.publish(home, settings=settings, sessions=[], validation={}, now=now)


def published_evidence(home: Home) -> dict[str, Any]:
    """Return the published claims, books and indices of the last replay as a document; none before the first."""
    questions = {"claims": "what_do_the_claims_say", "books": "how_do_the_books_compare"}
    return {
        name: query_published(home.published / SERVED_FILE, named_query(question)).to_dicts()
        for name, question in questions.items()
    }


def _variants(settings: Settings, *, disputed: bool) -> list[Variant]:
    own = night_settings(settings)
    found = [Variant(DEFAULT, own), Variant(CONDOR_ALONE, own, has_second_engine=False)]
    if disputed:
        found += [Variant(name, night_settings(_changed(settings, change))) for name, change in DISPUTED.items()]
    return found


def _changed(settings: Settings, change: Mapping[str, Mapping[str, Any]]) -> Settings:
    said = settings.model_dump(mode="json")
    for section, values in change.items():
        for key, value in values.items():
            own = said[section]
            own[key] = {**own[key], **value} if isinstance(value, Mapping) else value
    return Settings.model_validate(said)


def _replay(
    warehouse: Warehouse,
    sessions: Sequence[date],
    variants: Sequence[Variant],
    settings: Settings,
    *,
    progress: Progress | None,
) -> Replay:
    inputs = BookInputs.of(warehouse, trading_calendar(), nights=sessions)
    # The replay is of the paper book: what the user holds is no decision of the method.
    inputs.held = ()

    def load(day: date, held: Collection[date]) -> Any:
        return session_inputs(day, held, settings, inputs=inputs)

    def report(number: int) -> None:
        if progress:
            progress(number, len(sessions), str(sessions[number - 1]))

    return replayed(sessions, variants, load=load, progress=report)


def _claim_frames(
    warehouse: Warehouse, replay: Replay, measured: Mapping[str, pl.DataFrame], settings: Settings
) -> dict[str, dict[str, pl.DataFrame]]:
    """Return by variant what the claims read: the replay's frames and what was measured beside it."""
    box_curve = warehouse.read(BOX_CURVE)
    found = {}
    for name, left in replay.frames.items():
        if name == CONDOR_ALONE:
            continue
        tables = {table.split(".")[1]: frame for table, frame in left.items()}
        statistics = engine_statistics(
            BookTables(
                **{key: tables[key] for key in (
                    "position", "position_event", "position_daily", "engine_daily", "account_daily",
                )},
                box_curve=box_curve,
            ),
            required_return=settings.account.required_return,
        )  # fmt: skip
        found[name] = {**measured, **left, ENGINE_STATISTICS.full_name: statistics}
        if name == DEFAULT:
            found[name]["mart.activation_window"] = replay.activation_window
    return found


def _benchmark_inputs(warehouse: Warehouse, sessions: Sequence[date]) -> BenchmarkInputs:
    """Return what the indices read; of the chains, one session at a time, what an index can hold."""
    calendar = trading_calendar()
    key = list(OPTION_QUOTE.key)
    chains = []
    for day in sessions:
        quotes, analytics = (
            options_held(warehouse.read(table, sessions=[day], columns=[*key, *columns]), day, calendar=calendar)
            for table, columns in (
                (OPTION_QUOTE, ("bid", "ask")),
                (OPTION_ANALYTICS, ("mid", "fitted_price", "delta")),
            )
        )
        chains.append(marked_chain(quotes, analytics))
    levels = warehouse.read(INDEX_LEVEL)
    return BenchmarkInputs(
        chain=pl.concat(chains),
        slices=warehouse.read(SLICE),
        settlement_value=settlement_values(warehouse.read(SETTLEMENT_VALUE), levels, calendar=calendar),
        treasury_rate=warehouse.read(TREASURY_RATE),
        index_level=levels,
        futures_settlement=warehouse.read(FUTURES_SETTLEMENT),
    )
