"""From evaluations to decisions, on nights made of real rules."""

from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.rules.breadth_momentum import BreadthMomentumParameters
from transforms.rules.decision_rows import decision_leg_rows, decision_rows
from transforms.rules.decisions import (
    ACTIONS,
    ACTIVATION,
    Decision,
    DecisionParameters,
    Engine,
    Offer,
    OfferedLeg,
    Offers,
    OpenBook,
    decide,
)
from transforms.rules.exit import ExitParameters
from transforms.rules.night import Positions, evaluate_rules
from transforms.tables.rule import DECISION, DECISION_LEG

FRIDAY, THURSDAY = date(2024, 3, 8), date(2024, 3, 7)
EVE = {"session_date": FRIDAY, "next_session": date(2024, 3, 11)}
MIDWEEK = {"session_date": THURSDAY, "next_session": FRIDAY}
CONDOR = {"short_put_strike": 3800.0, "short_call_strike": 4200.0, "profit_share": 0.2}
# A night on which every rule that could withhold an action passes, and nothing is near.
CALM: dict[str, Any] = {
    **MIDWEEK,
    "contango_ratio": 0.10,
    "vx_front_rsi": 25.0,
    "newest_condor_zone": 0.8,
    "breadth_histogram": 1.0,
    "curve_histogram": 0.01,
    "sessions_below_30": 0,
    "layer_capital_at_risk": 200.0,
    "condor_capital_at_risk": 1000.0,
    "week_condor_max_loss": 300.0,
    "week_layer_max_loss": 100.0,
    "open_max_loss": 1200.0,
    "equity": 10_000.0,
    "cash": 5000.0,
    "marketable_securities": 0.0,
    "receivables": 0.0,
    "current_liabilities": 0.0,
    "margin_after_trade": 2000.0,
    "sessions_to_cpi": 9,
    "sessions_to_ppi": 10,
    "sessions_to_fomc": 7,
    "spx": 4000.0,
    "spx_5_sessions_ago": 4000.0,
}
RALLY = {"spx": 4100.0}
RELEASE = {"sessions_to_cpi": 1}
ONE_CONDOR = Positions(condors={"c1": CONDOR}, layers={"l1": {"sessions_to_layer_expiration": 9}})


def offer(
    engine: Engine = "condor", *, contracts: int = 2, cost: float | None = 100.0, note: str | None = None
) -> Offer:
    leg = OfferedLeg("SPX", date(2024, 4, 19), 4200.0, "call", "buy", 1, 12.5)
    return Offer(
        engine,
        (leg, replace(leg, strike=4300.0, side="sell", limit_price=6.0)),
        contracts,
        limit_price=-6.5,
        expected_cost=cost,
        max_loss_change=650.0,
        gamma_change=-0.001,
        binding_limit="trade_risk",
        note=note,
    )


FULL = Offers(
    condor=offer(),
    layer=offer("second"),
    roll={"l1": offer("second")},
    widen={"c1": offer()},
    tighten={"c1": offer()},
    reduce={"l1": offer("second")},
    close={"c1": offer()},
)


def decided(
    values: dict[str, Any],
    *,
    positions: Positions | None = ONE_CONDOR,
    offers: Offers = FULL,
    book: OpenBook | None = None,
    mode: str = "all",
    parameters: dict[str, Any] | None = None,
) -> tuple[Decision, ...]:
    night = evaluate_rules({**CALM, **values}, parameters or {}, positions=positions)
    return decide(
        (values or CALM).get("session_date", THURSDAY),
        night,
        book=book or OpenBook(),
        offers=offers,
        parameters=DecisionParameters(activation_mode=mode),
    )


def actions(decisions: tuple[Decision, ...]) -> list[tuple[str, str]]:
    return [(decision.action, decision.engine) for decision in decisions]


ACTIVATED = ("activate_second_engine", "second")
DORMANT = ("stay_dormant", "second")


def test_on_the_eve_the_weeks_condor_is_opened_and_on_other_nights_not() -> None:
    assert ("open_condor", "condor") in actions(decided(EVE))
    assert not [one for one in decided({}) if one.engine == "condor"]


@pytest.mark.parametrize("limit", ["trade_risk", "book_risk", "quick_ratio"])
@pytest.mark.parametrize("missing", [False, True])
def test_a_limit_that_fails_or_is_unknown_withholds_condor_and_layer(limit: str, missing: bool) -> None:
    name = {"trade_risk": "week_condor_max_loss", "book_risk": "open_max_loss", "quick_ratio": "margin_after_trade"}
    decisions = decided({**EVE, name[limit]: None if missing else 1e6})
    dormant = {one.engine: one for one in decisions if one.action == "stay_dormant"}
    assert set(dormant) == {"condor", "second"}
    assert all(limit in one.rules for one in dormant.values())
    assert f"{limit} {'unknown' if missing else 'failed'}" in dormant["condor"].reason


@pytest.mark.parametrize("mode", list(ACTIVATION))
def test_an_activation_needs_every_rule_of_its_mode_and_no_other(mode: str) -> None:
    turns: dict[str, dict[str, Any]] = {
        "contango_scan": {"contango_ratio": 0.01},
        "vx_oversold": {"vx_front_rsi": 50.0},
        "condor_in_zone": {"newest_condor_zone": 0.1},
        "weekly_session": MIDWEEK,
    }
    assert ACTIVATED in actions(decided(EVE, mode=mode))
    for rule, values in turns.items():
        activated = ACTIVATED in actions(decided({**EVE, **values}, mode=mode))
        assert activated is (rule not in ACTIVATION[mode])


@pytest.mark.parametrize("name", ["contango_ratio", "vx_front_rsi", "newest_condor_zone"])
def test_an_unknown_rule_never_activates(name: str) -> None:
    decisions = decided({name: None})
    assert actions(decisions) == [DORMANT]
    assert "unknown (missing: " in decisions[0].reason


def test_momentum_advises_unless_it_is_required() -> None:
    bearish = {"breadth_histogram": -1.0}
    required = {"breadth_momentum": BreadthMomentumParameters(mode="required")}
    assert actions(decided(bearish)) == [ACTIVATED]
    assert actions(decided({"breadth_histogram": None})) == [ACTIVATED]
    assert actions(decided(bearish, parameters=required)) == [DORMANT]
    assert actions(decided({"breadth_histogram": None}, parameters=required)) == [DORMANT]


def test_a_condor_gets_one_layer() -> None:
    layered = OpenBook(newest_has_layer=True)
    assert actions(decided({}, book=layered)) == [DORMANT]
    assert ACTIVATED in actions(decided(EVE, book=layered, mode="scan"))


def test_scanning_opens_no_layer_without_the_weeks_condor() -> None:
    none = replace(FULL, condor=offer(contracts=0, note="no candidate"))
    decisions = decided(EVE, offers=none, mode="scan")
    assert actions(decisions) == [("stay_dormant", "condor"), DORMANT]
    assert "0 contracts by trade_risk (no candidate)" in decisions[0].reason


def test_a_roll_is_due_before_the_month_rolls_off() -> None:
    positions = replace(ONE_CONDOR, layers={"l1": {"sessions_to_layer_expiration": 2}})
    (roll,) = [one for one in decided({}, positions=positions) if one.action == "roll_second_engine"]
    assert (roll.position_id, roll.rules, roll.contracts) == ("l1", ("roll_due",), 2)
    assert "roll_second_engine" not in {one.action for one in decided({})}
    nothing = decided({}, positions=positions, offers=replace(FULL, roll={}))
    assert [one.reason.split(":")[0] for one in nothing if one.position_id == "l1"] == [
        "roll_second_engine is called for but not offered"
    ]


def test_a_rally_widens_the_threatened_condor_once() -> None:
    assert ("widen_condor", "condor") in actions(decided(RALLY))
    assert "widen_condor" not in {one.action for one in decided(RALLY, book=OpenBook(widened=frozenset({"c1"})))}
    assert "widen_condor" not in {one.action for one in decided({})}


def test_events_outrank_a_rally() -> None:
    before_release = {one.action for one in decided({**RALLY, **RELEASE})}
    assert "tighten_condor" in before_release
    assert "widen_condor" not in before_release
    before_decision = {one.action for one in decided({**RALLY, "sessions_to_fomc": 1})}
    assert not before_decision & {"tighten_condor", "widen_condor"}
    calendar_missing = {one.action for one in decided({**RALLY, "sessions_to_cpi": None})}
    assert not calendar_missing & {"tighten_condor", "widen_condor"}


def test_a_condor_is_tightened_once_for_an_event() -> None:
    again = decided(RELEASE, book=OpenBook(tightened=frozenset({"c1"})))
    assert "tighten_condor" not in {one.action for one in again}


def test_a_condor_that_is_closed_is_not_adjusted() -> None:
    exits = {"exit": ExitParameters(take_profit_share=0.2)}
    found = actions(decided({**RALLY, **RELEASE}, parameters=exits))
    assert ("close", "condor") in found
    assert "tighten_condor" not in {action for action, _ in found}


@pytest.mark.parametrize("limit", ["layer_share", "book_risk", "quick_ratio"])
def test_a_limit_failed_on_marks_reduces_the_book(limit: str) -> None:
    (reduction,) = [one for one in decided({limit: "failed"}) if one.action == "reduce"]
    assert reduction.rules == ("exit", limit)
    assert reduction.position_id == "l1"
    not_offered = decided({limit: "failed"}, offers=replace(FULL, reduce={}))
    assert [one.rules for one in not_offered if "reduce is called for" in one.reason] == [("exit", limit)]


def test_a_layer_that_rolls_is_not_reduced_as_well() -> None:
    positions = replace(ONE_CONDOR, layers={"l1": {"sessions_to_layer_expiration": 1}})
    found = [one.action for one in decided({"book_risk": "failed"}, positions=positions) if one.position_id == "l1"]
    assert found == ["roll_second_engine"]


@pytest.mark.parametrize(
    ("balance", "cost", "funded", "unfunded"),
    [
        (250.0, 100.0, [100.0, 100.0], [0.0, 0.0]),
        (150.0, 100.0, [100.0, 50.0], [0.0, 50.0]),
        (-20.0, 100.0, [0.0, 0.0], [100.0, 100.0]),
        (50.0, -30.0, [0.0, 0.0], [0.0, 0.0]),
        (None, 100.0, [None, None], [None, None]),
        (50.0, None, [None, None], [None, None]),
    ],
)
def test_adjustments_are_paid_from_the_second_engines_ledger_until_it_is_empty(
    balance: float | None, cost: float | None, funded: list[float | None], unfunded: list[float | None]
) -> None:
    offers = replace(FULL, tighten={"c1": offer(cost=cost), "c2": offer(cost=cost)})
    positions = Positions(condors={"c2": CONDOR, "c1": CONDOR})
    book = OpenBook(ledger_balance=balance)
    paid = [
        one for one in decided(RELEASE, positions=positions, offers=offers, book=book) if one.action[:7] == "tighten"
    ]
    assert [one.position_id for one in paid] == ["c1", "c2"]
    assert [one.funded for one in paid] == funded
    assert [one.unfunded for one in paid] == unfunded


def test_rows_hold_the_decisions_and_the_legs_of_their_packages() -> None:
    decisions = decided({**EVE, **RELEASE, "vx_front_rsi": 50.0})
    rows, legs = decision_rows(decisions), decision_leg_rows(decisions)
    assert set(rows["decision"]) == {"open_condor", "tighten_condor", "stay_dormant"}
    dormant = rows.filter(pl.col("decision") == "stay_dormant").row(0, named=True)
    assert (dormant["contracts"], dormant["limit_price"], dormant["rules"]) == (0, None, "vx_oversold")
    assert legs.group_by("decision_id").len()["len"].to_list() == [2, 2]
    assert set(legs["decision_id"]) == set(rows.filter(pl.col("contracts") > 0)["decision_id"])
    assert decision_rows(()).equals(DECISION.empty())
    assert decision_leg_rows(()).equals(DECISION_LEG.empty())


SOMETIMES: dict[str, st.SearchStrategy[Any]] = {
    "contango_ratio": st.sampled_from((None, 0.01, 0.1)),
    "vx_front_rsi": st.sampled_from((None, 25.0, 50.0)),
    "newest_condor_zone": st.sampled_from((None, 0.1, 0.8)),
    "sessions_below_30": st.sampled_from((None, 0, 9)),
    "layer_capital_at_risk": st.sampled_from((None, 200.0, 900.0)),
    "open_max_loss": st.sampled_from((None, 100.0, 9000.0)),
    "equity": st.sampled_from((None, 0.0, 10_000.0)),
    "sessions_to_cpi": st.sampled_from((None, 1, 9)),
    "spx": st.sampled_from((None, 4000.0, 4100.0)),
    "quick_ratio": st.sampled_from((None, "passed", "failed")),
}


@given(
    values=st.fixed_dictionaries(SOMETIMES),
    timing=st.sampled_from((EVE, MIDWEEK)),
    mode=st.sampled_from(tuple(ACTIVATION)),
    contracts=st.sampled_from((0, 1)),
    left=st.sampled_from((1, 9)),
    profit=st.sampled_from((None, 0.1, 0.9)),
)
def test_every_night_ends_in_decisions_that_cite_rules_and_change_a_position_once(
    values: dict[str, Any], timing: dict[str, Any], mode: str, contracts: int, left: int, profit: float | None
) -> None:
    positions = Positions(
        condors={name: {**CONDOR, "profit_share": profit} for name in ("c1", "c2")},
        layers={"l1": {"sessions_to_layer_expiration": left}},
    )
    changes = {name: offer("second" if name == "l1" else "condor", contracts=contracts) for name in ("c1", "c2", "l1")}
    offers = Offers(offer(contracts=contracts), offer("second", contracts=contracts), *[changes] * 5)
    parameters = {"exit": ExitParameters(take_profit_share=0.5)}
    night = evaluate_rules({**CALM, **values, **timing}, parameters, positions=positions)
    decisions = decide(
        THURSDAY, night, book=OpenBook(), offers=offers, parameters=DecisionParameters(activation_mode=mode)
    )
    assert any(one.engine == "second" for one in decisions)
    assert [ACTIONS.index(one.action) for one in decisions] == sorted(ACTIONS.index(one.action) for one in decisions)
    assert len({one.decision_id for one in decisions}) == len(decisions)
    traded = [one for one in decisions if one.action != "stay_dormant"]
    changed = [one.position_id for one in traded if one.position_id]
    assert len(set(changed)) == len(changed)
    for one in decisions:
        assert one.rules
        assert one.reason
        assert (one.contracts > 0) is (one.action != "stay_dormant")
    needed = {"open_condor", "activate_second_engine", "roll_second_engine"}
    for one in traded:
        if one.action in needed:
            rows = {**night.rows, **night.of_position.get(one.position_id or "", {})}
            assert {rows[name].outcome for name in one.rules} == {"passed"}
