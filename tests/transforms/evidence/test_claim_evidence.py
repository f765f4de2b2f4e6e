"""mart.claim_evidence and mart.evidence_breakdown as a whole: conform, repeat, degrade, look nowhere else."""

from datetime import date

import polars as pl
import pytest

from tests.transforms.evidence.replay_frames import SESSIONS, replay_frames
from transforms.evidence.breakdown import REGIMES, evidence_breakdown, regime_buckets, worst_sessions
from transforms.evidence.claim_evidence import claim_evidence
from transforms.evidence.claims import CLAIMS
from transforms.schemas import CLAIM_EVIDENCE, EVIDENCE_BREAKDOWN

AS_OF = SESSIONS[499]
FRAMES = replay_frames(500)


def evidence(replays: dict[str, dict[str, pl.DataFrame]], *, seed: int = 1, n_draws: int = 400) -> pl.DataFrame:
    return claim_evidence(replays, as_of=AS_OF, seed=seed, n_draws=n_draws)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return evidence({"default": FRAMES})


def test_every_claim_has_a_row_in_every_variant(table: pl.DataFrame) -> None:
    assert table.equals(CLAIM_EVIDENCE.conform(table))
    assert sorted(table["claim"]) == sorted(claim.name for claim in CLAIMS)
    both = evidence({"default": FRAMES, "activation_mode = scan": replay_frames(500, seed=2)})
    assert both.height == 2 * table.height


def test_an_interval_holds_its_estimate_and_rests_on_what_it_says(table: pl.DataFrame) -> None:
    known = table.drop_nulls("low_95")
    assert known.height >= 11
    assert known.filter(~pl.col("estimate").is_between("low_95", "high_95")).is_empty()
    assert known.filter((pl.col("sort") == "events") & (pl.col("block_length") != 1.0)).is_empty()
    assert known["n"].min() > 0  # type: ignore[operator]


def test_rows_may_come_in_any_order(table: pl.DataFrame) -> None:
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=4) for name, frame in FRAMES.items()}
    assert evidence({"default": shuffled}).equals(table)
    whole = evidence_breakdown({"default": FRAMES}, as_of=AS_OF, seed=1, n_draws=50)
    assert evidence_breakdown({"default": shuffled}, as_of=AS_OF, seed=1, n_draws=50).equals(whole)


def test_a_claim_does_not_depend_on_the_others_and_a_seed_changes_only_draws(table: pl.DataFrame) -> None:
    alone = claim_evidence({"default": FRAMES}, as_of=AS_OF, seed=1, n_draws=400, claims=CLAIMS[3:4])
    assert alone.equals(table.filter(pl.col("claim") == CLAIMS[3].name))
    other = evidence({"default": FRAMES}, seed=2)
    assert other["estimate"].equals(table["estimate"])
    assert not other["low_95"].equals(table["low_95"])


def test_a_missing_table_or_column_is_named_and_the_rest_is_judged(table: pl.DataFrame) -> None:
    poor = dict(FRAMES)
    del poor["mart.activation_window"]
    poor["mart.engine_statistics"] = poor["mart.engine_statistics"].drop("wacc")
    found = evidence({"default": poor})
    lacking = {row["claim"]: row["detail"] for row in found.drop_nulls("detail").iter_rows(named=True)}
    assert lacking == {
        "trigger_adds_value": "needs mart.activation_window",
        "lowers_cost_of_capital": "needs mart.engine_statistics.wacc",
    }
    rest = ~pl.col("claim").is_in(list(lacking))
    assert found.filter(rest).equals(table.filter(rest))
    assert set(found.filter(~rest)["verdict"]) == {"too little data"}


def test_empty_frames_are_too_little_data() -> None:
    found = evidence({"default": {name: frame.clear() for name, frame in FRAMES.items()}})
    assert set(found["verdict"]) == {"too little data"}
    assert found["n"].sum() == 0


def test_a_breakdown_adds_up_to_the_book() -> None:
    found = evidence_breakdown({"default": FRAMES}, as_of=AS_OF, seed=1, n_draws=50)
    assert found.equals(EVIDENCE_BREAKDOWN.conform(found))
    pnl = FRAMES["mart.engine_daily"].group_by("engine").agg(pl.col("pnl").sum())
    total = dict(pnl.iter_rows())
    every = {row["book"]: row for row in found.filter(pl.col("breakdown") == "all").iter_rows(named=True)}
    assert every["condor"]["pnl_total"] == pytest.approx(total["condor"])
    assert every["both"]["pnl_total"] == pytest.approx(total["condor"] + total["second"])
    assert every["both"]["n"] == 500
    # The first session has no session before it, so no regime.
    assert found.filter((pl.col("breakdown") == "contango") & (pl.col("book") == "both"))["n"].sum() == 499
    assert set(found["breakdown"]) == {"all", "contango", "vvix", "rsi", "realized_range", "worst_spx_session"}


def test_a_regime_is_that_of_the_session_before() -> None:
    measured = pl.DataFrame(
        {
            "session_date": [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 8)],
            "measure": [0.08, -0.01, None, 0.05],
        }
    )
    sessions = measured.select("session_date")
    found = regime_buckets(measured, REGIMES[0], sessions=sessions)
    assert found.rows() == [
        (date(2024, 1, 3), 4, "8% and above"),
        (date(2024, 1, 4), 1, "below 0%"),
        (date(2024, 1, 8), 1, "below 0%"),
    ]


def test_the_worst_sessions_are_those_of_the_replay() -> None:
    levels = FRAMES["core.index_level"]
    spx = levels.filter(pl.col("symbol") == "SPX").sort("session_date")
    returns = sorted(
        (spx["close"][at] / spx["close"][at - 1] - 1.0, spx["session_date"][at]) for at in range(1, spx.height)
    )
    found = worst_sessions(levels, spx.select("session_date"))
    assert found.height == 10
    assert found["session_date"].to_list() == [day for _, day in returns[:10]]
    some = worst_sessions(levels, pl.DataFrame({"session_date": [day for _, day in returns[5:]]}))
    assert some["session_date"][0] == returns[5][1]
