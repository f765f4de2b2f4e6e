"""The payoff of a package: exact at expiration, Black-76 at the smile's vols tonight."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from tests.transforms.report.nights import SESSION, night_of
from transforms.pricing.black76 import black_price
from transforms.report.figure import Figure, Missing
from transforms.report.payoff_figure import payoff_figures, position_figures
from transforms.schemas import (
    DECISION,
    DECISION_LEG,
    FILL,
    OPTION_ANALYTICS,
    POSITION_DAILY,
    POSITION_EVENT,
    SLICE,
)
from transforms.table_schema import Table

EXPIRATION = date(2026, 12, 18)
YEARS, FORWARD, DISCOUNT, VOL = 0.135, 6000.0, 0.995, 0.14
CONDOR = ((5400.0, "put", 1), (5450.0, "put", -1), (6400.0, "call", -1), (6500.0, "call", 1))
CREDIT, CONTRACTS = 12.0, 3

Rows = dict[Table, list[dict[str, Any]]]


def market(*, with_vols: bool = True) -> Rows:
    key = {"root": "SPXW", "expiration": EXPIRATION}
    slice_row = {**key, "time_to_expiry": YEARS, "forward": FORWARD, "discount_factor": DISCOUNT}
    vols = [{**key, "strike": strike, "option_type": kind, "fitted_vol": VOL} for strike, kind, _ in CONDOR]
    return {SLICE: [slice_row], OPTION_ANALYTICS: vols if with_vols else []}


def decided() -> Rows:
    legs = [
        {"decision_id": "d", "leg": n, "instrument": "option", "root": "SPXW", "expiration": EXPIRATION,
         "strike": strike, "option_type": kind, "side": "buy" if sign > 0 else "sell", "quantity": 1}
        for n, (strike, kind, sign) in enumerate(CONDOR, 1)
    ]  # fmt: skip
    decision = {"decision_id": "d", "decision": "open_condor", "engine": "condor", "contracts": CONTRACTS,
                "limit_price": CREDIT}  # fmt: skip
    return {DECISION: [decision], DECISION_LEG: legs}


def lines(figure: object) -> dict[str, tuple[Any, Any]]:
    assert isinstance(figure, Figure), figure
    return {series.name: (np.array(series.x), np.array(series.y)) for series in figure.panels[0].series}


def test_the_decided_condor_earns_its_credit_between_the_strikes_and_loses_its_wings_beyond() -> None:
    figure = payoff_figures(night_of({**market(), **decided()}))["payoff_condor"]
    at, profit = lines(figure)["at expiration"]
    inside = (at >= 5450.0) & (at <= 6400.0)
    assert profit[inside] == pytest.approx(100 * CONTRACTS * CREDIT)
    assert profit[at <= 5400.0] == pytest.approx(100 * CONTRACTS * (CREDIT - 50.0))
    assert profit[at >= 6500.0] == pytest.approx(100 * CONTRACTS * (CREDIT - 100.0))
    assert isinstance(figure, Figure)
    levels = [mark.value for mark in figure.marks]
    assert levels == pytest.approx([FORWARD, 5450.0 - CREDIT, 6400.0 + CREDIT])


def test_tonights_line_is_the_credit_and_the_legs_at_the_smiles_vols() -> None:
    at, profit = lines(payoff_figures(night_of({**market(), **decided()}))["payoff_condor"])["tonight"]
    wanted = np.full(at.size, 100.0 * CONTRACTS * CREDIT)
    for strike, kind, sign in CONDOR:
        price = black_price(
            at, np.full(at.size, strike), time_to_expiry=np.full(at.size, YEARS), implied_vol=np.full(at.size, VOL),
            discount_factor=np.full(at.size, DISCOUNT), is_call=np.full(at.size, kind == "call"),
        )  # fmt: skip
        wanted += 100.0 * CONTRACTS * sign * price
    assert profit == pytest.approx(wanted, abs=1e-6)


def test_without_vols_the_line_of_tonight_is_left_out_and_the_note_says_so() -> None:
    figure = payoff_figures(night_of({**market(with_vols=False), **decided()}))["payoff_condor"]
    assert set(lines(figure)) == {"at expiration"}
    assert isinstance(figure, Figure)
    assert "Tonight's line is missing: a leg has no vol" in figure.note


def test_an_engine_without_a_package_says_so() -> None:
    figure = payoff_figures(night_of(market()))["payoff_second"]
    assert isinstance(figure, Missing)
    assert "no candidate passed the filters" in figure.reason


def test_an_open_position_is_drawn_from_its_fills_less_what_was_closed_with_all_its_cash() -> None:
    def fill(strike: float, kind: str, quantity: int) -> dict[str, Any]:
        return {"position_id": "p", "root": "SPXW", "expiration": EXPIRATION, "strike": strike, "option_type": kind,
                "quantity": quantity}  # fmt: skip

    fills = [fill(strike, kind, 2 * sign) for strike, kind, sign in CONDOR]
    fills += [fill(strike, kind, -sign) for strike, kind, sign in CONDOR]
    rows: Rows = {
        FILL: fills,
        POSITION_EVENT: [
            {"position_id": "p", "event": "opened", "cash": 2400.0, "session_date": date(2026, 10, 26)},
            {"position_id": "p", "event": "reduced", "cash": -900.0},
        ],
        POSITION_DAILY: [{"position_id": "p", "book": "paper", "engine": "condor", "is_open": True}],
    }
    at, profit = lines(position_figures(night_of({**market(), **rows}, session=SESSION))["position_p"])["at expiration"]
    assert profit[(at >= 5450.0) & (at <= 6400.0)] == pytest.approx(1500.0)
    assert profit[at >= 6500.0] == pytest.approx(1500.0 - 10_000.0)
