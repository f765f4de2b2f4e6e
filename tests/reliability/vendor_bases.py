"""Sound vendor files of every layout, all of one invented market: what the mutation campaign mutates.

The sample market gives the daily files and one chain; the chain is thinned to some forty options a root and written in
seven vendors' layouts. Layouts that the sample market does not write are written here from its figures.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache

import polars as pl

from flows.calendar import trading_calendar
from tests.reliability.sheets import Sheet, american
from transforms.sample_market.market import SampleMarket, daily_files, session_files, simulate_market
from transforms.sessions import vix_monthly_expiration

SESSION = date(2024, 1, 31)
# When the files of SESSION arrive: 19:00 New York.
RECEIVED = datetime(2024, 2, 1)
N_CHAINS = 7
N_HISTORY = 25
SEED = 11
STRIKES_A_SLICE = 7
SLICES_A_ROOT = 3
MONTH_CODES = "FGHJKMNQUVXZ"
SIDE = ("Last Sale", "Net", "Bid", "Ask", "Volume", "IV", "Delta", "Gamma", "Open Interest")
SPEC_HEADER = (
    "Trade Date", "Futures", "Open", "High", "Low", "Close", "Settle", "Change", "Total Volume", "EFP", "Open Interest",
)  # fmt: skip
STAMP = '"Date: January 31, 2024 at 6:05 PM EST",Bid: {spot},Ask: {spot},Size: 1*1,Volume: 0'


@dataclass(frozen=True)
class Context:
    """The files of the sessions before SESSION, by name."""

    files: dict[str, bytes]


@cache
def market() -> SampleMarket:
    """Return the sample market that ends on SESSION."""
    return simulate_market(
        calendar=trading_calendar(),
        last_session=SESSION,
        seed=SEED,
        n_chain_sessions=N_CHAINS,
        n_history_sessions=N_HISTORY,
    )


@cache
def context() -> Context:
    """Return what a home holds before the file of SESSION arrives: daily histories, and six chains."""
    files = {file.name: file.payload for file in daily_files(market()) if not file.name.startswith("VX_")}
    before = SESSION - timedelta(days=1)
    files = {name: _until(payload, before) for name, payload in files.items()}
    for row in list(market().chain_rows)[:-1]:
        sheet = _datashop(row)
        files[f"{sheet.name}"] = sheet.payload()
    return Context(files)


@cache
def bases() -> tuple[Sheet, ...]:
    """Return a sound file of every layout and variant, none of whose lines is rejected."""
    return (*_chains(_datashop(market().chain_rows[-1])), *_vx_files(), *_index_files(), *_daily_files(), *_lists())


@cache
def chains_of_the_day_before() -> tuple[Sheet, ...]:
    """Return the chains of the session before SESSION, stamped as if they were of SESSION."""
    row = market().chain_rows[-2]
    before, renamed = _datashop(row), f"UnderlyingOptionsEODQuotes_{SESSION}.csv"
    days = {line: str(SESSION) for line in range(1, len(before.rows) + 1)}
    return tuple(_chains(replace(before.with_column("quote_date", days), name=renamed)))


def sheet_of(payload: bytes, *, layout: str, kind: str, name: str, n_preamble: int = 0, rows_a_line: int = 1) -> Sheet:
    """Return delimited text as a sheet."""
    text = payload.decode("utf-8-sig")
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").split("\n")
    table = [tuple(row) for row in csv.reader(line for line in lines[n_preamble:] if line.strip())]
    return Sheet(
        layout=layout,
        kind=kind,
        name=name,
        header=table[0],
        rows=tuple(table[1:]),
        preamble=tuple(lines[:n_preamble]),
        line_end=line_end,
        rows_a_line=rows_a_line,
    )


def _until(payload: bytes, last: date) -> bytes:
    """Return a daily history without its lines after `last`."""
    lines = payload.decode().splitlines()
    kept = [line for line in lines if not line.startswith((american(SESSION), SESSION.isoformat()))]
    return ("\n".join(kept) + "\n").encode()


def _datashop(row: int) -> Sheet:
    """Return the chain of a path row, thinned, in DataShop's layout."""
    (file,) = [file for file in session_files(market(), row) if file.name.endswith(".zip")]
    with zipfile.ZipFile(io.BytesIO(file.payload)) as archive:
        (member,) = archive.namelist()
        whole = sheet_of(archive.read(member), layout="datashop_eod", kind="with close", name=member, rows_a_line=2)
    session = market().session_date(row)
    return replace(whole, rows=tuple(_thinned(whole, session)))


def _thinned(whole: Sheet, session: date) -> Iterator[tuple[str, ...]]:
    """Yield the rows of some strikes near the money of some later expirations of each root, quoted on both sides."""
    frame = pl.DataFrame(
        {
            "position": range(len(whole.rows)),
            "root": whole.values("root"),
            "expiration": whole.values("expiration"),
            "strike": [float(value) for value in whole.values("strike")],
            "spot": [float(value) for value in whole.values("underlying_bid_eod")],
            "priced": [
                all(float(row[whole.column(name)]) > 0 for name in ("bid_1545", "ask_1545", "bid_eod", "ask_eod"))
                for row in whole.rows
            ],
        }
    )
    frame = frame.unique(["root", "expiration", "strike", "position"]).filter(
        pl.col("expiration") > str(session + timedelta(days=2))
    )
    pairs = (
        frame.group_by("root", "expiration", "strike")
        .agg(
            pl.col("position").sort(),
            pl.col("priced").all() & (pl.len() == 2),
            (pl.col("strike") - pl.col("spot")).abs().first().alias("away"),
        )
        .filter("priced")
    )
    slices = pairs.group_by("root", "expiration").len().filter(pl.col("len") >= STRIKES_A_SLICE)
    chosen = slices.sort("root", "expiration").group_by("root", maintain_order=True).head(SLICES_A_ROOT)
    near = (
        pairs.join(chosen, on=["root", "expiration"], how="semi")
        .sort("root", "expiration", "away", "strike")
        .group_by("root", "expiration", maintain_order=True)
        .head(STRIKES_A_SLICE)
        .sort("root", "expiration", "strike")
    )
    for position in near["position"].explode().to_list():
        yield whole.rows[position]


@dataclass(frozen=True)
class _Quote:
    root: str
    expiration: date
    strike: float
    option_type: str
    bid: str
    ask: str
    last: str
    volume: str
    open_interest: str
    bid_size: str
    ask_size: str

    @property
    def symbol(self) -> str:
        kind = self.option_type[0].upper()
        return f"{self.root}{self.expiration:%y%m%d}{kind}{round(self.strike * 1000):08d}"


def _chains(whole: Sheet) -> Iterator[Sheet]:
    """Yield a DataShop chain in every vendor's layout, stamped after the close of SESSION."""
    quotes = [
        _Quote(
            root=row[whole.column("root")],
            expiration=date.fromisoformat(row[whole.column("expiration")]),
            strike=float(row[whole.column("strike")]),
            option_type={"C": "call", "P": "put"}[row[whole.column("option_type")]],
            bid=f"{float(row[whole.column('bid_eod')]):g}",
            ask=f"{float(row[whole.column('ask_eod')]):g}",
            last=f"{float(row[whole.column('close')]):g}",
            volume=row[whole.column("trade_volume")],
            open_interest=row[whole.column("open_interest")],
            bid_size=row[whole.column("bid_size_eod")],
            ask_size=row[whole.column("ask_size_eod")],
        )
        for row in whole.rows
    ]
    spots = dict(zip(whole.values("root"), (float(v) for v in whole.values("underlying_bid_eod")), strict=True))
    spx = [quote for quote in quotes if quote.root.startswith("SPX")]
    vix = [quote for quote in quotes if quote.root.startswith("VIX")]
    yield whole
    yield _old_datashop(whole)
    yield _quotedata_csv(spx, spots["SPX"])
    yield _quotedata_dat(vix, spots["VIX"])
    yield _delayed_json(spx, spots["SPX"])
    yield _ivolatility(spx, spots["SPX"])
    yield _deltaneutral(spx, spots["SPX"])
    yield _yahoo(spx)


def _old_datashop(whole: Sheet) -> Sheet:
    """Return the variant of 2016: American dates with a clock, small letters, no end of day."""
    kept = [name for name in whole.names if not name.endswith("_eod")]
    places = [whole.column(name) for name in kept]
    rows = []
    for row in whole.rows:
        cells = dict(zip(kept, (row[place] for place in places), strict=True))
        for name in ("quote_date", "expiration"):
            day = date.fromisoformat(cells[name])
            cells[name] = f"{day.month}/{day.day}/{day.year} 0:00:00"
        rows.append(tuple({**cells, "option_type": cells["option_type"].lower()}.values()))
    return replace(
        whole, kind="without close", name="cboe_20240131.csv", header=tuple(kept), rows=tuple(rows), rows_a_line=1
    )


def _side_by_side(quotes: list[_Quote], expiration_format: str, strike_format: str) -> tuple[tuple[str, ...], ...]:
    pairs: dict[tuple[str, date, float], dict[str, _Quote]] = {}
    for quote in quotes:
        pairs.setdefault((quote.root, quote.expiration, quote.strike), {})[quote.option_type] = quote

    def side(quote: _Quote) -> tuple[str, ...]:
        delta = "0.5" if quote.option_type == "call" else "-0.5"
        figures = (quote.last, "0", quote.bid, quote.ask, quote.volume, "0.15", delta, "0.001", quote.open_interest)
        return (quote.symbol, *figures)

    return tuple(
        (f"{day:{expiration_format}}", *side(pair["call"]), f"{strike:{strike_format}}", *side(pair["put"]))
        for (_, day, strike), pair in pairs.items()
    )


def _quotedata_csv(quotes: list[_Quote], spot: float) -> Sheet:
    return Sheet(
        layout="cboe_quotedata_csv",
        kind="SPX",
        name="spx_quotedata.csv",
        header=("Expiration Date", "Calls", *SIDE, "Strike", "Puts", *SIDE),
        rows=_side_by_side(quotes, "%a %b %d %Y", ".2f"),
        preamble=("", f"Standard & Poors 500 Index,Last: {spot},Change:  1.5", STAMP.format(spot=spot)),
        rows_a_line=2,
    )


def _quotedata_dat(quotes: list[_Quote], spot: float) -> Sheet:
    side = tuple({"Volume": "Vol", "Open Interest": "Open Int"}.get(name, name) for name in SIDE)
    return Sheet(
        layout="cboe_quotedata_dat",
        kind="VIX",
        name="vix_quotedata.dat",
        header=("Expiration Date", "Calls", *side, "Strike", "Puts", *side),
        rows=_side_by_side(quotes, "%m/%d/%Y", ".3f"),
        preamble=(f"^VIX (CBOE Volatility Index),{spot},-1.01", "Jan 31 2024 @ 18:05 ET,Bid,0,Ask,0,Size,0x0,Vol,"),
        line_end="\r\n",
        rows_a_line=2,
    )


def _delayed_json(quotes: list[_Quote], spot: float) -> Sheet:
    header = (
        "option", "bid", "bid_size", "ask", "ask_size", "iv", "open_interest", "volume", "delta", "last_trade_price",
        "last_trade_time",
    )  # fmt: skip
    rows = tuple(
        (q.symbol, q.bid, q.bid_size, q.ask, q.ask_size, "0.15", q.open_interest, q.volume, "0.5", q.last, "")
        for q in quotes
    )
    shell = (
        '{"timestamp":"2024-01-31 23:05:00","data":{"options":[RECORDS],'
        f'"current_price":{spot},"symbol":"^SPX"}},"symbol":"_SPX"}}'
    )
    return Sheet("cboe_delayed_json", "SPX", "_SPX.json", header, rows, preamble=(shell,))


def _ivolatility(quotes: list[_Quote], spot: float) -> Sheet:
    header = (
        "symbol", "exchange", "company_name", "date", "stock_price_close", "option_symbol", "option_expiration",
        "strike", "call/put", "style", "ask", "bid", "mean_price", "settlement", "iv", "volume", "open_interest",
        "delta",
    )  # fmt: skip
    rows = tuple(
        (
            "SPX", "CBOE", "S&P 500 Index (SPX)", american(SESSION), str(spot),
            f"{q.root:<6}{q.symbol.removeprefix(q.root)}", american(q.expiration), f"{q.strike:.1f}",
            q.option_type[0].upper(), "E", q.ask, q.bid, "0.0", "0.0", "0.151", q.volume, q.open_interest, "0.5",
        )
        for q in quotes
    )  # fmt: skip
    return Sheet("ivolatility_eod", "SPX", "spx_rawiv.csv", header, rows)


def _deltaneutral(quotes: list[_Quote], spot: float) -> Sheet:
    header = (
        "underlying", "underlying_last", " exchange", "optionroot", "optionext", "type", "expiration", "quotedate",
        "strike", "last", "bid", "ask", "volume", "openinterest", "impliedvol", "delta",
    )  # fmt: skip
    rows = tuple(
        (
            "SPX", str(spot), "*", q.symbol, "", q.option_type, q.expiration.isoformat(), SESSION.isoformat(),
            f"{q.strike:g}", q.last, q.bid, q.ask, q.volume, q.open_interest, "0.1144", "0.5267",
        )
        for q in quotes
    )  # fmt: skip
    return Sheet("deltaneutral_eod", "SPX", "L3_options_20240131.csv", header, rows)


def _yahoo(quotes: list[_Quote]) -> Sheet:
    header = (
        "contractSymbol", "lastTradeDate", "strike", "lastPrice", "bid", "ask", "volume", "openInterest",
        "impliedVolatility", "option_type", "expiration",
    )  # fmt: skip
    rows = tuple(
        (
            q.symbol, "2024-01-31 21:14:02+00:00", f"{q.strike:.1f}", q.last, q.bid, q.ask, f"{q.volume}.0",
            f"{q.open_interest}.0", "0.1466", q.option_type, q.expiration.isoformat(),
        )
        for q in quotes
    )  # fmt: skip
    return Sheet("yahoo_chain", "SPX", "SPX_all_20240131.csv", header, rows)


@cache
def _daily() -> dict[str, bytes]:
    return {file.name: file.payload for file in daily_files(market())}


def _vx_files() -> Iterator[Sheet]:
    for name in ("VX_2024-02-14.csv", "VX_2024-01-24.csv"):
        kind = "monthly" if name == "VX_2024-02-14.csv" else "weekly, expired"
        yield sheet_of(_daily()[name], layout="vx_contract_current", kind=kind, name=name)
    yield _legacy_contract(2007, 5, tenfold_before=date(2007, 3, 26), kind="across the change of scale")
    yield _legacy_contract(2013, 12, tenfold_before=None, kind="in points")
    yield _settlement_archive()
    yield _settlement_curve()


def _level(day: date) -> float:
    """Return an invented settlement of some day, points."""
    return round(14 + (day.toordinal() * 37 % 101) / 50, 2)


def _legacy_contract(year: int, month: int, *, tenfold_before: date | None, kind: str) -> Sheet:
    expiration = vix_monthly_expiration(year, month, calendar=trading_calendar())
    rows = []
    for day in trading_calendar().between(expiration - timedelta(days=75), expiration):
        scale = 10 if tenfold_before and day < tenfold_before else 1
        prices = [f"{(_level(day) + move) * scale:.2f}" for move in (-0.1, 0.3, -0.3, 0.1, 0.0)]
        label = f"{MONTH_CODES[month - 1]} ({expiration:%b %y})"
        rows.append((american(day), label, *prices, "0.05", "1200", "0", f"{5000 + day.day}"))
    name = f"CFE_{MONTH_CODES[month - 1]}{year % 100:02d}_VX.csv"
    return Sheet("vx_contract_legacy", kind, name, SPEC_HEADER, tuple(rows), line_end="\r\n")


def _settlement_archive() -> Sheet:
    header = (
        "Symbol", "SettlementMonth", "SettlementYear", "ProductType", "SettlementDate", "SettlementPrice",
        "ProductDescription",
    )  # fmt: skip
    months = [(year, month) for year in (2011, 2012, 2013) for month in range(1, 13)]
    rows = [
        ("VX", str(month), str(year), "Standard", "", f"{_level(date(year, month, 1)):.2f}", "Volatility Futures")
        for year, month in months
    ]
    return Sheet("cfe_final_settlement", "VX", "CFE_FinalSettlement.csv", header, tuple(rows), rows_a_line=4)


def _settlement_curve() -> Sheet:
    rows = []
    for contract in sorted(market().contracts, key=lambda c: c.expiration):
        if contract.expiration <= SESSION:
            continue
        day = contract.expiration
        monthly = day == vix_monthly_expiration(day.year, day.month, calendar=trading_calendar())
        week = "" if monthly else str(day.isocalendar().week)
        symbol = f"VX{week}/{MONTH_CODES[day.month - 1]}{day.year % 10}"
        rows.append((day.isoformat(), symbol, f"{_level(day):.4f}"))
    header = ("expiration_date", "symbol", "settlement")
    return Sheet("vx_settlement_curve", "curve", f"settlement_{SESSION}.csv", header, tuple(rows))


def _index_files() -> Iterator[Sheet]:
    for symbol in ("SPX", "VIX", "VVIX", "SKEW", "VIX3M"):
        name = f"{symbol}_History.csv"
        yield sheet_of(_daily()[name], layout="index_history", kind=symbol, name=name)
    vix = sheet_of(_daily()["VIX_History.csv"], layout="index_history", kind="VIX", name="VIX_History.csv")
    yield replace(
        vix,
        kind="vixcurrent",
        name="vixcurrent.csv",
        preamble=("Values are provided for information only",),
        header=("Date", "VIX Open", "VIX High", "VIX Low", "VIX Close"),
        line_end="\r\n",
    )
    closes = zip(vix.values("date"), vix.values("close"), strict=True)
    rows = tuple((_iso(day), f"{float(close):.2f}") for day, close in closes)
    yield Sheet("fred_series", "VIXCLS", "VIXCLS.csv", ("observation_date", "VIXCLS"), rows)


def _daily_files() -> Iterator[Sheet]:
    treasury = sheet_of(
        _daily()["daily-treasury-rates_2024.csv"],
        layout="treasury_par_yield",
        kind="2024",
        name="daily-treasury-rates_2024.csv",
        rows_a_line=100,
    )
    yield treasury
    two = zip(treasury.values("date"), treasury.values("2 yr"), strict=True)
    yield Sheet("fred_series", "DGS2", "DGS2.csv", ("date", "dgs2"), tuple((_iso(day), value) for day, value in two))
    bills = zip(treasury.values("date"), treasury.values("3 mo"), strict=True)
    rows = tuple((_iso(day), f"{float(value) / 100:.4f}") for day, value in bills)
    yield Sheet("bill_13_week", "bill", "tbill13week.csv", ("Date", "Value"), rows)
    breadth = sheet_of(_daily()["nyse_breadth.csv"], layout="nyse_breadth", kind="NYSE", name="nyse_breadth.csv")
    yield breadth
    counted = tuple(
        (day, str(int(up) // 2), str(int(down) // 2), str((int(up) - int(down)) // 2))
        for day, up, down in zip(breadth.values("date"), breadth.values("adv"), breadth.values("dec"), strict=True)
    )
    header = ("date", "nyse_advancers", "nyse_decliners", "nyse_ad")
    yield Sheet("constituent_breadth", "constituents", "advance_decline.csv", header, counted)


def _lists() -> Iterator[Sheet]:
    events = sheet_of(_daily()["macro_events.csv"], layout="macro_events", kind="events", name="macro_events.csv")
    ours = ("cpi", "ppi", "nfp", "fomc_decision", "fomc_minutes")
    yield replace(events, rows=tuple(row for row in events.rows if row[events.column("event")] in ours))
    meetings = [
        date(2023, 2, 1), date(2023, 3, 22), date(2023, 5, 3), date(2023, 6, 14), date(2023, 7, 26), date(2023, 9, 20),
        date(2023, 11, 1), date(2023, 12, 13), date(2024, 1, 31), date(2024, 3, 20),
    ]  # fmt: skip
    rows = tuple((day.isoformat(), day.isoformat(), "scheduled", f"{day:%b} meeting") for day in meetings)
    yield Sheet("fomc_list", "meetings", "fomc_days.csv", ("date", "meeting_end", "kind", "notes"), rows)


def _iso(day: str) -> str:
    return datetime.strptime(day, "%m/%d/%Y").date().isoformat()
