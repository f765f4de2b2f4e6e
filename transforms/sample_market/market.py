"""The sample market as a whole: simulate it, write it as vendor files, say what is true of it."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import numpy as np

from transforms.errors import DataError
from transforms.sample_market.arrays import Floats
from transforms.sample_market.chain import true_chain
from transforms.sample_market.clock import variance_clock
from transforms.sample_market.daily import (
    VxContract,
    breadth,
    index_levels,
    intraday_index,
    published_closes,
    treasury_par_yields,
    vx_contracts,
)
from transforms.sample_market.macro import MacroEvent, macro_calendar_csv, macro_events
from transforms.sample_market.model import DEFAULT_MODEL, MarketModel
from transforms.sample_market.path import CLOSE, QUARTER_BEFORE_CLOSE, MarketPath, simulated_path
from transforms.sample_market.planted_sessions import planted_settlements, session_versions
from transforms.sample_market.plants import Plant, PlantedEvent
from transforms.sample_market.vendor_files import (
    VendorFile,
    breadth_csv,
    datashop_zip,
    index_history_csv,
    treasury_csvs,
    vx_contract_csv,
)
from transforms.sessions import Days, TradingCalendar

# The furthest SPX expiration, and the room its strikes' listing and the variance clock need beyond it.
HORIZON_DAYS = 2_000
MACRO_AHEAD_DAYS = 370
TRUTH_NAME = "sample_market_truth.json"


@dataclass(frozen=True)
class SampleMarket:
    """A simulated market: the path, the published indices, the VX contracts and what is planted.

    `chain_rows` are the path rows that have option chains; rows before them have daily tables only. Picklable, so that
    `session_files` can be mapped over processes.
    """

    calendar: TradingCalendar
    path: MarketPath
    events: tuple[MacroEvent, ...]
    closes: tuple[dict[str, float], ...]
    vix_intraday: Floats
    contracts: tuple[VxContract, ...]
    chain_rows: range
    plants: tuple[Plant, ...]

    @property
    def days(self) -> Days:
        """Return the sessions of the path."""
        return self.path.clock.sessions[self.path.first : self.path.first + len(self.path)]

    def session_date(self, row: int) -> date:
        """Return the session of a path row."""
        day: date = self.days[row].astype(object)
        return day


def simulate_market(
    *,
    calendar: TradingCalendar,
    last_session: date,
    seed: int,
    n_chain_sessions: int = 60,
    n_history_sessions: int = 250,
    plants: tuple[Plant, ...] = (),
    model: MarketModel = DEFAULT_MODEL,
) -> SampleMarket:
    """Return the market whose last session is `last_session`: histories first, then sessions with chains.

    The path starts `n_history_sessions` before the first chain. Plants name chain sessions by number, 0 the first.

    Raises
    ------
    DataError
        If `last_session` is no session, or the calendar does not reach five and a half years beyond it.
    """
    if not calendar.is_session(last_session):
        raise DataError(f"the sample market cannot end on {last_session}: it is not a trading session")
    horizon = last_session + timedelta(days=HORIZON_DAYS)
    if calendar.sessions[-1] < np.datetime64(horizon):
        raise DataError(
            f"the sample market ending on {last_session} lists options to {horizon}, but the calendar ends on "
            f"{calendar.sessions[-1]}: build it further"
        )
    n = n_chain_sessions + n_history_sessions
    last = int(np.searchsorted(calendar.sessions, np.datetime64(last_session)))
    first_day: date = calendar.sessions[last - n + 1].astype(object)
    events = macro_events(first_day, horizon, calendar=calendar)
    clock = variance_clock(first_day, horizon, calendar=calendar, events=events)
    path = simulated_path(clock, 0, last=n - 1, model=model, seed=seed)
    closes = published_closes(path, calendar=calendar)
    announced = last_session + timedelta(days=MACRO_AHEAD_DAYS)
    return SampleMarket(
        calendar=calendar,
        path=path,
        events=tuple(event for event in events if event.event_date <= announced),
        closes=tuple(closes),
        vix_intraday=intraday_index(path, np.array([row["VIX"] for row in closes]), days=30),
        contracts=tuple(vx_contracts(path, calendar=calendar)),
        chain_rows=range(n_history_sessions, n),
        plants=plants,
    )


def sample_market(
    *,
    calendar: TradingCalendar,
    last_session: date,
    seed: int,
    n_chain_sessions: int = 60,
    n_history_sessions: int = 250,
    plants: tuple[Plant, ...] = (),
) -> Iterator[VendorFile]:
    """Yield every file of a sample market: daily tables, each session's chain, and the truth last."""
    market = simulate_market(
        calendar=calendar,
        last_session=last_session,
        seed=seed,
        n_chain_sessions=n_chain_sessions,
        n_history_sessions=n_history_sessions,
        plants=plants,
    )
    yield from daily_files(market)
    for row in market.chain_rows:
        yield from session_files(market, row)
    yield truth_file(market)


def session_files(market: SampleMarket, row: int) -> list[VendorFile]:
    """Return the chain file of a session in every version delivered; a pure function of the market and the row."""
    vix = (float(market.vix_intraday[row, QUARTER_BEFORE_CLOSE]), float(market.vix_intraday[row, CLOSE]))
    versions, _ = session_versions(market.path, row, calendar=market.calendar, plants=_plants_of(market, row))
    files = []
    for quotes, sessions_late in versions:
        name, payload = datashop_zip(quotes, vix)
        day = market.session_date(row)
        received = market.calendar.after(day, sessions_late) if sessions_late else day
        files.append(VendorFile(name=name, payload=payload, session_date=day, received=received))
    return files


def daily_files(market: SampleMarket, *, through: int | None = None) -> list[VendorFile]:
    """Return the daily tables as they stand after path row `through` (default: the last)."""
    last = len(market.path) - 1 if through is None else through
    day = market.session_date(last)
    days = market.days[: last + 1]
    named = [
        index_history_csv(symbol, days, levels=levels[: last + 1])
        for symbol, levels in index_levels(market.path, list(market.closes)).items()
    ]
    named.append(breadth_csv(days, breadth(market.path)[: last + 1]))
    named += treasury_csvs(days, treasury_par_yields(market.path)[: last + 1])
    named.append(("macro_events.csv", macro_calendar_csv(list(market.events))))
    for contract, settle in _printed_settlements(market):
        kept = contract.rows <= last
        if kept.any():
            named.append(vx_contract_csv(contract, market.days[contract.rows], settle=settle, n_rows=int(kept.sum())))
    return [VendorFile(name=name, payload=payload, session_date=day, received=day) for name, payload in named]


def planted_events(market: SampleMarket) -> list[PlantedEvent]:
    """Return what is planted and where, by session then kind; rebuilds the chains concerned."""
    events: list[PlantedEvent] = []
    for row in market.chain_rows:
        plants = _plants_of(market, row)
        if plants:
            events += session_versions(market.path, row, calendar=market.calendar, plants=plants)[1]
    events += planted_settlements(market.contracts, market.days, plants=_vx_plants(market))[1]
    return sorted(events, key=lambda event: (event.session_date, event.kind, event.root))


def truth_file(market: SampleMarket) -> VendorFile:
    """Return the truth as JSON: model, state, forwards, discount factors and smiles by slice, VX, events."""
    settlements = dict(
        zip(
            (contract.expiration for contract in market.contracts),
            (settle for _, settle in _printed_settlements(market)),
            strict=True,
        )
    )
    document = {
        "seed": market.path.seed,
        "model": asdict(market.path.model),
        "sessions": [_session_truth(market, row) for row in market.chain_rows],
        "vx": [
            _contract_truth(market, contract, printed=settlements[contract.expiration]) for contract in market.contracts
        ],
        "macro_events": [asdict(event) for event in market.events],
        "planted": [asdict(event) for event in planted_events(market)],
    }
    payload = json.dumps(document, default=str, separators=(",", ":")).encode()
    day = market.session_date(len(market.path) - 1)
    return VendorFile(name=TRUTH_NAME, payload=payload, session_date=day, received=day)


def _session_truth(market: SampleMarket, row: int) -> dict[str, object]:
    chain = true_chain(market.path, row, calendar=market.calendar)
    truth = chain.truth_eod
    slices = []
    for number, item in enumerate(chain.slices):
        if truth.years[number] <= 0.0:
            continue
        theta = float(truth.theta[number])
        slices.append(
            {
                "root": item.root,
                "expiration": item.expiration,
                "time_to_expiry": float(truth.years[number]),
                "forward": float(truth.forward[number]),
                "discount_factor": float(truth.discount_factor[number]),
                "theta": None if np.isnan(theta) else theta,
                "n_quotes": int((chain.slice_index == number).sum()),
            }
        )
    return {
        "session_date": chain.session_date,
        "spot": round(chain.spot_eod, 2),
        "rho": float(market.path.rho[row]),
        "eta": float(market.path.eta[row]),
        "gamma": market.path.model.smile_gamma,
        "indices": market.closes[row],
        "slices": slices,
    }


def _contract_truth(market: SampleMarket, contract: VxContract, *, printed: Floats) -> dict[str, object]:
    return {
        "expiration": contract.expiration,
        "is_monthly": contract.is_monthly,
        "final_settlement": contract.final_settlement,
        "session_date": [str(day) for day in market.days[contract.rows]],
        "settle": printed.tolist(),
        "fair": contract.settle.tolist(),
        "second_moment": contract.fair_variance.tolist(),
    }


def _plants_of(market: SampleMarket, row: int) -> tuple[Plant, ...]:
    number = row - market.chain_rows.start
    return tuple(plant for plant in market.plants if plant.session == number and not plant.is_on_futures)


def _vx_plants(market: SampleMarket) -> list[tuple[int, Plant]]:
    start = market.chain_rows.start
    return [(start + plant.session, plant) for plant in market.plants if plant.is_on_futures]


def _printed_settlements(market: SampleMarket) -> list[tuple[VxContract, Floats]]:
    printed, _ = planted_settlements(market.contracts, market.days, plants=_vx_plants(market))
    return list(zip(market.contracts, printed, strict=True))
