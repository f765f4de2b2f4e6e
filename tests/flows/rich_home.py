"""A home with something of everything: a sample market's Friday and Monday, with locks planted on Monday."""

from datetime import date, datetime
from pathlib import Path

import pytest

from flows import night
from flows.demo import SETTINGS
from flows.home import Home, prepare_home
from flows.settings import read_settings
from tests.flows.small_home import built_once
from transforms.sample_market.market import daily_files, session_files, simulate_market
from transforms.sample_market.plants import Plant
from transforms.sessions import TradingCalendar

FRIDAY, MONDAY = date(2026, 10, 23), date(2026, 10, 26)
RICH_NOW = datetime(2026, 10, 27, 2)
PLANTS = (Plant("vertical_calls", 1), Plant("conversion", 1))


def write_rich_home(root: Path, calendar: TradingCalendar) -> Home:
    """Make the home: on Friday the week's condor is decided, on Monday it is filled and open."""
    home = Home(root)
    prepare_home(home)
    home.settings_file.write_text(SETTINGS)
    market = simulate_market(
        calendar=calendar, last_session=MONDAY, seed=1, n_chain_sessions=2, n_history_sessions=80, plants=PLANTS
    )
    files = [*daily_files(market), *(file for row in market.chain_rows for file in session_files(market, row))]
    for file in files:
        (home.inbox / file.name).write_bytes(file.payload)
    night.run_range(
        home, start=FRIDAY, end=MONDAY, restate=False, settings=read_settings(home), now=RICH_NOW,
        stages=night.plain_stages(),
    )  # fmt: skip
    return home


@pytest.fixture(scope="session")
def rich_home(tmp_path_factory: pytest.TempPathFactory, calendar: TradingCalendar) -> Home:
    """The home, built once a test run. Not to be changed: copy it."""
    with built_once(tmp_path_factory, "rich-home") as (folder, fresh):
        if fresh:
            write_rich_home(folder / "home", calendar)
    return Home(folder / "home")
