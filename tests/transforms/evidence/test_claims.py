"""Each claim's measure against the same written a second time, with loops over rows and dictionaries."""

import math
import statistics
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.transforms.evidence.replay_frames import replay_frames
from transforms.evidence.claims import BY_NAME, CLAIMS
from transforms.evidence.claims.claim import columns_of, engine_sessions
from transforms.evidence.claims.condor_earns_in_ranges import range_quintile
from transforms.evidence.claims.layer_offsets_spikes import spike_offsets
from transforms.evidence.claims.trigger_adds_value import matched_gain, matched_pairs
from transforms.evidence.claims.vx_reverts_faster import half_life_ratio
from transforms.evidence.estimate import Observations

FRAMES = replay_frames(600)
Session = dict[str, Any]


def value(observations: Observations) -> float:
    rows = observations.rows
    return float(observations.statistic(rows.mean(axis=0) if observations.of == "means" else rows))


def measured(name: str) -> tuple[float, int]:
    claim = BY_NAME[name]
    found = claim.observations({table: FRAMES[table].select(columns) for table, columns in claim.needs.items()})
    return value(found), found.n


def sessions_by_hand() -> dict[date, Session]:
    """One entry a session: P&L, theta and the larger margin of its two ends, of each engine and both."""
    rows: dict[date, Session] = {}
    for engine in ("condor", "second"):
        margin_before = risk_before = 0.0
        frame = FRAMES["mart.engine_daily"].filter(pl.col("engine") == engine).sort("session_date")
        for row in frame.iter_rows(named=True):
            own = rows.setdefault(row["session_date"], {})
            own[f"{engine} pnl"], own[f"{engine} theta"] = row["pnl"], row["pnl_theta"]
            own[f"{engine} margin"] = max(margin_before, row["margin"])
            own[f"{engine} risk"] = max(risk_before, row["capital_at_risk"])
            margin_before, risk_before = row["margin"], row["capital_at_risk"]
    day_before = None
    for day, own in sorted(rows.items()):
        for part in ("pnl", "theta", "margin", "risk"):
            own[f"both {part}"] = own[f"condor {part}"] + own[f"second {part}"]
        own["days"] = None if day_before is None else (day - day_before).days
        day_before = day
    return rows


BY_HAND = sessions_by_hand()


def test_every_claim_says_what_it_needs_and_where_it_lies() -> None:
    assert len(BY_NAME) == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.statement
        assert claim.needs
        assert claim.claimed.low < claim.claimed.high
        assert math.isfinite(claim.claimed.low) or math.isfinite(claim.claimed.high)


def test_margin_in_use_is_the_larger_of_the_two_ends() -> None:
    daily = pl.DataFrame(
        {
            "session_date": [date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 5)] * 2,
            "engine": ["condor"] * 3 + ["second"] * 3,
            "pnl": [-12.0, 30.0, 5.0, None, -8.0, 2.0],
            "pnl_theta": [0.0, 10.0, 9.0, None, 1.0, 1.0],
            "margin": [5_000.0, 5_000.0, 0.0, 0.0, None, 900.0],
            "capital_at_risk": [4_000.0, 4_000.0, 0.0, 0.0, 800.0, 800.0],
            "n_open": [1, 1, 0, 0, 1, 1],
        }
    )
    found = engine_sessions(daily.sample(fraction=1.0, shuffle=True, seed=3))
    assert found["condor_margin"].to_list() == [5_000.0, 5_000.0, 5_000.0]
    # A margin that is not known at either end is not known over the session.
    assert found["second_margin"].to_list() == [0.0, None, None]
    assert found["both_pnl"].to_list() == [-12.0, 22.0, 7.0]
    assert found["both_risk"].to_list() == [4_000.0, 4_800.0, 4_800.0]
    assert found["days"].to_list() == [None, 1.0, 2.0]


def test_rows_with_a_gap_are_left_out() -> None:
    frame = pl.DataFrame({"a": [1.0, None, 3.0, 4.0], "b": [True, True, None, False]})
    assert columns_of(frame, "a", "b").tolist() == [[1.0, 1.0], [4.0, 0.0]]


def test_half_life_ratio_is_that_of_two_least_squares_fits() -> None:
    def half_life(levels: list[float]) -> float:
        logs = [math.log(level) for level in levels]
        slope, _ = np.polyfit(logs[:-1], logs[1:], 1)
        corrected = slope + (1.0 + 3.0 * slope) / (len(logs) - 1)
        return -math.log(2.0) / math.log(corrected)

    vx = FRAMES["feature.curve_daily"].sort("session_date")["constant_maturity_30d"].to_list()
    vol = FRAMES["feature.surface_daily"].sort("session_date")["atm_vol"].to_list()
    found, n = measured("vx_reverts_faster")
    assert found == pytest.approx(half_life(vx) / half_life(vol), rel=1e-9)
    assert n == 599


def test_half_life_ratio_reads_neighbouring_sessions_that_have_both() -> None:
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(8)]
    curve = pl.DataFrame(
        {"session_date": days, "constant_maturity_30d": [15.0, 16.0, None, 15.5, 17.0, 16.0, 15.8, 15.1]}
    )
    vol = pl.DataFrame({"session_date": days[1:], "level": [0.2, 0.21, 0.19, 0.22, 0.2, 0.21, 0.2]})
    # Sessions 3 and 4, 4 and 5, 5 and 6, 6 and 7: session 0 has no vol, session 2 no VX.
    assert half_life_ratio(curve, vol).n == 4
    assert half_life_ratio(curve.head(4), vol).n == 0


def test_offset_is_the_median_over_spikes_with_a_layer_and_a_loss() -> None:
    spikes = pl.DataFrame(
        {
            "event_date": [date(2020, month, 3) for month in range(1, 7)],
            "layers_open": [1, 0, 2, 1, 1, 1],
            "offset_ratio": [0.5, 9.9, 0.7, None, 0.8, 1.4],
        }
    )
    found = spike_offsets(spikes)
    assert (value(found), found.n) == (pytest.approx(0.75), 4)


def test_profit_on_falls_is_the_mean_over_sessions_on_which_vx_fell() -> None:
    curve = {row["session_date"]: row for row in FRAMES["feature.curve_daily"].iter_rows(named=True)}
    days = sorted(curve)
    profits = []
    for before, day in pairwise(days):
        own = BY_HAND[day]
        fell = curve[day]["front_index"] < curve[before]["front_index"] and not curve[day]["front_index_gap"]
        if fell and own["second margin"] > 0:
            profits.append((own["second pnl"] - own["second theta"]) / own["second margin"])
    assert measured("layer_gains_as_vol_falls") == (pytest.approx(math.fsum(profits) / len(profits)), len(profits))


def excess_by_hand() -> list[tuple[float, float]]:
    bills = {row["session_date"]: row["par_yield"] for row in FRAMES["core.treasury_rate"].iter_rows(named=True)}
    rows, rate = [], None
    for day, own in sorted(BY_HAND.items()):
        if rate is not None and own["condor margin"] > 0:
            bill = rate * own["days"] / 365.0
            rows.append(tuple(own[f"{book} pnl"] / own[f"{book} margin"] - bill for book in ("condor", "both")))
        rate = bills.get(day, rate)
    return rows  # type: ignore[return-value]


def test_sharpe_gain_is_the_difference_of_two_ratios() -> None:
    condor, both = zip(*excess_by_hand(), strict=True)
    ratios = [math.sqrt(252.0) * statistics.fmean(own) / statistics.pstdev(own) for own in (condor, both)]
    assert measured("layer_raises_sharpe") == (pytest.approx(ratios[1] - ratios[0]), len(condor))


def test_sortino_gain_is_the_difference_of_two_ratios() -> None:
    def ratio(own: tuple[float, ...]) -> float:
        shortfall = math.sqrt(statistics.fmean(min(one, 0.0) ** 2 for one in own))
        return math.sqrt(252.0) * statistics.fmean(own) / shortfall

    condor, both = zip(*excess_by_hand(), strict=True)
    assert measured("layer_raises_sortino")[0] == pytest.approx(ratio(both) - ratio(condor))


def test_return_on_risk_gain_is_profit_over_capital_at_risk() -> None:
    sums = {
        key: math.fsum(own[key] for own in BY_HAND.values()) for key in next(iter(BY_HAND.values())) if key != "days"
    }
    expected = 252.0 * (sums["both pnl"] / sums["both risk"] - sums["condor pnl"] / sums["condor risk"])
    assert measured("layer_raises_return_on_risk") == (pytest.approx(expected), len(BY_HAND))


def test_decay_is_the_mean_theta_while_the_layer_is_open() -> None:
    thetas = [own["second theta"] / own["second margin"] for own in BY_HAND.values() if own["second margin"] > 0]
    assert measured("layer_decay_earns") == (pytest.approx(statistics.fmean(thetas)), len(thetas))
    assert len(thetas) < len(BY_HAND)


def test_internal_rate_gain_is_profit_over_margin_years() -> None:
    own = [row for row in BY_HAND.values() if row["days"] is not None and row["condor margin"] > 0]
    rates = [
        math.fsum(row[f"{book} pnl"] for row in own)
        / math.fsum(row[f"{book} margin"] * row["days"] / 365.0 for row in own)
        for book in ("condor", "both")
    ]
    assert measured("layer_lifts_internal_rate") == (pytest.approx(rates[1] - rates[0]), len(own))


def test_profit_in_ranges_is_the_mean_over_the_narrowest_fifth() -> None:
    spx = FRAMES["core.index_level"].filter(pl.col("symbol") == "SPX").sort("session_date").rows(named=True)
    ranges: list[tuple[date, float]] = []
    for at in range(21, len(spx)):
        window = spx[at - 20 : at + 1]
        reach = max(row["high"] for row in window) - min(row["low"] for row in window)
        ranges.append((spx[at]["session_date"], reach / spx[at - 21]["close"]))
    narrow = []
    for at in range(252, len(ranges)):
        day, own = ranges[at]
        below = sum(earlier < own for _, earlier in ranges[at - 252 : at]) / 252
        if below < 0.2:
            narrow.append(BY_HAND[day]["condor pnl"] / BY_HAND[day]["condor margin"])
    assert len(narrow) > 20
    assert measured("condor_earns_in_ranges") == (pytest.approx(statistics.fmean(narrow)), len(narrow))


def test_quintiles_of_ranges_know_nothing_later() -> None:
    levels = FRAMES["core.index_level"].sort("session_date")
    whole = range_quintile(levels)
    part = range_quintile(levels.filter(pl.col("session_date") <= whole["session_date"][150]))
    assert part.equals(whole.head(151))
    assert set(whole["quintile"]) == {1, 2, 3, 4, 5}


def test_cost_change_is_the_mean_difference() -> None:
    rows = FRAMES["mart.engine_statistics"]
    expected = statistics.fmean(a - b for a, b in rows.select("wacc", "wacc_alternative").iter_rows())
    assert measured("lowers_cost_of_capital") == (pytest.approx(expected), rows.height)


def test_share_funded_counts_adjustments_that_cost_something() -> None:
    decisions = pl.DataFrame(
        {
            "session_date": [date(2024, 1, day) for day in range(2, 9)],
            "decision_id": list("abcdefg"),
            "decision": ["widen_condor"] * 3 + ["tighten_condor"] * 3 + ["roll_second_engine"],
            "funded": [100.0, 40.0, 0.0, 0.0, None, 70.0, 0.0],
            "unfunded": [0.0, 10.0, 0.0, 80.0, None, 0.0, 50.0],
        }
    )
    found = BY_NAME["credit_finances_adjustments"].observations({"mart.decision": decisions})
    # a and f are paid, b in part, d not at all; c costs nothing, e is not known, g is no adjustment.
    assert (value(found), found.n) == (0.5, 4)


def test_dislocation_gain_compares_means_of_sessions() -> None:
    day = [date(2024, 3, number) for number in (4, 5, 6, 7, 8)]
    mispricing = pl.DataFrame(
        {
            "session_date": [day[0], day[0], day[1], day[2], day[2], day[3]],
            "finding_id": ["a", "b", "a", "c", "box", "d"],
            "kind": ["conversion", "reversal", "conversion", "reversal", "box", "conversion"],
            "first_seen": [day[0], day[0], day[0], day[2], day[2], day[3]],
        }
    )
    outcome = pl.DataFrame(
        {
            "session_date": [day[1], day[1], day[2], day[3], day[3], day[4]],
            "finding_id": ["a", "b", "a", "c", "box", "d"],
            "exit_edge_dollars": [10.0, 30.0, 99.0, -4.0, 77.0, 6.0],
        }
    )
    rules = pl.DataFrame({"session_date": day, "rule": "dislocation", "holds": [True, None, False, False, None]})
    frames = {"mart.mispricing": mispricing, "mart.mispricing_outcome": outcome, "mart.rule_evaluation": rules}
    found = BY_NAME["locks_pay_in_dislocations"].observations(frames)
    # Session 4: (10 + 30)/2 with dislocation; sessions 6 and 7: -4 and 6 without. Boxes and later sightings are out.
    assert (value(found), found.n) == (pytest.approx(20.0 - 1.0), 1)


def window_frame(rows: list[tuple[int, int, bool, float, float]]) -> pl.DataFrame:
    """Windows by first day, days, activation, VIX and outcome; contango and zone alike."""
    first = date(2024, 1, 1)
    return pl.DataFrame(
        {
            "session_date": [first + timedelta(days=row[0]) for row in rows],
            "window_end": [first + timedelta(days=row[0] + row[1]) for row in rows],
            "is_activated": [row[2] for row in rows],
            "vix": [row[3] for row in rows],
            "contango_ratio": 0.05,
            "zone": 0.5,
            "outcome": [row[4] for row in rows],
        }
    )


def test_matches_are_the_nearest_windows_that_overlap_nothing() -> None:
    rows = [
        (0, 4, True, 20.0, 5.0),  # takes the window at 30 (VIX 20.5): the one at 3 overlaps it
        (3, 4, False, 20.0, 100.0),
        (10, 4, True, 14.0, 3.0),  # takes the window at 40: the one at 33 overlaps the match at 30
        (12, 4, True, 14.0, 1_000.0),  # begins before the window at 10 has ended
        (30, 4, False, 20.5, 1.0),
        (33, 4, False, 14.1, 2_000.0),
        (40, 4, False, 15.0, 2.0),  # overlaps the activated window at 43, which begins later: that is no reason
        (43, 4, True, 31.0, 6.0),  # takes the window at 50, which begins after it has ended
        (46, 4, False, 31.0, 3_000.0),  # begins while the one at 43 lasts
        (50, 4, False, 30.0, 7.0),
        (60, 4, True, 22.0, 8.0),  # what is left is too far
    ]
    found = matched_gain(window_frame(rows).sample(fraction=1.0, shuffle=True, seed=9))
    assert found.rows[:, 0].tolist() == [5.0 - 1.0, 3.0 - 2.0, 6.0 - 7.0]
    assert value(found) == pytest.approx(4.0 / 3.0)


def test_a_window_with_a_gap_is_left_out_and_no_windows_give_no_pairs() -> None:
    rows = window_frame([(0, 4, True, 20.0, 5.0), (30, 4, False, 20.0, 1.0)])
    assert matched_gain(rows).n == 1
    assert matched_gain(rows.with_columns(zone=pl.lit(None, dtype=pl.Float64))).n == 0
    assert matched_gain(rows.head(1)).n == 0
    nothing = np.empty((0, 3)), np.empty(0, dtype=bool)
    assert matched_pairs(*nothing, start=np.empty(0, dtype=np.int64), end=np.empty(0, dtype=np.int64)).shape == (0, 2)


def test_matches_are_near_in_every_covariate_by_its_own_spread() -> None:
    covariates = np.array([[10.0, 0.01], [10.1, 0.09], [30.0, 0.011], [11.0, 0.012], [40.0, 0.05]])
    start = np.array([0, 10, 20, 30, 40])
    pairs = matched_pairs(covariates, np.array([True, False, False, False, False]), start=start, end=start + 5)
    assert pairs.tolist() == [[0, 3]]
