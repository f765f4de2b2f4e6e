import json
import subprocess
import sys

import pytest

from flows.home import FORCE_NETWORK, HOME_VERSION, Home, filesystem_of, find_home, home_version, locked, prepare_home
from transforms.errors import HomeLocked, HomeTooNew, UsageError

HOLDER = """
import sys, time
from pathlib import Path
from flows.home import Home, locked
with locked(Home(Path(sys.argv[1])), started_at="2024-03-01T22:45:00"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_home_is_absolute_from_the_entry_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALVH_HOME", raising=False)
    found = find_home()
    monkeypatch.chdir("/")
    assert found.root == tmp_path / "alvh-home"


def test_an_option_outranks_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ALVH_HOME", str(tmp_path / "environment"))
    assert find_home().root == tmp_path / "environment"
    assert find_home(tmp_path / "option").root == tmp_path / "option"


def test_a_second_process_is_told_who_holds_the_home_and_a_killed_holder_frees_it(tmp_path):
    home = Home(tmp_path / "home")
    prepare_home(home)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(home.root)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(HomeLocked, match=rf"process {holder.pid} on .* since 2024-03-01T22:45:00"),
            locked(home, started_at="later"),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
    with locked(home, started_at="after the kill"):
        assert "after the kill" in home.lock_file.read_text()


def test_a_home_on_a_network_filesystem_is_refused_unless_the_environment_says_so(tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    kind = filesystem_of(tmp_path)
    # The disk of the test counts as one of the network: no test can mount a real one.
    monkeypatch.setattr("flows.home.NETWORK_FILESYSTEMS", frozenset({kind}))
    for forced in ("", "0"):
        monkeypatch.setenv(FORCE_NETWORK, forced)
        with pytest.raises(UsageError, match=f"is on a {kind} filesystem.* set {FORCE_NETWORK}=1"):
            prepare_home(home)
    assert not home.inbox.exists()
    monkeypatch.setenv(FORCE_NETWORK, "1")
    prepare_home(home)
    assert home.inbox.exists()


def test_a_newer_home_is_refused_by_name(tmp_path):
    home = Home(tmp_path / "home")
    prepare_home(home)
    assert home_version(home) == HOME_VERSION
    home.version_file.chmod(0o644)
    home.version_file.write_text(json.dumps({"home_version": HOME_VERSION + 1}))
    with pytest.raises(HomeTooNew, match=f"{home.root} was written by storage version {HOME_VERSION + 1}"):
        prepare_home(home)
