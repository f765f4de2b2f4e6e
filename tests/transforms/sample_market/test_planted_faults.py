"""Every planted data fault is in the file where the truth says, in as many rows, and nothing else is."""

import io
import zipfile
from dataclasses import replace

import polars as pl
import pytest

from transforms.sample_market.market import SampleMarket, planted_events, session_files
from transforms.sample_market.plants import Plant, PlantedEvent
from transforms.sample_market.vendor_files import VendorFile

NUMBER = 15
KEY = ["root", "expiration", "strike", "option_type"]


def lines_of(file: VendorFile) -> pl.DataFrame:
    with zipfile.ZipFile(io.BytesIO(file.payload)) as archive:
        return pl.read_csv(archive.read(archive.namelist()[0]), schema_overrides={"strike": pl.Float64})


def planted(market: SampleMarket, kind: str) -> tuple[list[VendorFile], PlantedEvent, pl.DataFrame]:
    """Return the faulty files, the event and the clean lines of the same session."""
    faulty = replace(market, plants=(Plant(kind, NUMBER),))
    row = market.chain_rows[NUMBER]
    (event,) = planted_events(faulty)
    assert (event.kind, event.session_date) == (kind, market.session_date(row))
    return session_files(faulty, row), event, lines_of(session_files(market, row)[0])


def in_slice(frame: pl.DataFrame, event: PlantedEvent) -> pl.Series:
    return ((pl.col("root") == event.root) & (pl.col("expiration") == str(event.expiration))).pipe(
        lambda rule: frame.select(rule).to_series()
    )


def test_crossed_rows_are_those_counted_and_the_rest_is_clean(market: SampleMarket) -> None:
    (file,), event, clean = planted(market, "crossed")
    lines = lines_of(file)
    crossed = lines.filter(pl.col("bid_eod") > pl.col("ask_eod"))
    assert len(crossed) == event.n_rows == 12
    assert in_slice(crossed, event).all()
    assert lines.join(crossed, on=KEY, how="anti").equals(clean.join(crossed, on=KEY, how="anti"))


def test_duplicated_rows_stand_twice(market: SampleMarket) -> None:
    (file,), event, clean = planted(market, "duplicated")
    lines = lines_of(file)
    twice = lines.filter(pl.struct(KEY).is_duplicated())
    assert len(twice) == 2 * event.n_rows == 20
    assert in_slice(twice, event).all()
    assert lines.unique(maintain_order=True).equals(clean)


def test_shifted_strikes_move_one_slice_by_five_points(market: SampleMarket) -> None:
    (file,), event, clean = planted(market, "shifted_strike")
    lines = lines_of(file)
    moved = lines["strike"] - clean["strike"]
    assert moved.to_list() == (in_slice(clean, event).cast(pl.Float64) * 5.0).to_list()
    assert (moved != 0).sum() == event.n_rows


def test_a_missing_expiration_is_the_only_thing_missing(market: SampleMarket) -> None:
    (file,), event, clean = planted(market, "missing_expiration")
    lines = lines_of(file)
    assert len(clean) - len(lines) == event.n_rows
    assert lines.equals(clean.filter(~in_slice(clean, event)))


def test_a_zeroed_chain_has_no_spx_quote_left_and_all_vix_quotes(market: SampleMarket) -> None:
    (file,), event, clean = planted(market, "zeroed_chain")
    lines = lines_of(file)
    is_spx = pl.col("underlying_symbol") == "^SPX"
    spx = lines.filter(is_spx)
    assert len(spx) == event.n_rows
    assert spx.select(pl.max_horizontal("bid_eod", "ask_eod", "bid_1545", "ask_1545").max()).item() == 0.0
    assert lines.filter(~is_spx).equals(clean.filter(~is_spx))


def test_a_stale_chain_repeats_the_session_before(market: SampleMarket) -> None:
    (file,), event, clean = planted(market, "stale_chain")
    lines = lines_of(file).filter(pl.col("underlying_symbol") == "^SPX")
    before = lines_of(session_files(market, market.chain_rows[NUMBER] - 1)[0])
    quotes = ["bid_eod", "ask_eod", "underlying_bid_eod", "trade_volume", "open_interest"]
    joined = lines.select(*KEY, *quotes).join(before.select(*KEY, *quotes), on=KEY, validate="1:1", suffix="_before")
    assert len(joined) == len(lines) == event.n_rows
    for name in quotes:
        assert joined[name].equals(joined[f"{name}_before"], check_names=False), name
    assert lines["quote_date"].unique().to_list() == clean["quote_date"].unique().to_list()


def test_a_late_file_arrives_a_session_later_unchanged(market: SampleMarket) -> None:
    (file,), event, clean = planted(market, "late_file")
    assert file.received == market.calendar.after(file.session_date)
    assert lines_of(file).equals(clean)
    assert event.n_rows == len(clean)


def test_a_restated_file_comes_wrong_then_right_under_one_name(market: SampleMarket) -> None:
    (first, second), event, clean = planted(market, "restated_file")
    assert first.name == second.name
    assert (first.received, second.received) == (first.session_date, market.calendar.after(first.session_date))
    assert lines_of(second).equals(clean)
    differs = lines_of(first)["bid_eod"] != clean["bid_eod"]
    assert differs.sum() == event.n_rows
    assert in_slice(clean.filter(differs), event).all()


def test_a_late_restated_file_comes_wrong_a_session_late_and_right_two(market: SampleMarket) -> None:
    plants = tuple(Plant(kind, NUMBER) for kind in ("late_file", "restated_file", "crossed"))
    first, second = session_files(replace(market, plants=plants), market.chain_rows[NUMBER])
    day = first.session_date
    assert [first.received, second.received] == [market.calendar.after(day), market.calendar.after(day, 2)]
    assert (lines_of(second)["bid_eod"] > lines_of(second)["ask_eod"]).sum() == 12


@pytest.mark.parametrize("number", [0, 39])
def test_a_clean_market_delivers_one_file_a_session_on_time(number: int, market: SampleMarket) -> None:
    (file,) = session_files(market, market.chain_rows[number])
    assert file.received == file.session_date == market.session_date(market.chain_rows[number])
    assert planted_events(market) == []
