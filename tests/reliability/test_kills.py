"""A run that ends at any act leaves the night before whole, and the next run ends where an undisturbed one ends.

What a killed process leaves is what the disk shows at that moment. So one night is run that copies its home before
every act that finds it changed; each copy is read as if the night had been killed there, and one in five is completed
by another run. That a kill leaves just those bytes is shown on one write, fsync, commit, rename and removal.
ALVH_SLOW_TESTS=1 completes every copy, and kills a night before every act and completes it.
"""

import hashlib
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest

from flows import cross_section, features, reading
from flows.home import Home, prepare_home
from tests.flows.prefect_server import shared_server
from tests.flows.small_home import built_once
from tests.reliability.doomed_nights import Order, carried_out, contents, run_order
from tests.reliability.published_night import RUN_QUESTION, Night, read_night
from tests.remembered import remembered
from tests.slow import SLOW
from tests.small_market import MODIFIED, SmallMarket, settle, small_market, vx_file
from tests.warm_process import WarmProcess
from transforms.sessions import TradingCalendar

FIRST, EVE, TODAY = date(2023, 12, 18), date(2024, 2, 14), date(2024, 2, 15)
EVE_CLOCK, CLOCK, NEXT_CLOCK = "2024-02-14T23:45:00", "2024-02-15T23:45:00", "2024-02-16T13:30:00"
CONTRACT = date(2024, 3, 20)
DELIVERED = [f"VX_{CONTRACT}.csv", f"spx_quotedata_{TODAY}.csv"]
# The copies of the night are looked at in so many tests, which the processes of a test run share among them.
N_PARTS = 8
# Of an import, whose acts are mostly those of a night: one in so many.
IMPORT_STRIDE = 18
# Every copy is read; one in so many is completed, a number without a factor in common with the steps in which a file is
# published, so that every step has its turn.
COMPLETED_STRIDE = 1 if SLOW else 5
PURE = ((reading, "judge"), (cross_section, "cross_section"), (features, "daily_features"))
KILLED = ("write", "fsync", "commit", "rename", "remove")


@dataclass(frozen=True)
class Scene:
    """A home before a run, the order that starts the run, and what is published before and after it.

    `copies` holds the home as it was before each act of `copied`; the acts from one to the next found it unchanged.
    """

    home: Home
    order: Order
    parameters: dict[str, str]
    before: Night
    after: Night
    revised: frozenset[str]
    acts: list[tuple[str, str]]
    copies: Path
    copied: list[int]


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    """Remember what pure functions answer: most of a hundred nights compute the same from the same."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in PURE:
            patch.setattr(module, name, remembered(getattr(module, name)))
        yield


@pytest.fixture(scope="module")
def markets(calendar: TradingCalendar) -> tuple[SmallMarket, SmallMarket]:
    """The vendor's files as of the eve and as of today."""
    eve, today = (small_market(calendar, first=FIRST, last=last, n_chains=1) for last in (EVE, TODAY))
    return eve, today


@pytest.fixture(scope="module")
def published_home(
    warm_process: WarmProcess, markets: tuple[SmallMarket, SmallMarket], tmp_path_factory: pytest.TempPathFactory
) -> Home:
    """A home in which the night of the eve is published."""
    with built_once(tmp_path_factory, "eve") as (folder, fresh):
        home = Home(folder / "home")
        if fresh:
            prepare_home(home)
            markets[0].write(home.inbox)
            carried_out(Order("night", str(home.root), EVE_CLOCK), warm_process)
    return home


def deliver(market: SmallMarket, folder: Path, names: list[str]) -> list[Path]:
    """Write files an hour younger than those of the eve."""
    paths = market.write(folder, names=names)
    for path in paths:
        os.utime(path, (MODIFIED + 3600, MODIFIED + 3600))
    return paths


def played(
    home: Home, order: Order, scratch: Path, *, parameters: dict[str, str], warm_process: WarmProcess, every: int = 1
) -> Scene:
    """Run the order undisturbed in a copy of the home, copying it on the way, and return the scene."""
    undisturbed = copy_of(home, scratch / "undisturbed")
    observed = replace(order, home=str(undisturbed.root), copies=str(scratch / "copies"), every=every)
    outcome = carried_out(observed, warm_process)
    assert outcome is not None
    return Scene(
        home=home,
        order=order,
        parameters=parameters,
        before=read_night(home.published, parameters=parameters),
        after=read_night(undisturbed.published, parameters=parameters),
        revised=revised_content(undisturbed),
        acts=outcome.acts,
        copies=scratch / "copies",
        copied=outcome.copied,
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
    for name, text in night.pages.items():
        assert text in {scene.before.pages.get(name), scene.after.pages.get(name)}, name


def assert_old_or_new(scene: Scene, home: Home) -> None:
    """Read what a run that died has left."""
    assert_one_night(scene, read_night(home.published, parameters=scene.parameters))


def assert_next_run_completes(scene: Scene, home: Home, run: Callable[[Order], int]) -> None:
    """Run again after a run that died, and compare with the undisturbed run."""
    assert run(replace(scene.order, home=str(home.root), now=NEXT_CLOCK)) == 0
    night = read_night(home.published, parameters=scene.parameters)
    assert night.parquet == scene.after.parquet
    assert night.manifests == scene.after.manifests
    assert night.pages == scene.after.pages
    assert night.newest == scene.after.newest
    same = {name: rows for name, rows in scene.after.answers.items() if name != RUN_QUESTION}
    assert {name: rows for name, rows in night.answers.items() if name != RUN_QUESTION} == same
    assert scene.revised <= revised_content(home)
    assert [path for path in home.root.rglob("*.draft*")] == []
    assert list(home.inbox.iterdir()) == []


def assert_harmless(scene: Scene, numbers: Iterable[int], trial: Callable[[int], None]) -> None:
    """Try every act, then fail with all that did harm."""
    failures = []
    for number in numbers:
        try:
            trial(number)
        except AssertionError as error:
            failures.append(f"{number} {scene.acts[number]}: {error}")
    assert not failures, f"ending before {len(failures)} acts did harm:\n" + "\n".join(failures)


def assert_copies_are_harmless(scene: Scene, numbers: Iterable[int], *, completed: Collection[int]) -> None:
    """Read what a run that ended before these acts left, each a copy, and complete some; the copies are used up."""

    def trial(number: int) -> None:
        home = Home(scene.copies / str(number))
        assert_old_or_new(scene, home)
        if number in completed:
            assert_next_run_completes(scene, home, run_here)
        shutil.rmtree(home.root)

    assert_harmless(scene, numbers, trial)


def run_here(order: Order) -> int:
    """Carry the order out in this process; return its exit code."""
    return run_order(order).exit_code


def assert_kills_are_harmless(
    scene: Scene, numbers: Iterable[int], folder: Path, warm_process: WarmProcess, *, run: Callable[[Order], int]
) -> None:
    """Kill runs before these acts, see that each left what a copy showed just before, and run again."""

    def trial(number: int) -> None:
        home = copy_of(scene.home, folder / str(number))
        copies = folder / f"{number} copied"
        doomed = replace(scene.order, home=str(home.root), kill_at=number, copies=str(copies))
        assert carried_out(doomed, warm_process) is None, "the run was not killed"
        assert contents(home.root) == contents(copies / str(number))
        assert_old_or_new(scene, home)
        assert_next_run_completes(scene, home, run)
        shutil.rmtree(copies)
        shutil.rmtree(home.root)

    assert_harmless(scene, numbers, trial)


def completed_copies(scene: Scene) -> set[int]:
    """Return the copies to complete: one in so many, and one before an act of each kind."""
    kinds = {scene.acts[number][0]: number for number in scene.copied}
    return {*scene.copied[::COMPLETED_STRIDE], *kinds.values()}


def one_of_each_kind(acts: list[tuple[str, str]]) -> list[int]:
    """Return the act in the middle of those of each kind that the disk has to survive."""
    numbers = {kind: [number for number, (act, _) in enumerate(acts) if act == kind] for kind in KILLED}
    return sorted(found[len(found) // 2] for found in numbers.values())


@pytest.fixture(scope="module")
def night_scene(
    warm_process: WarmProcess,
    markets: tuple[SmallMarket, SmallMarket],
    published_home: Home,
    tmp_path_factory: pytest.TempPathFactory,
) -> Scene:
    """The night of today, whose inbox holds two files and one that no source recognizes."""
    with built_once(tmp_path_factory, "night") as (folder, fresh):
        remembered = folder / "scene.pickle"
        if fresh:
            home = copy_of(published_home, folder / "before")
            deliver(markets[1], home.inbox, DELIVERED)
            (home.inbox / "page.csv").write_text("<html>not found</html>")
            parameters = {"root": "SPX", "expiration": "2024-04-18", "session": str(TODAY), "threshold": "60"}
            order = Order("night", str(home.root), CLOCK)
            played_scene = played(home, order, folder, parameters=parameters, warm_process=warm_process)
            remembered.write_bytes(pickle.dumps(played_scene))
    scene: Scene = pickle.loads(remembered.read_bytes())
    return scene


def test_the_night_to_be_killed_has_acts_of_every_kind_and_changes_what_is_published(
    night_scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = night_scene
    assert (scene.before.newest, scene.after.newest) == (str(EVE), str(TODAY))
    assert {f"{TODAY}.html", "latest.html"} <= scene.after.pages.keys()
    assert scene.before.answers["latest_signal"] != scene.after.answers["latest_signal"]
    counts = Counter(act for act, _ in scene.acts)
    assert {*KILLED, "insert"} <= counts.keys()
    completed = completed_copies(scene)
    # Nothing is on disk of a transaction until it commits: what a kill at a commit leaves is the copy of its begin.
    assert {scene.acts[number][0] for number in completed} >= {"begin", "write", "fsync", "rename", "remove"}
    with capsys.disabled():
        kinds = ", ".join(f"{count} {act}" for act, count in sorted(counts.items()))
        print(
            f"\na night has {len(scene.acts)} acts: {kinds}; before {len(scene.copied)} the disk had changed, "
            f"{len(completed)} of these nights are completed"
        )


@pytest.mark.longest
@pytest.mark.parametrize("part", range(N_PARTS))
def test_a_night_that_ends_before_any_act_leaves_the_old_one_and_the_next_run_completes(
    part: int, night_scene: Scene
) -> None:
    share = night_scene.copied[part::N_PARTS]
    assert_copies_are_harmless(night_scene, share, completed=completed_copies(night_scene))


@pytest.mark.longest
def test_a_killed_night_leaves_what_the_copies_show_and_the_next_run_completes(
    night_scene: Scene, tmp_path: Path, warm_process: WarmProcess
) -> None:
    numbers = range(len(night_scene.acts)) if SLOW else one_of_each_kind(night_scene.acts)
    assert_kills_are_harmless(night_scene, numbers, tmp_path, warm_process, run=run_here)


@pytest.mark.prefect
def test_a_flow_run_killed_twice_leaves_the_old_night_and_the_next_run_completes(
    night_scene: Scene, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, warm_process: WarmProcess
) -> None:
    loading = night_scene.acts.index(("insert", "core.option_quote"))
    loaded = next(n for n, (act, _) in enumerate(night_scene.acts) if n > loading and act == "commit")
    swapped = night_scene.acts.index(("rename", "published/alvh.duckdb"))

    def run_in_child(order: Order) -> int:
        outcome = carried_out(order, warm_process)
        assert outcome is not None
        return outcome.exit_code

    with shared_server(tmp_path_factory) as server:
        order = replace(night_scene.order, job="flow", environment=server.environment(night_scene.home.root))
        scene = replace(night_scene, order=order)
        before = {run["id"] for run in server.flow_runs()}
        assert_kills_are_harmless(scene, [loaded, swapped], tmp_path, warm_process, run=run_in_child)
        states = [run["state_name"] for run in server.flow_runs() if run["id"] not in before]
    assert sorted(states) == ["Degraded", "Degraded", "Running", "Running"]


def test_an_import_that_ends_on_the_way_leaves_the_old_night_and_the_next_import_completes(
    calendar: TradingCalendar, published_home: Home, tmp_path: Path, warm_process: WarmProcess
) -> None:
    restated = calendar.between(FIRST, EVE)[-11]
    payload = vx_file(calendar.between(FIRST, EVE), CONTRACT, restated={restated: settle(restated, CONTRACT) + 0.35})
    market = SmallMarket(files={f"VX_{CONTRACT}.csv": payload}, sessions=[], chain_sessions=[])
    paths = deliver(market, tmp_path / "vendor", list(market.files))
    order = Order("import", str(published_home.root), CLOCK, paths=[str(path) for path in paths])
    parameters = {"root": "SPX", "expiration": "2024-04-17", "session": str(restated), "threshold": "60"}
    scene = played(
        published_home, order, tmp_path, parameters=parameters, warm_process=warm_process, every=IMPORT_STRIDE
    )
    assert scene.revised
    assert scene.before.answers["contango_history"] != scene.after.answers["contango_history"]
    kills = range(0, len(scene.acts), IMPORT_STRIDE)
    numbers = kills if SLOW else kills[1::4]
    assert_kills_are_harmless(scene, numbers, tmp_path / "killed", warm_process, run=run_here)
    assert_copies_are_harmless(scene, scene.copied, completed=scene.copied)
