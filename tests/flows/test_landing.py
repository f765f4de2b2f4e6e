import os
from datetime import datetime

import pytest

from flows.home import Home, prepare_home
from flows.landing import content_hash, land_file, landed_files, read_landed
from transforms.errors import DataError

RECEIVED = datetime(2024, 3, 1, 12)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    prepare_home(home)
    return home


def test_a_landed_file_is_recovered_to_the_byte(home):
    payload = os.urandom(70_000) + b"\r\n\x00tail"
    landed = land_file(home, payload, source="vx_contract_current", name="VX_2024-03-20.csv", received_at=RECEIVED)
    assert landed.sha256 == content_hash(payload)
    assert read_landed(home, landed) == payload
    assert landed_files(home) == [landed]


def test_bytes_landed_twice_keep_their_first_record(home):
    first = land_file(home, b"one", source="index_history", name="a.csv", received_at=RECEIVED)
    again = land_file(home, b"one", source="index_history", name="b.csv", received_at=datetime(2025, 1, 1))
    assert again == first
    assert len(landed_files(home)) == 1


def test_landed_files_are_listed_by_time_and_then_hash(home):
    late = land_file(home, b"late", source="s", name="a.csv", received_at=datetime(2024, 3, 2))
    early = land_file(home, b"early", source="t", name="b.csv", received_at=RECEIVED)
    assert landed_files(home) == [early, late]


def test_content_changed_on_disk_is_refused_by_name(home):
    landed = land_file(home, b"honest", source="s", name="a.csv", received_at=RECEIVED)
    other = land_file(home, b"forged", source="s", name="b.csv", received_at=RECEIVED)
    folder = home.landing / "s"
    honest = next(folder.glob(f"*/{landed.sha256}.csv.zst"))
    honest.write_bytes(next(folder.glob(f"*/{other.sha256}.csv.zst")).read_bytes())
    with pytest.raises(DataError, match=r"a\.csv .* has changed on disk"):
        read_landed(home, landed)


def test_a_name_that_climbs_out_of_its_folder_stays_inside(home):
    landed = land_file(home, b"x", source="s", name="../../../evil.csv", received_at=RECEIVED)
    assert read_landed(home, landed) == b"x"
    outside = [path for path in home.root.parent.rglob("*evil*")]
    assert outside == []
