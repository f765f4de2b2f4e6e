import pytest

from flows.doctor import annotated_settings
from flows.home import Home
from flows.settings import Settings, read_settings
from transforms.errors import UsageError


def home_with(tmp_path, text):
    (tmp_path / "alvh.toml").write_text(text)
    return Home(tmp_path)


def test_a_value_out_of_range_is_named_with_its_key_and_the_bound(tmp_path):
    home = home_with(tmp_path, "[indicators]\nroll_days_before_expiry = 0\n")
    with pytest.raises(UsageError, match=r"indicators\.roll_days_before_expiry = 0: .*greater than or equal to 1"):
        read_settings(home)


def test_an_unknown_key_is_refused(tmp_path):
    home = home_with(tmp_path, "[indicators]\nroll_day = 1\n")
    with pytest.raises(UsageError, match=r"indicators\.roll_day"):
        read_settings(home)


def test_every_wrong_setting_is_named_at_once(tmp_path):
    home = home_with(tmp_path, '[publish]\nserving_sessions = 0\n[indicators]\ncurve_series = "sine"\n')
    with pytest.raises(UsageError, match="2 wrong settings") as caught:
        read_settings(home)
    assert "publish.serving_sessions" in str(caught.value)
    assert "indicators.curve_series" in str(caught.value)


def test_broken_toml_names_the_file(tmp_path):
    home = home_with(tmp_path, "[indicators\n")
    with pytest.raises(UsageError, match=r"alvh\.toml is not valid TOML"):
        read_settings(home)


def test_the_environment_outranks_the_file(tmp_path, monkeypatch):
    home = home_with(tmp_path, "[publish]\nserving_sessions = 10\n")
    assert read_settings(home).publish.serving_sessions == 10
    monkeypatch.setenv("ALVH__PUBLISH__SERVING_SESSIONS", "7")
    assert read_settings(home).publish.serving_sessions == 7


def test_the_hash_changes_with_what_decides_numbers_and_only_with_that(tmp_path):
    plain = Settings()
    assert Settings(publish={"serving_sessions": 3}).sha256 == plain.sha256
    assert Settings(indicators={"roll_days_before_expiry": 2}).sha256 != plain.sha256


def test_the_annotated_file_states_the_defaults_and_holds_them_when_its_marks_are_removed(tmp_path):
    text = annotated_settings()
    assert read_settings(home_with(tmp_path, text)) == Settings()
    lines = [
        line.removeprefix("# ") if " = " in line and not line.startswith("##") else line for line in text.split("\n")
    ]
    assert sum(" = " in line and not line.startswith("#") for line in lines) > 15
    assert read_settings(home_with(tmp_path, "\n".join(lines))) == Settings()
