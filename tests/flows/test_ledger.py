import json

import pytest

from flows import ledger
from flows.home import Home, prepare_home
from transforms.errors import LedgerBroken


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    prepare_home(home)
    return home


def test_entries_come_back_in_the_order_written_each_bound_to_the_one_before(home):
    hashes = [ledger.append_entry(home, "notes", {"note": f"entry {number}"}) for number in range(3)]
    entries = ledger.read_entries(home, "notes")
    assert [entry["note"] for entry in entries] == ["entry 0", "entry 1", "entry 2"]
    assert [entry["previous"] for entry in entries] == [ledger.GENESIS, *hashes[:2]]
    assert ledger.head(home, "notes") == hashes[2]


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_line_changed_afterwards_breaks_the_chain_and_is_named(home, line):
    for number in range(3):
        ledger.append_entry(home, "notes", {"note": f"entry {number}"})
    path = home.ledger / "notes.jsonl"
    lines = path.read_text().splitlines()
    entry = json.loads(lines[line])
    entry["note"] = "rewritten"
    lines[line] = json.dumps(entry, sort_keys=True)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(LedgerBroken, match=f"line {line + 1} "):
        ledger.read_entries(home, "notes")


def test_a_line_removed_from_the_middle_breaks_the_chain(home):
    for number in range(3):
        ledger.append_entry(home, "notes", {"note": f"entry {number}"})
    path = home.ledger / "notes.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[2]]) + "\n")
    with pytest.raises(LedgerBroken, match="line 2 does not follow"):
        ledger.read_entries(home, "notes")


def test_a_line_cut_short_by_a_kill_is_dropped_and_the_chain_goes_on(home):
    ledger.append_entry(home, "notes", {"note": "whole"})
    path = home.ledger / "notes.jsonl"
    with open(path, "ab") as stream:
        stream.write(b'{"note": "torn", "prev')
    assert [entry["note"] for entry in ledger.read_entries(home, "notes")] == ["whole"]
    ledger.append_entry(home, "notes", {"note": "after"})
    assert [entry["note"] for entry in ledger.read_entries(home, "notes")] == ["whole", "after"]


def test_entries_until_a_line_end_with_it_and_an_unknown_line_is_an_error(home):
    hashes = [ledger.append_entry(home, "nights", {"n": number}) for number in range(3)]
    assert [entry["n"] for entry in ledger.entries_until(home, "nights", hashes[1])] == [0, 1]
    assert ledger.entries_until(home, "nights", ledger.GENESIS) == []
    with pytest.raises(LedgerBroken, match="holds no line"):
        ledger.entries_until(home, "nights", "f" * 64)


def test_only_what_follows_the_bytes_known_is_read_and_its_chain_is_followed(home):
    assert ledger.begins_with(home, "notes", ledger.followed(home, "notes"))
    for number in range(2):
        ledger.append_entry(home, "notes", {"note": f"entry {number}"})
    known = ledger.followed(home, "notes")
    assert (known.n_lines, known.head) == (2, ledger.head(home, "notes"))
    ledger.append_entry(home, "notes", {"note": "after"})
    assert ledger.begins_with(home, "notes", known)
    assert [entry["note"] for entry in ledger.each_entry(home, "notes", after=known)] == ["after"]
    path = home.ledger / "notes.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"after", b"later"))
    with pytest.raises(LedgerBroken, match="line 3 does not follow"):
        list(ledger.each_entry(home, "notes", after=known))
    path.write_bytes(whole.replace(b"entry 0", b"entry 9"))
    assert not ledger.begins_with(home, "notes", known)
    path.write_bytes(whole[: known.n_bytes - 5])
    assert not ledger.begins_with(home, "notes", known)


def test_a_line_cut_short_is_not_counted_as_followed(home):
    ledger.append_entry(home, "notes", {"note": "whole"})
    known = ledger.followed(home, "notes")
    with open(home.ledger / "notes.jsonl", "ab") as stream:
        stream.write(b'{"note": "torn", "prev')
    assert ledger.followed(home, "notes") == known
    ledger.append_entry(home, "notes", {"note": "after"})
    assert [entry["note"] for entry in ledger.each_entry(home, "notes", after=known)] == ["after"]
