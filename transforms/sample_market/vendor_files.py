"""The sample market in the vendors' own layouts: names and bytes, nothing on disk."""

import io
import zipfile
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from transforms.sample_market.arrays import Floats, Integers
from transforms.sample_market.daily import TREASURY_TENORS, VxContract
from transforms.sample_market.quotes import Quotes
from transforms.sessions import Days

# Vendors stamp archive members in the evening; a fixed time keeps the bytes fixed.
ARCHIVE_CLOCK = (20, 30, 0)
DEFLATE_LEVEL = 1
FIRST_SIX_WEEK_BILL_YEAR = 2026
FIRST_FOUR_MONTH_BILL_YEAR = 2022

# Futures month codes, January to December.
MONTH_CODES = "FGHJKMNQUVXZ"


@dataclass(frozen=True)
class VendorFile:
    """A file as delivered: its name, its bytes, the session it is of and the session after whose close it arrives."""

    name: str
    payload: bytes
    session_date: date
    received: date


def datashop_zip(quotes: Quotes, vix: tuple[float, float]) -> tuple[str, bytes]:
    """Return the DataShop end-of-day quotes of a session: one CSV in a zip, SPX and VIX underlyings in one file.

    `vix` is the index (points) at the two snapshots.
    """
    stem = f"UnderlyingOptionsEODQuotes_{quotes.chain.session_date}"
    return f"{stem}.zip", _zipped(f"{stem}.csv", datashop_csv(quotes, vix), day=quotes.chain.session_date)


def datashop_csv(quotes: Quotes, vix: tuple[float, float]) -> bytes:
    """Return the CSV: CRLF, prices with four decimals, strikes with three, rows repeated where `copies` says so."""
    chain = quotes.chain
    rows = np.repeat(np.arange(len(quotes.strike)), quotes.copies)
    index = chain.slice_index[rows]
    is_vix = np.array([item.root.startswith("VIX") for item in chain.slices])
    text_1545 = pl.Series([f"{chain.spot_1545:.2f}00", f"{vix[0]:.2f}00"]).gather(is_vix[index].astype(np.uint32))
    text_eod = pl.Series([f"{chain.spot_eod:.2f}00", f"{vix[1]:.2f}00"]).gather(is_vix[index].astype(np.uint32))
    opening, close, volume = quotes.open[rows], quotes.close[rows], quotes.volume[rows]
    prefixes = pl.Series(
        [
            f"{'^VIX' if item.root.startswith('VIX') else '^SPX'},{chain.session_date},{item.root},{item.expiration}"
            for item in chain.slices
        ]
    )
    text = prefixes.gather(index)
    frame = pl.DataFrame(
        {
            "prefix": text,
            "strike": _thousandths(quotes.strike[rows]),
            "option_type": pl.Series(["P", "C"]).gather(chain.is_call[rows].astype(np.uint32)),
            "open": _price_text(opening),
            "high": _price_text(quotes.high[rows]),
            "low": _price_text(quotes.low[rows]),
            "close": _price_text(close),
            "trade_volume": volume,
            "bid_size_1545": quotes.bid_size_1545[rows],
            "bid_1545": _price_text(quotes.bid_1545[rows]),
            "ask_size_1545": quotes.ask_size_1545[rows],
            "ask_1545": _price_text(quotes.ask_1545[rows]),
            "underlying_bid_1545": text_1545,
            "underlying_ask_1545": text_1545,
            "bid_size_eod": quotes.bid_size_eod[rows],
            "bid_eod": _price_text(quotes.bid_eod[rows]),
            "ask_size_eod": quotes.ask_size_eod[rows],
            "ask_eod": _price_text(quotes.ask_eod[rows]),
            "underlying_bid_eod": text_eod,
            "underlying_ask_eod": text_eod,
            "vwap": _price_text(np.where(volume > 0, (opening + close) // 2, 0)),
            "open_interest": quotes.open_interest[rows],
        }
    )
    header = "underlying_symbol,quote_date,root,expiration," + ",".join(frame.columns[1:]) + ",delivery_code"
    # The delivery code is always empty: the comma before it belongs to the line's end.
    body = frame.write_csv(include_header=False, line_terminator=",\r\n", quote_style="never", null_value="")
    return (header + "\r\n" + body).encode()


def vx_contract_csv(contract: VxContract, days: Days, *, settle: Floats, n_rows: int) -> tuple[str, bytes]:
    """Return the first `n_rows` of the exchange's per-contract file in its current layout.

    `days` are the sessions of the contract's rows; `settle` the settlements printed (points), which differ from the
    contract's own where it is displaced by a plant.
    """
    change = np.diff(settle, prepend=settle[:1])
    label = f"{MONTH_CODES[contract.expiration.month - 1]} ({contract.expiration:%b %Y})"
    lines = ["Trade Date,Futures,Open,High,Low,Close,Settle,Change,Total Volume,EFP,Open Interest"]
    columns = (contract.open, contract.high, contract.low, contract.close)
    for number, day in enumerate(days[:n_rows]):
        prices = ",".join(f"{column[number]:.4f}" for column in columns)
        moves = f"{_trimmed(settle[number])},{_trimmed(change[number])}"
        lines.append(f"{day},{label},{prices},{moves},{contract.volume[number]},0,{contract.open_interest[number]}")
    return f"VX_{contract.expiration}.csv", ("\r\n".join(lines) + "\r\n").encode()


def index_history_csv(symbol: str, days: Days, *, levels: Floats) -> tuple[str, bytes]:
    """Return an index history: OHLC, or one value column named after the index; MM/DD/YYYY, six decimals, LF."""
    header = "DATE,OPEN,HIGH,LOW,CLOSE" if levels.shape[1] == 4 else f"DATE,{symbol}"
    lines = [header]
    lines += [
        f"{_american(day)}," + ",".join(f"{value:.6f}" for value in row) for day, row in zip(days, levels, strict=True)
    ]
    return f"{symbol}_History.csv", ("\n".join(lines) + "\n").encode()


def breadth_csv(days: Days, counts: Integers) -> tuple[str, bytes]:
    """Return the NYSE market diary: advances, declines, unchanged, and highs, lows and volumes that follow them."""
    lines = ["Date,Issues,Adv,Dec,Unch,NewHighs,NewLows,AdvVol,DecVol,TotalVol"]
    for day, (up, down, same) in zip(days, counts.tolist(), strict=True):
        issues = up + down + same
        up_volume, down_volume, flat = 1_350_000 * up + 137, 1_350_000 * down + 251, 900_000 * same
        lines.append(
            f"{day},{issues},{up},{down},{same},{up * up // 40_000},{down * down // 40_000},"
            f"{up_volume},{down_volume},{up_volume + down_volume + flat}"
        )
    return "nyse_breadth.csv", ("\n".join(lines) + "\n").encode()


def treasury_csvs(days: Days, yields: Floats) -> list[tuple[str, bytes]]:
    """Return one par-yield file a year, newest day first, with the tenors the Treasury printed that year."""
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    files = []
    for year in np.unique(years).tolist():
        kept = [
            column
            for column, (name, _) in enumerate(TREASURY_TENORS)
            if (name != "1.5 Month" or year >= FIRST_SIX_WEEK_BILL_YEAR)
            and (name != "4 Mo" or year >= FIRST_FOUR_MONTH_BILL_YEAR)
        ]
        lines = ["Date," + ",".join(f'"{TREASURY_TENORS[column][0]}"' for column in kept)]
        for row in np.flatnonzero(years == year)[::-1]:
            lines.append(f"{_american(days[row])}," + ",".join(f"{yields[row, column]:.2f}" for column in kept))
        files.append((f"daily-treasury-rates_{year}.csv", "\n".join(lines).encode()))
    return files


def _thousandths(strikes: Integers) -> pl.Series:
    """Return strikes as text with three decimals; one string per distinct strike, then a gather."""
    distinct, where = np.unique(strikes, return_inverse=True)
    return pl.Series([f"{strike // 1_000}.{strike % 1_000:03d}" for strike in distinct.tolist()]).gather(where)


def _price_text(cents: Integers) -> pl.Series:
    """Return prices as text with four decimals, gathered from a table: formatting floats would take half the time."""
    size = 1 << int(cents.max(initial=1)).bit_length()
    return _price_table(size).gather(cents.astype(np.uint32))


@cache
def _price_table(size: int) -> pl.Series:
    cents = pl.int_range(size, eager=True)
    parts = pl.DataFrame({"points": cents // 100, "cents": (cents % 100).cast(pl.String).str.zfill(2)})
    return parts.select(pl.format("{}.{}00", "points", "cents")).to_series()


def _zipped(name: str, payload: bytes, *, day: date) -> bytes:
    buffer = io.BytesIO()
    member = zipfile.ZipInfo(name, date_time=(day.year, day.month, day.day, *ARCHIVE_CLOCK))
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, payload, compresslevel=DEFLATE_LEVEL)
    return buffer.getvalue()


def _american(day: np.datetime64) -> str:
    year, month, number = str(day).split("-")
    return f"{month}/{number}/{year}"


def _trimmed(value: float) -> str:
    """Return a number with at most four decimals and no trailing zeros, as the exchange prints settlements."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
