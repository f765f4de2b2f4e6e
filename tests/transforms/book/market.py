"""A light market of known truth for the book: smiles in closed form, no fitting, a session in milliseconds.

SPXW expires every Friday (the session before a holiday), VIX monthly. Values that the rules read are scripted so that
two years hold every kind of decision. Chains are missing on some sessions and single quotes on all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.book.account import STATED, Statement, statement_in_force
from transforms.book.decided import orders_of
from transforms.book.held import StatedPosition, stated_positions
from transforms.book.night import Decided, NightSettings, decide_night
from transforms.book.rows import BookRows
from transforms.book.session import SessionBook, SessionInputs, add_session, session_book
from transforms.book.settlement import settlement_values
from transforms.book.state import Book
from transforms.book.step import Settlement
from transforms.engines.iron_condor import CondorSettings, condor_candidates
from transforms.engines.offers.package import Terms
from transforms.engines.priced_chain import priced_chain
from transforms.engines.ratio_spread import RatioSpreadSettings, ratio_spread_candidates
from transforms.pricing.black76 import black_greeks, black_price
from transforms.rules import default_parameters
from transforms.rules.decision_rows import decision_leg_rows, decision_rows
from transforms.rules.decisions import DecisionParameters
from transforms.rules.market_values import market_value_daily, rows_by_session, session_values
from transforms.rules.rule import Parameters
from transforms.schemas import (
    CONDOR_CANDIDATE,
    ECONOMIC_EVENT,
    HELD_POSITION,
    RATIO_SPREAD_CANDIDATE,
    SETTLEMENT_VALUE,
    SLICE,
)  # fmt: skip
from transforms.sessions import TradingCalendar, vix_monthly_expirations

FIRST, LAST = date(2023, 1, 3), date(2024, 12, 31)
RATE = 0.04
SPX_NO_CHAIN, VIX_NO_CHAIN, UNQUOTED = 0.02, 0.02, 0.01
CONDORS = CondorSettings(max_kept=12)
LAYERS = RatioSpreadSettings(
    months=(1, 2), min_break_even_above_future=1.0, max_break_even_above_future=20.0, credit_rule="mid", max_kept=12
)  # fmt: skip
STATEMENT = Statement(
    equity=400_000.0,
    cash=150_000.0,
    marketable_securities=250_000.0,
    receivables=0.0,
    current_liabilities=1_000.0,
    margin_loan_rate=0.08,
)
Floats = NDArray[np.float64]


def night_settings(
    *, mode: str = "all", decide_on: str = "paper", terms: Terms | None = None, **parameters: Mapping[str, object]
) -> NightSettings:
    """Settings with the parameters of rules replaced, by rule name."""
    own: dict[str, Parameters] = default_parameters()
    for rule, values in parameters.items():
        own[rule] = replace(own[rule], **values)
    return NightSettings(
        own, DecisionParameters(mode), terms or Terms(), decide_on=decide_on, roll_match="contracts", credit_rate=0.03
    )


@dataclass(frozen=True)
class Market:
    """Everything known up to a session: levels, futures, values for the rules, and what the user states."""

    calendar: TradingCalendar
    seed: int
    sessions: tuple[date, ...]
    spx: Floats
    vix: Floats
    events: pl.DataFrame
    accounts: pl.DataFrame
    held_position: pl.DataFrame

    def until(self, last: date) -> "Market":
        """The market with everything after a session removed."""
        n = sum(day <= last for day in self.sessions)
        return replace(
            self,
            sessions=self.sessions[:n],
            spx=self.spx[:n],
            vix=self.vix[:n],
            events=self.events.filter(pl.col("known_at") <= last),
            accounts=self.accounts.filter(pl.col("session_date") <= last),
            held_position=self.held_position.filter(pl.col("opened_on") <= last).with_columns(
                **{
                    name: pl.when(pl.col("closed_on") <= last).then(pl.col(name))
                    for name in ("exit_price", "closed_on")
                }
            ),
        )

    @cached_property
    def levels(self) -> pl.DataFrame:
        """core.index_level."""
        both = [("SPX", self.spx), ("VIX", self.vix)]
        return pl.concat(
            pl.DataFrame({"session_date": self.sessions}).with_columns(
                symbol=pl.lit(name),
                open=pl.Series(np.round(level * 0.999, 2)),
                high=pl.Series(level),
                low=pl.Series(level),
                close=pl.Series(level),
            )
            for name, level in both
        )

    @cached_property
    def values(self) -> pl.DataFrame:
        """The market's values for the rules."""
        days = pl.DataFrame({"session_date": self.sessions})
        n = np.arange(len(self.sessions))
        contango = [
            self.future(day, self.months(day)[1]) / self.future(day, self.months(day)[0]) - 1.0 for day in self.sessions
        ]
        return market_value_daily(
            curve=days.with_columns(contango_ratio=pl.Series(contango)),
            momentum=pl.concat(
                [
                    days.with_columns(
                        series=pl.lit("vx_front"),
                        rsi=pl.Series(50.0 + 25.0 * np.sin(n / 6.0)),
                        histogram=pl.lit(None, pl.Float64),
                    ),
                    *(
                        days.with_columns(
                            series=pl.lit(name),
                            rsi=pl.lit(None, pl.Float64),
                            histogram=pl.Series(np.cos(n / period)),
                        )
                        for name, period in (("breadth", 11.0), ("curve", 17.0))
                    ),
                ]
            ),
            vol_of_vol=days.with_columns(sessions_below_30=pl.Series((n // 40) % 2 * 6)),
            dislocation=days.with_columns(
                parity_width_percentile_252d=pl.lit(0.5),
                residual_dispersion_percentile_252d=pl.lit(0.5),
                n_executable_locks=pl.lit(0),
            ),
            levels=self.levels,
            calendar=self.calendar,
        )

    @cached_property
    def settlements(self) -> dict[tuple[str, date], Settlement]:
        """Settlement values of both classes: the SPX closes, and a special opening quotation near the VIX."""
        stated = pl.DataFrame(
            [
                {
                    "root": "VIX",
                    "expiration": day,
                    "value": round(0.97 * float(vix) + 0.4, 2),
                    "source": "vx_settle",
                    "exact": True,
                }
                for day, vix in zip(self.sessions, self.vix, strict=True)
                if day in self._vix_expirations
            ],
            schema={
                name: SETTLEMENT_VALUE.polars_schema[name]
                for name in ("root", "expiration", "value", "source", "exact")
            },
        )
        rows = settlement_values(stated, self.levels, calendar=self.calendar).to_dicts()
        return {
            (row["root"], row["expiration"]): Settlement(row["value"], row["source"], row["exact"], row["fixed_on"])
            for row in rows
        }

    @cached_property
    def held(self) -> tuple[StatedPosition, ...]:
        """The user's own positions."""
        return stated_positions(self.held_position)

    @cached_property
    def _vix_expirations(self) -> list[date]:
        return vix_monthly_expirations(FIRST, LAST + timedelta(days=130), calendar=self.calendar)

    def months(self, day: date) -> list[date]:
        """The three nearest monthly VIX expirations after a session."""
        return [expiration for expiration in self._vix_expirations if expiration > day][:3]

    def weeklies(self, day: date) -> list[date]:
        """The SPXW expirations of the next 63 days: Fridays, or the session before."""
        fridays = [day + timedelta(days=n) for n in range(1, 64) if (day + timedelta(days=n)).weekday() == 4]
        found = [self.calendar.on_or_before(friday) for friday in fridays]
        return [expiration for expiration in found if expiration > day]

    def future(self, day: date, expiration: date) -> float:
        """The VX settlement: the VIX pulled to its long mean, and a premium that grows with time."""
        days = (expiration - day).days
        vix = float(self.vix[self.sessions.index(day)])
        return round(16.0 + (vix - 16.0) * float(np.exp(-days / 70.0)) + 2.6 * float(np.sqrt(days / 30.0)), 2)

    def inputs(self, day: date, *, shuffle: int | None = None) -> SessionInputs:
        """What the book reads of a session; `shuffle` gives every frame's rows in another order."""
        now, rng = self.sessions.index(day), np.random.default_rng([self.seed, day.toordinal()])
        missing = rng.random(2) < (SPX_NO_CHAIN, VIX_NO_CHAIN)
        spx, vix = float(self.spx[now]), float(self.vix[now])
        futures = {expiration: self.future(day, expiration) for expiration in self.months(day)}
        slices, options = [], []
        if not missing[0]:
            strikes = np.arange(25.0 * round(0.86 * spx / 25.0), 1.14 * spx, 25.0)
            for expiration in self.weeklies(day):
                tau = (expiration - day).days / 365.0
                own = _slice("SPXW", day, expiration, forward=spx * np.exp(0.02 * tau), vol=vix / 115.0, tau=tau)
                slices.append(own)
                options.append(_options(own, strikes, kinds=("call", "put"), tick=0.05))
        if not missing[1]:
            strikes = np.concatenate(
                (np.arange(10.0, 22.0, 0.5), np.arange(22.0, 40.0, 1.0), np.arange(40.0, 80.0, 5.0))
            )
            for expiration, future in futures.items():
                tau = (expiration - day).days / 365.0
                own = _slice("VIX", day, expiration, forward=future, vol=0.95, tau=tau)
                slices.append(own)
                options.append(_options(own, strikes, kinds=("call",), tick=0.01))
        slice_rows = pl.DataFrame(slices, schema=SLICE_COLUMNS, orient="row")
        quotes = _quoted(options, rng)
        in_order: Callable[[pl.DataFrame], pl.DataFrame] = (
            (lambda frame: frame)
            if shuffle is None
            else (lambda frame: frame.sample(fraction=1.0, shuffle=True, seed=shuffle))
        )
        slice_rows, quotes = in_order(slice_rows), in_order(quotes)
        row = rows_by_session(self.values, [day])[day]
        condors, layers = self._candidates(day, quotes, slice_rows, futures, vix)
        return SessionInputs(
            session_date=day,
            values=session_values(row, day, events=in_order(self.events), calendar=self.calendar),
            vix=vix,
            futures=futures,
            chain=in_order(priced_chain(quotes, quotes, slices=slice_rows)),
            slices=slice_rows,
            condors=in_order(condors),
            layers=in_order(layers),
            settlements=self.settlements,
            held=self.held,
            statement=statement_in_force(in_order(self.accounts), day, default=STATEMENT),
            calendar=self.calendar,
        )

    def _candidates(
        self, day: date, quotes: pl.DataFrame, slices: pl.DataFrame, futures: dict[date, float], vix: float
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Condors on the night of the week's order, layers when one may be opened or rolled; else none."""
        condors, layers = CONDOR_CANDIDATE.empty(), RATIO_SPREAD_CANDIDATE.empty()
        if quotes.is_empty():
            return condors, layers
        weekly = self.calendar.after(day).isocalendar().week != day.isocalendar().week
        if weekly:
            own = slices.filter((pl.col("expiration") - pl.lit(day)).dt.total_days().is_between(45, 60))
            condors = condor_candidates(quotes, quotes, slices=own, settings=CONDORS).candidates
        rsi = rows_by_session(self.values, [day])[day]["vx_front_rsi"]
        if rsi < 30.0 or (self.months(day)[0] - day).days <= 4:
            months = pl.DataFrame(
                {"session_date": day, "rank": [1, 2, 3], "expiration": list(futures), "settle": list(futures.values())}
            ).with_columns(
                pl.col("rank").cast(pl.Int64),
                days_to_expiry=(pl.col("expiration") - pl.col("session_date")).dt.total_days(),
            )
            layers = ratio_spread_candidates(
                quotes, quotes, slices=slices, term_structure=months, vix=vix, settings=LAYERS
            ).candidates
        return condors, layers


SLICE_COLUMNS = {
    name: SLICE.polars_schema[name]
    for name in (
        "session_date", "root", "expiration", "time_to_expiry", "forward", "discount_factor",
        "svi_a", "svi_b", "svi_rho", "svi_m", "svi_sigma",
    )
}  # fmt: skip


def _slice(root: str, day: date, expiration: date, *, forward: float, vol: float, tau: float) -> dict[str, object]:
    """A slice of SSVI: the raw parameters follow in closed form (Gatheral and Jacquier 2014, eq. 5.1)."""
    theta = vol**2 * tau if root == "SPXW" else (vol - 0.35 * min(tau, 0.5)) ** 2 * tau
    rho, steepness = (-0.65, 0.95) if root == "SPXW" else (0.55, 0.9)
    phi = steepness / np.sqrt(theta * (1.0 + theta))
    return {
        "session_date": day, "root": root, "expiration": expiration, "time_to_expiry": tau, "forward": float(forward),
        "discount_factor": float(np.exp(-RATE * tau)), "svi_a": 0.5 * theta * (1.0 - rho**2),
        "svi_b": float(0.5 * theta * phi), "svi_rho": rho, "svi_m": float(-rho / phi),
        "svi_sigma": float(np.sqrt(1.0 - rho**2) / phi),
    }  # fmt: skip


def _options(own: dict[str, object], strikes: Floats, *, kinds: tuple[str, ...], tick: float) -> dict[str, object]:
    k = np.log(strikes / own["forward"])
    b, rho, m, sigma = (own[f"svi_{name}"] for name in ("b", "rho", "m", "sigma"))
    variance = own["svi_a"] + b * (rho * (k - m) + np.sqrt((k - m) ** 2 + sigma**2))
    vol = np.sqrt(variance / own["time_to_expiry"])
    return {"slice": own, "strike": np.tile(strikes, len(kinds)), "vol": np.tile(vol, len(kinds)), "tick": tick,
            "kind": np.repeat(kinds, strikes.size)}  # fmt: skip


def _quoted(options: list[dict[str, object]], rng: np.random.Generator) -> pl.DataFrame:
    """Quotes and analytics of all slices as one frame: rounded outward, some without a bid, some not quoted."""
    if not options:
        return pl.DataFrame(schema=QUOTED_SCHEMA)
    sizes = [part["strike"].size for part in options]
    strike, vol, kind = (np.concatenate([part[name] for part in options]) for name in ("strike", "vol", "kind"))
    of_slice = {
        name: np.repeat([part["slice"][name] for part in options], sizes)
        for name in ("forward", "time_to_expiry", "discount_factor")
    }
    tick = np.repeat([part["tick"] for part in options], sizes)
    model = {
        "time_to_expiry": of_slice["time_to_expiry"],
        "implied_vol": vol,
        "discount_factor": of_slice["discount_factor"],
        "is_call": kind == "call",
    }
    price = black_price(of_slice["forward"], strike, **model)
    greeks = black_greeks(of_slice["forward"], strike, **model)
    half = 0.5 * tick + 0.004 * np.minimum(price, 20.0)
    bid = np.maximum(np.floor((price - half) / tick) * tick, 0.0).round(2)
    ask = (np.ceil((price + half) / tick) * tick).round(2)
    n = strike.size
    gone = pl.Series(rng.random(n) < UNQUOTED)
    bid_size, ask_size = rng.integers(1, 40, (2, n))
    names = ("session_date", "root", "expiration")
    index = np.repeat(np.arange(len(sizes)), sizes)
    keys = pl.DataFrame([{name: part["slice"][name] for name in names} for part in options], orient="row")
    return keys[index].with_columns(
        strike=pl.Series(strike), option_type=pl.Series(kind.tolist()),
        bid=pl.when(~gone).then(pl.Series(bid)), ask=pl.when(~gone).then(pl.Series(ask)),
        bid_size=pl.Series(bid_size), ask_size=pl.Series(ask_size),
        mid=pl.when(~gone).then(pl.Series(0.5 * (bid + ask))), implied_vol_mid=pl.Series(vol),
        **{name: pl.Series(getattr(greeks, name)) for name in ("delta", "gamma", "vega", "theta")},
        fitted_vol=pl.Series(vol), fitted_price=pl.Series(price),
    )  # fmt: skip


QUOTED_SCHEMA = {
    "session_date": pl.Date(), "root": pl.String(), "expiration": pl.Date(), "strike": pl.Float64(),
    "option_type": pl.String(), "bid": pl.Float64(), "ask": pl.Float64(), "bid_size": pl.Int64(),
    "ask_size": pl.Int64(), "mid": pl.Float64(), "implied_vol_mid": pl.Float64(), "delta": pl.Float64(),
    "gamma": pl.Float64(), "vega": pl.Float64(), "theta": pl.Float64(), "fitted_vol": pl.Float64(),
    "fitted_price": pl.Float64(),
}  # fmt: skip


def market(calendar: TradingCalendar, *, seed: int = 1, first: date = FIRST, last: date = LAST) -> Market:
    """A path of two years: calm, rallies of a week, a slide now and then to which the VIX answers."""
    rng = np.random.default_rng(seed)
    sessions = tuple(calendar.between(first, last))
    n = len(sessions)
    season = np.sin(np.arange(n) / 14.0)
    returns = 0.0014 + 0.006 * rng.standard_normal(n) + 0.0035 * season
    slides = (np.arange(n) % 97) >= 90
    returns = returns - np.where(slides, 0.012, 0.0)
    spx = np.round(4000.0 * np.exp(np.cumsum(returns)), 2)
    vix = np.empty(n)
    level = 15.0
    for i in range(n):
        level = level + 0.08 * (14.5 - level) - 90.0 * returns[i] + 0.25 * rng.standard_normal()
        level = float(np.clip(level, 10.5, 45.0))
        vix[i] = round(level, 2)
    months = sorted({(day.year, day.month) for day in sessions} | {(last.year + 1, 1), (last.year + 1, 2)})
    events = [
        {"event_date": calendar.on_or_before(date(year, month, day)), "event": event, "known_at": date(year - 1, 12, 1)}
        for year, month in months
        for event, day in (("cpi", 12), ("ppi", 15), ("fomc_decision", 28))
    ]
    schema = {name: ECONOMIC_EVENT.polars_schema[name] for name in ("event_date", "event", "known_at")}
    # The user states the account once more a year on, and holds a condor that is closed and a call that settles.
    stated = calendar.on_or_before(date(first.year, 12, 29))
    accounts = pl.DataFrame(
        [{"session_date": stated, **{name: getattr(STATEMENT, name) for name in STATED}, "equity": 410_000.0}],
        schema_overrides=dict.fromkeys(STATED, pl.Float64),
    )
    bare = Market(
        calendar=calendar,
        seed=seed,
        sessions=sessions,
        spx=spx,
        vix=vix,
        events=pl.DataFrame(events, schema=schema),
        accounts=accounts,
        held_position=HELD_POSITION.empty(),
    )
    opened, strike = sessions[30], 25.0 * round(float(spx[30]) / 25.0)
    own = {"opened_on": opened, "fees": 3.0}
    sold = {**own, "position_id": "sold", "engine": "condor", "root": "SPXW", "option_type": "call",
            "expiration": bare.weeklies(opened)[-1], "closed_on": sessions[60] if n > 60 else None}  # fmt: skip
    held = [
        {**sold, "leg": 1, "strike": strike + 200.0, "quantity": -1, "entry_price": 30.0, "exit_price": 1.0},
        {**sold, "leg": 2, "strike": strike + 250.0, "quantity": 1, "entry_price": 20.0, "exit_price": 0.5},
        {**own, "position_id": "kept", "engine": "second", "root": "VIX", "option_type": "call", "leg": 1,
         "expiration": bare.months(opened)[1], "strike": 21.0, "quantity": 2, "entry_price": 0.9},
    ]  # fmt: skip
    stated_rows = pl.DataFrame(held, schema=HELD_POSITION.polars_schema, orient="row").sort("position_id", "leg")
    return replace(bare, held_position=stated_rows)


@dataclass(frozen=True)
class Night:
    """One session of the book with its decisions and rows, and the book after it."""

    before: Book
    reached: SessionBook
    decided: Decided
    book: Book
    rows: BookRows


def run_session(before: Book, session: SessionInputs, settings: NightSettings) -> Night:
    """Step the book through a session and decide."""
    reached, rows = session_book(before, session, settings), BookRows()
    decided = decide_night(reached.book, reached.market, settings)
    add_session(rows, reached, session, before=before)
    orders = orders_of(decision_rows(decided.decisions), decision_leg_rows(decided.decisions))
    return Night(before, reached, decided, reached.book.with_orders(orders), rows)
