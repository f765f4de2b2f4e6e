"""Nights keep the settings and the code they were run with."""

from datetime import date

import polars as pl

from flows import ledger, night
from flows.headline import evaluate_nights
from flows.home import Home
from flows.provenance import code_version
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.small_home import LATER, NIGHTS, published_rows, run_night
from transforms.schemas import CURVE_DAILY, SIGNAL_DAILY

RAW = Settings.model_validate({"indicators": {"curve_series": "raw", "roll_days_before_expiry": 3}})


def test_a_night_has_its_figures_its_settings_and_its_inputs(base_home: Home) -> None:
    signals = published_rows(base_home.published, SIGNAL_DAILY)
    assert signals["session_date"].to_list() == list(NIGHTS)
    assert signals["settings_sha256"].unique().to_list() == [Settings().sha256]
    assert signals["code_version"].unique().to_list() == [code_version()]
    assert signals["inputs_sha256"].n_unique() == len(NIGHTS)
    curve = published_rows(base_home.published, CURVE_DAILY)
    both = signals.join(curve, on="session_date", validate="1:1", suffix="_of_curve")
    assert (both["contango_ratio"] == both["contango_ratio_of_curve"]).all()
    lacking = dict(signals.select("session_date", "missing_inputs").rows())
    assert lacking[NIGHTS[0]] == "spx_options, vix_options"
    assert lacking[NIGHTS[-1]] == "vix_options"


def test_evaluating_again_changes_nothing_and_keeps_an_older_code_version(home: Home) -> None:
    with Warehouse(home.warehouse) as warehouse:
        nights = warehouse.read_meta("meta.night").with_columns(code_version=pl.lit("older"))
        signals = warehouse.read(SIGNAL_DAILY).with_columns(code_version=pl.lit("older"))
        with warehouse.transaction():
            warehouse.write_meta("meta.night", nights)
            warehouse.write_changes(SIGNAL_DAILY, signals)
        assert evaluate_nights(warehouse) == []
        assert warehouse.read(SIGNAL_DAILY).equals(signals)


def test_a_changed_setting_acts_from_the_next_night_on(home: Home) -> None:
    new = date(2024, 2, 27)
    before = published_rows(home.published, SIGNAL_DAILY)
    home.settings_file.write_text('[indicators]\ncurve_series = "raw"\nroll_days_before_expiry = 3\n')
    assert run_night(home, new, now=LATER, settings=RAW).sessions == [new]
    after = published_rows(home.published, SIGNAL_DAILY).sort("session_date")
    assert after.filter(pl.col("session_date") != new).equals(before)
    (own,) = after.filter(pl.col("session_date") == new)["settings_sha256"].to_list()
    assert own == RAW.sha256 != Settings().sha256
    entries = ledger.read_entries(home, ledger.NIGHTS)
    assert [entry["session_date"] for entry in entries] == [*(day.isoformat() for day in NIGHTS), new.isoformat()]


def test_a_night_run_twice_is_written_once_in_the_ledger(home: Home) -> None:
    run_night(home, NIGHTS[-1], now=LATER)
    assert len(ledger.read_entries(home, ledger.NIGHTS)) == len(NIGHTS)


def test_restating_a_range_gives_its_nights_the_settings_of_today(home: Home) -> None:
    home.settings_file.write_text('[indicators]\ncurve_series = "raw"\nroll_days_before_expiry = 3\n')
    result = night.run_range(
        home,
        start=NIGHTS[1],
        end=NIGHTS[1],
        restate=True,
        settings=RAW,
        now=LATER,
        stages=night.plain_stages(),
    )
    assert result.sessions == [NIGHTS[1]]
    hashes = dict(published_rows(home.published, SIGNAL_DAILY).select("session_date", "settings_sha256").rows())
    assert hashes[NIGHTS[1]] == RAW.sha256
    assert hashes[NIGHTS[0]] == hashes[NIGHTS[-1]] == Settings().sha256
