"""Whatever stands in alvh.toml or the environment: settings within bounds, or one error that says what is wrong."""

import json
import math
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from flows.home import Home
from flows.settings import Settings, read_settings, settings_from
from tests.slow import SLOW
from transforms.errors import UsageError

FUZZ = settings(
    max_examples=2000 if SLOW else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def leaves(model: type[BaseModel], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every key."""
    found = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        nested = isinstance(kind, type) and issubclass(kind, BaseModel)
        found += leaves(kind, (*path, name)) if nested else [(*path, name)]  # type: ignore[arg-type]
    return found


KEYS = leaves(Settings)
NAMES = st.text(min_size=1, max_size=10) | st.sampled_from([part for path in KEYS for part in path])
SCALARS = st.one_of(
    st.integers(-(10**30), 10**30),
    st.sampled_from([0, 1, -1, 2**63, 10**400]),
    st.floats(),
    st.booleans(),
    st.text(max_size=12),
    st.sampled_from(
        ["", "ratio", "NYSE", "http://x", "nan", "\u202e", "𝔸", "a" * 5000, "=1+1", "'; drop", "\x00", "None"]
    ),
    st.dates(date(1, 1, 1), date(9999, 12, 31)),
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),
    st.times(),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=4
)


def toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(str(value), repr(value))
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(k)} = {toml(v)}' for k, v in value.items())}}}"
    return json.dumps(str(value))


def document(settings_at: dict[tuple[str, ...], Any]) -> str:
    lines = []
    for path, value in settings_at.items():
        header = ".".join(json.dumps(part) for part in path[:-1])
        lines += [f"[{header}]" if header else "", f"{json.dumps(path[-1])} = {toml(value)}"]
    return "\n".join(lines)


def outcome(home: Home) -> Settings | str:
    """Return the settings, or the message of the one error that is allowed."""
    try:
        return read_settings(home)
    except UsageError as error:
        return str(error)


def assert_bounded(found: Settings) -> None:
    """Every number is finite: what no bound can hold must not get in."""

    def numbers(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [n for inner in value.values() for n in numbers(inner)]
        if isinstance(value, (list, tuple)):
            return [n for inner in value for n in numbers(inner)]
        return [value] if isinstance(value, float) else []

    assert all(math.isfinite(number) for number in numbers(found.model_dump()))
    assert settings_from(found.model_dump(mode="json"), where="what was recorded") == found


@FUZZ
@given(path=st.sampled_from(KEYS), value=VALUES)
def test_any_value_of_any_key_is_taken_or_named(
    path: tuple[str, ...], value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    home.settings_file.write_text(document({path: value}), encoding="utf-8", errors="surrogatepass")
    found = outcome(home)
    if isinstance(found, Settings):
        assert_bounded(found)
        return
    assert str(home.settings_file) in found
    if "is not valid TOML" not in found:
        assert path[0] in found
        assert any(
            word in found
            for word in ("Allowed: ", "must be", "above", "each name once", "It is a section", " has: ", "hedge")
        ), found
        assert len(found) < 6000


@FUZZ
@given(path=st.lists(NAMES, min_size=1, max_size=3).map(tuple), value=VALUES)
def test_any_key_is_known_or_named(path: tuple[str, ...], value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    home.settings_file.write_text(document({path: value}), encoding="utf-8", errors="surrogatepass")
    found = outcome(home)
    assert isinstance(found, Settings) or str(home.settings_file) in found


@FUZZ
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-16")))
def test_any_bytes_are_settings_or_told(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    home.settings_file.write_bytes(content)
    found = outcome(home)
    assert isinstance(found, Settings) or "alvh.toml" in found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[gates]\nmin_row_share = nan", "nan: Input should be a finite number. Allowed: a number from 0 to 1"),
        ("[gates]\nmin_row_share = inf", "gates.min_row_share = inf"),
        ("[publish]\nserving_sessions = true", "publish.serving_sessions = True: true and false are no numbers"),
        ("[publish]\nserving_session = 9", "Did you mean serving_sessions? [publish] has: serving_sessions, "),
        ("[publsh]\nserving_sessions = 9", "Did you mean publish? alvh.toml has: sources, indicators, "),
        ("publish = 3", "publish = 3: Input should be a valid dictionary"),
        ("[retention]\nrevisions_days = 99999999999999999999", "Allowed: a whole number from 0 to 36500"),
        ("[feeds]\nvx_contract = 'file:///etc/passwd'", "feeds.vx_contract = 'file:///etc/passwd'"),
        ("[sources]\norder = ['cboe', 'fomc_list']", "order = ('cboe', 'fomc_list'): each name once, of cboe_"),
        ("[sources]\norder = ['fomc_list', 'fomc_list']", "each name once"),
        ("_env_file = '/etc/passwd'", "_env_file = '/etc/passwd': there is no such section"),
        ("self = 1", "self = 1: there is no such section"),
        ("[condor]\nwing_widths = []", "Allowed: a list of at least one: a number"),
        ("[indicators]\ncurve_series = 'Ratio'", "Allowed: 'ratio' or 'raw'"),
        ("x = " + "[" * 5000, "is not valid TOML"),
        ("x = 1" + "0" * 5000, "is not valid TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_key_value_and_what_is_allowed(text: str, told: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings_file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_settings(home)
    assert told in str(caught.value)


def test_a_file_that_cannot_be_read_and_one_with_a_mark(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings_file.mkdir()
    with pytest.raises(UsageError, match=r"alvh\.toml cannot be read: Is a directory"):
        read_settings(home)
    home.settings_file.rmdir()
    home.settings_file.write_text("[publish]\nserving_sessions = 7\n", encoding="utf-8-sig")
    assert read_settings(home).publish.serving_sessions == 7


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ALVH__GATES__MIN_ROW_SHARE", "x", "min_row_share = 'x' (from the environment: ALVH__GATES__MIN_ROW_SHARE)"),
        ("ALVH__GATES", "not json", "an environment variable that begins with ALVH__ cannot be read"),
        ("ALVH__GATES__ROW_SHARE", "0.5", "Did you mean min_row_share? [gates] has: "),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_told_like_a_wrong_line(
    name: str, value: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as caught:
        read_settings(Home(tmp_path))
    assert told in str(caught.value)


def test_the_environment_of_today_does_not_change_what_a_night_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Settings(gates={"min_row_share": 0.4}).model_dump(mode="json")
    monkeypatch.setenv("ALVH__GATES__MIN_ROW_SHARE", "0.9")
    assert settings_from(recorded, where="a night").gates.min_row_share == 0.4
