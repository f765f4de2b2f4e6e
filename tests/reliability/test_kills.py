"""A run killed at any act leaves the night before whole, and the next run ends where an undisturbed one ends."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from queue import SimpleQueue

import pytest

from flows.home import Home, prepare_home
from tests.flows.prefect_server import shared_server
from tests.reliability.doomed_nights import Order, WarmProcess
from tests.reliability.published_night import RUN_QUESTION, Night, read_night
from tests.small_market import MODIFIED, SmallMarket, settle, small_market, vx_file
from transforms.sessions import TradingCalendar

FIRST, EVE, TODAY = date(2023, 12, 18), date(2024, 2, 14), date(2024, 2, 15)
EVE_CLOCK, CLOCK, NEXT_CLOCK = "2024-02-14T23:45:00", "2024-02-15T23:45:00", "2024-02-16T13:30:00"
CONTRACT = date(2024, 3, 20)
DELIVERED = [f"VX_{CONTRACT}.csv", f"spx_quotedata_{TODAY}.csv"]
N_WARM = 2
# Of an import, whose acts are mostly those of a night: one in so many.
IMPORT_STRIDE = 12


@dataclass(frozen=True)
class Scene:
    """A home before a run, the order that starts the run, and what is published before and after it."""

    home: Home
    order: Order
    parameters: dict[str, str]
    before: Night
    after: Night
    revised: frozenset[str]
    acts: list[tuple[str, str]]


class Crew:
    """Warm processes, lent to one thread at a time."""

    def __init__(self, processes: list[WarmProcess]) -> None:
        self._idle: SimpleQueue[WarmProcess] = SimpleQueue()
        for process in processes:
            self._idle.put(process)

    def carry_out(self, order: Order) -> dict[str, object]:
        process = self._idle.get()
        try:
            return process.carry_out(order)
        finally:
            self._idle.put(process)


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with WarmProcess() as first, WarmProcess() as second:
        yield Crew([first, second])


@pytest.fixture(scope="module")
def markets(calendar: TradingCalendar) -> tuple[SmallMarket, SmallMarket]:
    """The vendor's files as of the eve and as of today."""
    eve, today = (small_market(calendar, first=FIRST, last=last, n_chains=1) for last in (EVE, TODAY))
    return eve, today


@pytest.fixture(scope="module")
def published_home(
    crew: Crew, markets: tuple[SmallMarket, SmallMarket], tmp_path_factory: pytest.TempPathFactory
) -> Home:
    """A home in which the night of the eve is published."""
    home = Home(tmp_path_factory.mktemp("eve") / "home")
    prepare_home(home)
    markets[0].write(home.inbox)
    crew.carry_out(Order("night", str(home.root), EVE_CLOCK))
    return home


def deliver(market: SmallMarket, folder: Path, names: list[str]) -> list[Path]:
    """Write files an hour younger than those of the eve."""
    paths = market.write(folder, names=names)
    for path in paths:
        os.utime(path, (MODIFIED + 3600, MODIFIED + 3600))
    return paths


def played(crew: Crew, home: Home, order: Order, scratch: Path, *, parameters: dict[str, str]) -> Scene:
    """Run the order undisturbed in a copy of the home, and return the scene."""
    undisturbed = copy_of(home, scratch)
    acts = crew.carry_out(replace(order, home=str(undisturbed.root)))["acts"]
    assert isinstance(acts, list)
    return Scene(
        home=home,
        order=order,
        parameters=parameters,
        before=read_night(home.published, parameters=parameters),
        after=read_night(undisturbed.published, parameters=parameters),
        revised=revised_content(undisturbed),
        acts=[(act, path) for act, path in acts],
    )


def copy_of(home: Home, root: Path) -> Home:
    shutil.copytree(home.root, root)
    return Home(root)


def revised_content(home: Home) -> frozenset[str]:
    """Return the hashes of the files kept under revisions/, whichever run kept them."""
    kept = home.published.glob("revisions/**/*.parquet")
    return frozenset(hashlib.sha256(path.read_bytes()).hexdigest() for path in kept)


def assert_one_night(scene: Scene, night: Night) -> None:
    """Assert that what a reader finds is the night before or the new one, whole."""
    new_answers = night.answers.keys() == scene.after.answers.keys() and all(
        rows == scene.after.answers[name] for name, rows in night.answers.items() if name != RUN_QUESTION
    )
    old_answers = night.answers == scene.before.answers
    assert old_answers or new_answers, "alvh.duckdb answers with neither night"
    assert night.newest in {scene.before.newest, scene.after.newest}
    assert new_answers or night.newest == scene.before.newest, "latest.json names a night that alvh.duckdb lacks"
    for path, sha256 in night.parquet.items():
        assert sha256 in {scene.before.parquet.get(path), scene.after.parquet.get(path)}, path
    for name, text in night.manifests.items():
        assert text in {scene.before.manifests.get(name), scene.after.manifests.get(name)}, name


def assert_kill_is_harmless(scene: Scene, crew: Crew, number: int, root: Path) -> None:
    """Kill the run before act `number`, read, run again, and compare with the undisturbed run."""
    home = copy_of(scene.home, root)
    order = replace(scene.order, home=str(home.root))
    assert crew.carry_out(replace(order, kill_at=number)) == {"killed": True}
    assert_one_night(scene, read_night(home.published, parameters=scene.parameters))

    assert crew.carry_out(replace(order, now=NEXT_CLOCK))["exit_code"] == 0
    night = read_night(home.published, parameters=scene.parameters)
    assert night.parquet == scene.after.parquet
    assert night.manifests == scene.after.manifests
    assert night.newest == scene.after.newest
    same = {name: rows for name, rows in scene.after.answers.items() if name != RUN_QUESTION}
    assert {name: rows for name, rows in night.answers.items() if name != RUN_QUESTION} == same
    assert scene.revised <= revised_content(home)
    assert [path for path in home.root.rglob("*.draft*")] == []
    assert list(home.inbox.iterdir()) == []
    shutil.rmtree(root)


def assert_kills_are_harmless(scene: Scene, crew: Crew, numbers: Iterable[int], folder: Path) -> None:
    failures = {}
    with ThreadPoolExecutor(N_WARM) as pool:
        trials = {
            number: pool.submit(assert_kill_is_harmless, scene, crew, number, folder / str(number))
            for number in numbers
        }
        for number, trial in trials.items():
            if (error := trial.exception()) is not None:
                failures[number] = f"{scene.acts[number]}: {error}"
    assert not failures, f"{len(failures)} of {len(trials)} kills did harm:\n" + "\n".join(
        f"{number} {text}" for number, text in failures.items()
    )


@pytest.fixture(scope="module")
def night_scene(
    crew: Crew,
    markets: tuple[SmallMarket, SmallMarket],
    published_home: Home,
    tmp_path_factory: pytest.TempPathFactory,
) -> Scene:
    """The night of today, whose inbox holds two files and one that no source recognizes."""
    folder = tmp_path_factory.mktemp("night")
    home = copy_of(published_home, folder / "before")
    deliver(markets[1], home.inbox, DELIVERED)
    (home.inbox / "page.csv").write_text("<html>not found</html>")
    parameters = {"root": "SPX", "expiration": "2024-04-18", "session": str(TODAY), "threshold": "60"}
    order = Order("night", str(home.root), CLOCK)
    scene = played(crew, home, order, folder / "undisturbed", parameters=parameters)
    assert (scene.before.newest, scene.after.newest) == (str(EVE), str(TODAY))
    assert scene.before.answers["latest_signal"] != scene.after.answers["latest_signal"]
    assert {"write", "fsync", "rename", "commit", "insert", "remove"} <= {act for act, _ in scene.acts}
    return scene


def test_a_night_killed_before_any_act_leaves_the_old_one_and_the_next_run_completes(
    crew: Crew, night_scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = Counter(act for act, _ in night_scene.acts)
    with capsys.disabled():
        kinds = ", ".join(f"{count} {act}" for act, count in sorted(counts.items()))
        print(f"\na night has {len(night_scene.acts)} acts: {kinds}")
    assert_kills_are_harmless(night_scene, crew, range(len(night_scene.acts)), tmp_path)


@pytest.mark.prefect
def test_a_flow_run_killed_twice_leaves_the_old_night_and_the_next_run_completes(
    crew: Crew, night_scene: Scene, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    loading = night_scene.acts.index(("insert", "core.option_quote"))
    loaded = next(n for n, (act, _) in enumerate(night_scene.acts) if n > loading and act == "commit")
    swapped = night_scene.acts.index(("rename", "published/alvh.duckdb"))
    with shared_server(tmp_path_factory) as server:
        order = replace(night_scene.order, job="flow", environment=server.environment(night_scene.home.root))
        scene = replace(night_scene, order=order)
        before = {run["id"] for run in server.flow_runs()}
        assert_kills_are_harmless(scene, crew, [loaded, swapped], tmp_path)
        states = [run["state_name"] for run in server.flow_runs() if run["id"] not in before]
    assert sorted(states) == ["Degraded", "Degraded", "Running", "Running"]


def test_an_import_killed_on_the_way_leaves_the_old_night_and_the_next_import_completes(
    crew: Crew, calendar: TradingCalendar, published_home: Home, tmp_path: Path
) -> None:
    restated = calendar.between(FIRST, EVE)[-11]
    payload = vx_file(calendar.between(FIRST, EVE), CONTRACT, restated={restated: settle(restated, CONTRACT) + 0.35})
    market = SmallMarket(files={f"VX_{CONTRACT}.csv": payload}, sessions=[], chain_sessions=[])
    paths = deliver(market, tmp_path / "vendor", list(market.files))
    order = Order("import", str(published_home.root), CLOCK, paths=[str(path) for path in paths])
    parameters = {"root": "SPX", "expiration": "2024-04-17", "session": str(restated), "threshold": "60"}
    scene = played(crew, published_home, order, tmp_path / "undisturbed", parameters=parameters)
    assert scene.revised
    assert scene.before.answers["contango_history"] != scene.after.answers["contango_history"]
    assert_kills_are_harmless(scene, crew, range(0, len(scene.acts), IMPORT_STRIDE), tmp_path)
