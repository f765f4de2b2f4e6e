"""The book through two years of a known market: conserved, blind to the future and to row order, within its limits."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.slow import SLOW
from tests.transforms.book.market import STATEMENT, Market, Night, market, night_settings, run_session
from tests.transforms.engines.offers.evenings import at_risk, margin_of, summed
from transforms.book.decided import orders_of
from transforms.book.figures import open_leg
from transforms.book.night import Decided, NightSettings, decide_night
from transforms.book.position import OpenLeg, OptionName
from transforms.book.rows import BookRows
from transforms.book.session import SessionInputs
from transforms.book.state import Book, Order, book_from_json, book_json
from transforms.engines.sizing import Account
from transforms.rules import RULES
from transforms.rules.decision_rows import decision_leg_rows, decision_rows
from transforms.rules.market_values import rows_by_session, session_values
from transforms.rules.night import rule_evaluation
from transforms.schemas import (
    ACCOUNT_DAILY,
    ENGINE_DAILY,
    FILL,
    ORDER_STATUS,
    POSITION_DAILY,
    POSITION_EVENT,
)
from transforms.sessions import TradingCalendar
from transforms.table_schema import Table

CENT = 0.005
TERMS = ("delta", "gamma", "vega", "theta", "slippage", "residual", "fees")
EAGER = {
    "contango_scan": {"contango_threshold": -0.5},
    "vx_oversold": {"oversold_rsi": 99.0},
    "condor_in_zone": {"near_max_profit_zone": 0.0},
    "breadth_momentum": {"mode": "advisory"},
    "curve_momentum": {"mode": "advisory"},
}
DEFAULT = night_settings(exit={"take_profit_share": 0.5})
VERSIONS = {rule.name: "v" for rule in RULES}


@dataclass(frozen=True)
class History:
    """A run of the book: the market, what each session read and decided, and the rows of all."""

    market: Market
    settings: NightSettings
    inputs: Mapping[date, SessionInputs]
    nights: Mapping[date, Night]
    frames: Mapping[Table, pl.DataFrame]


def history(own: Market, chosen: NightSettings) -> History:
    book, rows, inputs, nights = Book(), BookRows(), {}, {}
    for day in own.sessions:
        inputs[day] = own.inputs(day)
        nights[day] = run_session(book, inputs[day], chosen)
        book = nights[day].book
        for table, found in nights[day].rows.rows.items():
            rows.rows[table] += found
    return History(own, chosen, inputs, nights, rows.frames())


@pytest.fixture(scope="module")
def two_years(calendar: TradingCalendar) -> History:
    return history(market(calendar), DEFAULT)


def said(night: Night) -> dict[str, Any]:
    """Everything a night decides and does, as values."""
    return {
        "decisions": decision_rows(night.decided.decisions).to_dicts(),
        "legs": decision_leg_rows(night.decided.decisions).to_dicts(),
        "rules": rule_evaluation(
            night.reached.market.session_date, night.decided.rules.rows.values(), versions=VERSIONS
        ).to_dicts(),
        "rows": night.rows.rows,
        "orders": night.reached.stepped.orders,
        "book": book_json(night.book),
    }


def test_two_years_hold_every_decision_and_what_may_befall_an_order(two_years: History) -> None:
    kinds = Counter(d.action for night in two_years.nights.values() for d in night.decided.decisions)
    assert len(kinds) == 8
    assert min(kinds.values()) >= 5, kinds
    statuses = Counter(two_years.frames[ORDER_STATUS]["status"])
    assert min(statuses[name] for name in ("filled", "waiting", "cancelled")) >= 3, statuses
    events = Counter(two_years.frames[POSITION_EVENT]["event"])
    assert {"opened", "settled", "widened", "tightened", "reduced", "closed"} <= set(events), events
    daily = two_years.frames[POSITION_DAILY]
    assert set(daily["mark_source"]) == {"mid", "fitted", "carried"}
    assert set(daily["book"]) == {"paper", "held"}
    calendar = two_years.market.calendar
    assert sum(calendar.is_early_close(day) for day in two_years.market.sessions) >= 3


def test_cash_is_fills_fees_settlements_and_interest(two_years: History) -> None:
    frames, fills = two_years.frames, two_years.frames[FILL]
    assert fills.height > 1_000
    price = 100.0 * pl.col("quantity") * pl.col("price")
    assert (fills["cash"] - fills.select(-price - pl.col("fee")).to_series()).abs().max() < 1e-9
    assert (fills["fee"] - 1.5 * fills["quantity"].abs()).abs().max() == 0.0
    paper = pl.col("position_id").is_in(frames[POSITION_DAILY].filter(book="paper")["position_id"].unique().implode())
    settled = frames[POSITION_EVENT].filter(paper, event="settled")
    engines = frames[POSITION_DAILY].select("position_id", "engine").unique()
    for engine in ("condor", "second"):
        daily = frames[ENGINE_DAILY].filter(engine=engine).sort("session_date")
        flows = pl.concat(
            [
                fills.filter(engine=engine).select("session_date", "cash"),
                settled.join(engines, on="position_id").filter(engine=engine).select("session_date", "cash"),
                daily.select("session_date", cash="pnl_interest"),
            ]
        )
        cumulated = daily.select("session_date").join(
            flows.group_by("session_date").agg(pl.col("cash").sum()), on="session_date", how="left"
        )
        wanted = cumulated.sort("session_date")["cash"].fill_null(0.0).cum_sum()
        assert (daily["cash"] - wanted).abs().max() < CENT


def test_equity_is_what_it_began_with_and_cash_and_marks(two_years: History) -> None:
    frames = two_years.frames
    marks = frames[POSITION_DAILY].filter(book="paper").group_by("session_date", "engine").agg(pl.col("mark").sum())
    engines = frames[ENGINE_DAILY].filter(pl.col("engine") != "both").select("session_date", "engine", "cash", "equity")
    both = engines.join(marks, on=["session_date", "engine"], how="left", validate="1:1")
    assert both.select((pl.col("cash") + pl.col("mark").fill_null(0.0) - pl.col("equity")).abs().max()).item() < CENT
    total = engines.group_by("session_date").agg(pl.col("equity").sum(), pl.col("cash").sum()).sort("session_date")
    account = frames[ACCOUNT_DAILY].sort("session_date")
    stated = two_years.market.accounts.row(0, named=True)
    first = account.filter(pl.col("session_date") < stated["session_date"]).join(
        total, on="session_date", suffix="_own"
    )
    assert first.height > 240
    assert (first["equity"] - STATEMENT.equity - first["equity_own"]).abs().max() < CENT
    assert (first["cash"] - STATEMENT.cash - first["cash_own"]).abs().max() < CENT
    then = account.filter(pl.col("session_date") >= stated["session_date"]).join(
        total, on="session_date", suffix="_own"
    )
    assert then["equity"][0] == stated["equity"]
    earned = then["equity_own"] - then["equity_own"][0]
    assert (then["equity"] - stated["equity"] - earned).abs().max() < CENT


def test_attribution_sums_to_the_profit_of_positions_engines_and_sessions(two_years: History) -> None:
    frames, terms = two_years.frames, [f"pnl_{name}" for name in TERMS]
    daily, engines = frames[POSITION_DAILY], frames[ENGINE_DAILY]
    assert daily.select((pl.sum_horizontal(terms) - pl.col("pnl")).abs().max()).item() < CENT
    with_interest = pl.sum_horizontal([*terms, "pnl_interest"])
    assert engines.select((with_interest - pl.col("pnl")).abs().max()).item() < CENT
    paper = daily.filter(book="paper").group_by("session_date", "engine").agg(pl.col(*terms).sum())
    compared = engines.filter(pl.col("engine") != "both").join(
        paper, on=["session_date", "engine"], how="inner", suffix="_of_positions", validate="1:1"
    )
    for name in terms:
        assert (compared[name] - compared[f"{name}_of_positions"]).abs().max() < CENT
    for engine in ("condor", "second", "both"):
        own = engines.filter(engine=engine).sort("session_date")
        assert (own["equity"].diff().fill_null(own["equity"][0]) - own["pnl"]).abs().max() < CENT
    # A position's profit is its cash and marks, and the sum of its sessions.
    positions = daily.sort("session_date").group_by("position_id", maintain_order=True).agg(
        pl.col("pnl").sum(), pl.col("pnl_total").last(), pl.col("mark").last(), pl.col("is_open").last()
    )  # fmt: skip
    events = frames[POSITION_EVENT].group_by("position_id").agg(pl.col("cash").sum())
    ended = positions.join(events, on="position_id", how="inner", validate="1:1")
    assert ended.height == positions.height > 80
    assert (ended["pnl"] - ended["pnl_total"]).abs().max() < CENT
    assert (ended["cash"] + ended["mark"] - ended["pnl"]).abs().max() < CENT
    assert ended.filter(~pl.col("is_open"))["mark"].abs().max() == 0.0


def test_what_the_user_holds_is_tracked_by_the_same_steps(two_years: History) -> None:
    daily = two_years.frames[POSITION_DAILY].filter(book="held").sort("session_date")
    assert set(daily["position_id"]) == {"held:sold", "held:kept"}
    sold = daily.filter(position_id="held:sold")
    sessions = two_years.market.sessions
    assert (sold["session_date"].min(), sold["session_date"].max()) == (sessions[30], sessions[60])
    # Sold at 30 against 20, bought back at 1 against 0.5, two fees of 3 dollars: 100 x (10 - 0.5) - 6.
    assert sold["pnl_total"].to_list()[-1] == pytest.approx(944.0, abs=CENT)
    kept = daily.filter(position_id="held:kept")
    expiration = two_years.market.months(sessions[30])[1]
    paid = max(two_years.market.settlements["VIX", expiration].value - 21.0, 0.0)
    assert kept["session_date"].max() == expiration
    assert kept["pnl_total"].to_list()[-1] == pytest.approx(200.0 * (paid - 0.9) - 3.0, abs=CENT)


def test_no_decision_fill_or_row_of_a_year_reads_what_comes_later(two_years: History) -> None:
    """By induction: each session stepped from the stored book, with everything after it removed, is the same."""
    sessions = [day for day in two_years.market.sessions if day.year == 2023]
    assert len(sessions) == 250
    before = book_json(Book())
    for day in sessions:
        known = two_years.market.until(day)
        row = rows_by_session(known.values, [day])[day]
        # The chain and the candidates of a session are made from that session alone.
        session = replace(
            two_years.inputs[day],
            values=session_values(row, day, events=known.events, calendar=known.calendar),
            settlements=known.settlements,
            held=known.held,
        )
        night = run_session(book_from_json(before), session, DEFAULT)
        assert said(night) == said(two_years.nights[day]), day
        before = book_json(night.book)
        assert book_json(book_from_json(before)) == before


def test_the_order_of_rows_changes_nothing(two_years: History) -> None:
    for number, day in enumerate(two_years.market.sessions[3::31]):
        before = two_years.nights[day].before
        night = run_session(before, two_years.market.inputs(day, shuffle=number), DEFAULT)
        assert said(night) == said(two_years.nights[day]), day


@dataclass
class Scratch:
    """A book as contracts and cash by position: every limit measured anew, by the payoffs themselves."""

    account: Account
    contracts: dict[str, dict[OptionName, int]]
    received: dict[str, float]
    fees: dict[str, float]
    engine: dict[str, str]
    against: dict[str, str]
    cash: float = 0.0

    @classmethod
    def of(cls, book: Book, account: Account, fee: float) -> "Scratch":
        scratch = cls(account, {}, {}, {}, {}, {})
        for position in book.positions:
            if position.book == "paper":
                name = position.position_id
                legs = (open_leg(leg.key, leg.quantity) for leg in position.legs)
                scratch.contracts[name] = summed(legs)
                scratch.received[name], scratch.fees[name] = position.cash + position.fees, position.fees
                scratch.engine[name] = position.engine
                if position.stands_against:
                    scratch.against[name] = position.stands_against
        for order in book.orders:
            if order.position_id is None or order.action not in ("reduce", "close"):
                scratch.trade(order, order.position_id or order.decision_id, fee)
        return scratch

    def trade(self, order: Order, name: str, fee: float) -> None:
        cash = -100.0 * sum(leg.quantity * leg.price for leg in order.legs)
        fees = fee * sum(abs(leg.quantity) for leg in order.legs)
        opens = name not in self.contracts
        if opens:
            self.contracts[name], self.received[name], self.fees[name] = {}, 0.0, 0.0
            self.engine[name] = order.engine
        legs = [open_leg(leg.key, leg.quantity) for leg in order.legs]
        if order.action == "roll_second_engine":
            held = self.contracts[name]
            new = [leg for leg in legs if held.get(leg.name, 0) * leg.quantity >= 0]
            self.contracts[name], self.fees[name] = summed(new), fee * sum(abs(leg.quantity) for leg in new)
            prices = {open_leg(leg.key, leg.quantity): leg.price for leg in order.legs}
            self.received[name] = -100.0 * sum(leg.quantity * prices[leg] for leg in new)
        else:
            old = [OpenLeg(*key, quantity) for key, quantity in self.contracts[name].items()]
            self.contracts[name] = summed([*old, *legs])
            self.received[name] += cash
            self.fees[name] += fees
        self.cash += min(cash - fees, 0.0) if opens else cash - fees
        if not self.contracts[name]:
            for figures in (self.contracts, self.received, self.fees, self.engine):
                figures.pop(name)

    def risk(self, name: str) -> float:
        return at_risk(self.legs(name), cash=self.received[name], fees=self.fees[name])

    def legs(self, name: str) -> list[OpenLeg]:
        return [OpenLeg(*key, quantity) for key, quantity in self.contracts[name].items()]

    def measure(self, name: str, basis: str) -> float:
        if basis == "capital_at_risk":
            return self.risk(name)
        if basis == "margin":
            return margin_of(self.legs(name))
        sold = [(leg.option_type, -leg.quantity * leg.strike) for leg in self.legs(name) if leg.quantity < 0]
        return max(100.0 * sum(amount for kind, amount in sold if kind == side) for side in ("put", "call"))

    def limits(self, chosen: NightSettings, *, trade: set[str], unopened: set[str]) -> dict[str, float | None]:
        """The measures of the limits; None where the account does not say."""
        account, basis = self.account, chosen.basis
        condors = sum(self.measure(n, basis) for n, e in self.engine.items() if e == "condor" and n not in unopened)
        layers = sum(self.measure(n, basis) for n, e in self.engine.items() if e == "second")
        assets = account.quick_assets
        claims = sum(margin_of(self.legs(name)) for name in self.contracts)
        equity = account.equity
        own = {name for name in self.contracts if name in trade or self.against.get(name) in trade}
        shares = {"book_risk": self.contracts, "trade_risk": own}
        return {
            "layer_share": layers / condors if condors else (math.inf if layers else 0.0),
            **{
                limit: None
                if equity is None
                else (sum(self.risk(name) for name in names) / equity if equity > 0.0 else math.inf)
                for limit, names in shares.items()
            },
            "quick_ratio": None
            if assets is None or account.current_liabilities is None
            else (assets + self.cash) / (account.current_liabilities + claims)
            if account.current_liabilities + claims > 0.0
            else math.inf,
        }


def assert_limits_kept(book: Book, account: Account, decided: Decided, chosen: NightSettings) -> None:
    """All decisions of a night together: no limit is exceeded by them, or more than before.

    Before: with what is closed and reduced, which no limit forbids, though it costs cash.
    """
    fee = chosen.terms.spx_fee
    assert fee == chosen.terms.vix_fee
    before, after = Scratch.of(book, account, fee), Scratch.of(book, account, fee)
    orders = orders_of(decision_rows(decided.decisions), decision_leg_rows(decided.decisions))
    actions = {order.action for order in orders}
    tonight = {order.decision_id for order in orders if order.action == "open_condor"}
    condors = [p for p in book.of("condor") if p.legs]
    newest = max(condors, key=lambda p: (p.opened_on, p.position_id)).position_id if condors else None
    for order in orders:
        if order.action in ("reduce", "close"):
            before.trade(order, order.position_id or order.decision_id, fee)
        after.trade(order, order.position_id or order.decision_id, fee)
        if order.action == "activate_second_engine":
            scans = chosen.decisions.activation_mode == "scan"
            after.against[order.decision_id] = next(iter(tonight)) if scans else newest
    unopened = set() if chosen.decisions.activation_mode == "scan" else tonight
    thresholds = {
        name: decided.rules.rows[name].threshold for name in ("layer_share", "trade_risk", "book_risk", "quick_ratio")
    }
    trades = [tonight, {newest}] if newest else [tonight]
    opens = actions & {"open_condor", "activate_second_engine", "roll_second_engine"}
    for trade in trades:
        was = before.limits(chosen, trade=trade, unopened=set())
        now = after.limits(chosen, trade=trade, unopened=unopened)
        checked = ["book_risk", "quick_ratio"] if opens or actions & {"widen_condor", "tighten_condor"} else []
        checked += ["trade_risk"] if checked else []
        checked += ["layer_share"] if "activate_second_engine" in actions else []
        for name in checked:
            value, bound = now[name], thresholds[name]
            if value is None:
                assert not opens, (name, "an unknown limit lets nothing be opened")
                continue
            worse = was[name] is None or (value < was[name] if name == "quick_ratio" else value > was[name])
            kept = value >= bound - 1e-9 if name == "quick_ratio" else value <= bound + 1e-9
            must = bool(opens) and (name != "trade_risk" or trade == tonight or "activate_second_engine" in actions)
            assert kept or (not worse and not must), (name, value, was[name], bound, sorted(actions))


def test_the_decisions_of_every_night_together_keep_every_limit(two_years: History) -> None:
    for night in two_years.nights.values():
        assert_limits_kept(night.reached.book, night.reached.market.account, night.decided, DEFAULT)


def _drawn(declared: Any) -> st.SearchStrategy[Any]:
    about = declared.metadata
    if about["allowed"]:
        return st.sampled_from(about["allowed"])
    whole = isinstance(about["low"], int) and "int" in str(declared.type)
    numbers = st.integers(about["low"], about["high"]) if whole else st.floats(about["low"], about["high"])
    return numbers if declared.default is not None else st.one_of(st.none(), numbers)


PARAMETERS = {
    rule.name: st.fixed_dictionaries({own.name: _drawn(own) for own in fields(rule.parameters)}) for rule in RULES
}
dollars = st.floats(0.0, 1e6)
accounts = st.builds(
    Account, st.floats(20_000.0, 2e6), st.floats(-50_000.0, 1e6), dollars, dollars, dollars
) | st.builds(Account, *[st.one_of(st.none(), st.floats(-10_000.0, 1e6))] * 2, *[st.one_of(st.none(), dollars)] * 3)


def test_a_condor_and_a_layer_of_one_night_share_what_the_limits_leave(two_years: History) -> None:
    n_both = n_bound = 0
    for night in two_years.nights.values():
        market_, book = night.reached.market, night.reached.book
        if not market_.condors.height or not market_.layers.height or not book.of("condor"):
            continue
        # Sizes at the touch bind nothing here.
        deep = {
            name: getattr(market_, name).with_columns(size_at_touch=pl.lit(10_000)) for name in ("condors", "layers")
        }
        market_ = replace(market_, **deep)
        scratch = Scratch.of(book, market_.account, 1.5)
        now = sum(scratch.risk(name) for name in scratch.contracts) / (market_.account.equity or math.nan)
        for room in (0.02, 0.03, 0.05, 0.08):
            chosen = night_settings(
                **EAGER,
                book_risk={"book_risk_limit": min(round(now + room, 4), 1.0)},
                trade_risk={"trade_risk_limit": 0.25},
                layer_share={"steward_share": 1.0, "promoter_share": 1.0},
            )
            aside = replace(book, positions=tuple(replace(p, has_had_layer=False) for p in book.positions))
            decided = decide_night(aside, market_, chosen)
            assert_limits_kept(aside, market_.account, decided, chosen)
            # Sized in turn they fit; sized apart they would fail the rule together, and neither be opened.
            assert decided.rules.rows["book_risk"].outcome == "passed"
            actions = {d.action for d in decided.decisions}
            n_both += {"open_condor", "activate_second_engine"} <= actions
            n_bound += any(
                d.action == "activate_second_engine" and d.offer.binding_limit == "book_risk" for d in decided.decisions
            )
    assert min(n_both, n_bound) >= 3, (n_both, n_bound)


@settings(
    max_examples=1_500 if SLOW else 120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 10_000),
    accounts,
    st.fixed_dictionaries(PARAMETERS),
    st.booleans(),
    st.sampled_from(["all", "trigger", "scan"]),
    st.sampled_from(["short_strikes", "wings"]),
    st.sampled_from(["vega", "risk", "contracts"]),
)
# No cash, one condor to be closed and two to be tightened: the closing costs what the tightenings bring in part.
@example(
    number=8491,
    account=Account(20_000.0, 0.0, 0.0, 0.0, 0.0),
    parameters={"condor_in_zone": {"near_max_profit_zone": 0.0}, "event_ahead": {"event_sessions": 9}}
    | {"exit": {"take_profit_share": None, "exit_dte": 16, "stop_loss_multiple": None}}
    | {"trade_risk": {"trade_risk_limit": 1.0}, "book_risk": {"book_risk_limit": 0.5}},
    eager=False,
    mode="all",
    tighten="short_strikes",
    match="vega",
)
def test_limits_are_never_exceeded_whatever_account_settings_and_market(
    two_years: History,
    number: int,
    account: Account,
    parameters: dict[str, Any],
    eager: bool,
    mode: str,
    tighten: Any,
    match: Any,
) -> None:
    nights = list(two_years.nights.values())
    if eager:
        # Nights on which both engines have candidates, and rules that let them be opened.
        nights = [n for n in nights if n.reached.market.condors.height and n.reached.market.layers.height]
        parameters = {**parameters, **EAGER}
    night = nights[number % len(nights)]
    chosen = replace(night_settings(mode=mode, **parameters), tighten=tighten, roll_match=match)
    decided = decide_night(night.reached.book, replace(night.reached.market, account=account), chosen)
    assert_limits_kept(night.reached.book, account, decided, chosen)
