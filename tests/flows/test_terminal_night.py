"""What a terminal shows of a night: it fits, it is plain in a pipe, it holds the decision and why."""

import contextlib
import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import date

import pytest
from rich.console import Console

from flows import journal, night
from flows.home import Home
from flows.night import NightResult
from flows.settings import Settings
from flows.terminal_night import explain_document, run_document, show_explain, show_run
from tests.flows.rich_home import FRIDAY, MONDAY, rich_home
from tests.flows.small_home import LATER, NIGHTS
from transforms.rules import RULES

__all__ = ["rich_home"]

ESCAPE = "\x1b"


def printed(document: dict[str, object], *, width: int, terminal: bool = False, run: bool = False) -> str:
    """What is printed at a width; to a terminal, or to a file."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system="standard" if terminal else None)
    (show_run if run else show_explain)(document, console)
    return out.getvalue()


@pytest.mark.parametrize("session", [FRIDAY, MONDAY])
@pytest.mark.parametrize("width", [80, 140])
def test_a_night_fits_the_terminal_and_says_every_rule(rich_home: Home, session: date, width: int) -> None:
    text = printed(explain_document(rich_home, session), width=width)
    assert max(map(len, text.splitlines())) <= width
    document = explain_document(rich_home, session)
    for rule in document["rules"]:
        assert rule["title"] in re.sub(r"\s+", " ", text), rule["rule"]
    assert len(document["rules"]) == len(RULES)
    for words in (
        "First engine",
        "Second engine",
        "Limits and funnel",
        "Best candidates",
        "Mispricings",
        "Book",
        "Data",
    ):
        assert words in text
    assert "unknown unknown" not in text
    assert "None" not in text


def test_the_decision_stands_with_its_legs_its_cost_and_its_rules(rich_home: Home) -> None:
    document = explain_document(rich_home, FRIDAY)
    (decision,) = document["engines"][0]["decisions"]
    text = printed(document, width=140)
    size = f"{decision['contracts']} contracts at {decision['limit_price']:.2f} points received"
    assert f"Open the week's iron condor: {size}" in text
    for leg in decision["legs"]:
        assert re.search(
            rf"{leg['side']} +{leg['quantity']} {leg['root']} .* {leg['strike']:g} {leg['option_type']}", text
        )
    assert f"bound by {decision['binding_limit'].replace('_', ' ')}" in text
    assert re.search(r"- Contango VX2/VX1 - 1: -?[\d.]+%, asked above 8.00%, misses by [\d.]+ pp", text)


def test_a_wide_terminal_says_beside_each_rule_what_turns_it_over_and_a_narrow_one_below(rich_home: Home) -> None:
    document = explain_document(rich_home, FRIDAY)
    wide, narrow = (printed(document, width=width) for width in (140, 80))
    assert "turns over at" in wide
    assert "Turns over" not in wide
    assert "  Contango VX2/VX1 - 1: contango ratio = 8.00%" in narrow.partition("\nTurns over\n")[2].splitlines()


def test_a_pipe_gets_no_color_and_a_terminal_does(rich_home: Home) -> None:
    document = explain_document(rich_home, FRIDAY)
    assert ESCAPE not in printed(document, width=140)
    assert ESCAPE in printed(document, width=140, terminal=True)


def test_the_document_is_json(rich_home: Home) -> None:
    document = json.loads(json.dumps(explain_document(rich_home, MONDAY), default=str))
    assert document["session_date"] == str(MONDAY)
    assert document["made"]["validation"] in {"passed", "warned"}
    assert document["book"]["positions"][0]["engine"] == "condor"


def test_a_run_shows_its_decision_and_ends_with_the_path_of_its_page(rich_home: Home) -> None:
    result = NightResult("published", sessions=[FRIDAY, MONDAY], seconds={"publish": 1.5})
    document = run_document(rich_home, result)
    assert document["page"] == str(rich_home.published / "reports" / f"{MONDAY}.html")
    for width in (80, 140):
        lines = printed(document, width=width, run=True).splitlines()
        assert "".join(lines[-3:]).endswith(f"{MONDAY}.html")
        assert any("published 2026-10-23 to 2026-10-26." in line for line in lines)
        assert any(line.startswith("First engine") for line in lines)


def test_what_a_run_says_to_do_next_finds_the_home_it_ran_in(rich_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    document = run_document(rich_home, NightResult("published", sessions=[MONDAY]))
    monkeypatch.delenv("ALVH_HOME", raising=False)
    monkeypatch.chdir(rich_home.root.parent)
    elsewhere = printed(document, width=140, run=True).splitlines()
    assert f"Next: alvh explain {MONDAY} --home {rich_home.root.name}" in elsewhere
    monkeypatch.setenv("ALVH_HOME", str(rich_home.root))
    assert f"Next: alvh explain {MONDAY}" in printed(document, width=140, run=True).splitlines()


def test_a_night_that_lacked_inputs_says_which(base_home: Home) -> None:
    text = printed(explain_document(base_home, NIGHTS[0]), width=80)
    assert "data degraded" in text
    assert "? the SPX option chain is missing" in text
    assert "no condor passed the filters" in text


def test_brackets_of_users_are_no_markup(home: Home) -> None:
    journal.write_note(home, text="[bold]loud[/bold] [/nothing", session=NIGHTS[-1], now=LATER)
    night.import_files(home, paths=[], settings=Settings(), now=LATER)
    document = explain_document(home, NIGHTS[-1])
    document["quality"]["notable"].append(
        {"outcome": "failed", "table_name": "t", "check_name": "c", "severity": "warn", "detail": "[red]x[/nothing]"}
    )
    assert "[red]x[/nothing]" in printed(document, width=140)


def test_a_single_row_wider_than_the_terminal_is_shown_a_column_a_line(rich_home: Home) -> None:
    query = "select * from latest_signal"
    arguments = ["-c", "from flows.cli import main; main()", "sql", query, "--home", str(rich_home.root)]
    shown = {}
    for columns in (80, 2000):
        leader, follower = pty.openpty()
        environment = os.environ | {"COLUMNS": str(columns)}
        with subprocess.Popen([sys.executable, *arguments], stdout=follower, env=environment) as child:
            os.close(follower)
            read = bytearray()
            with contextlib.suppress(OSError):  # the end of a terminal whose writer is gone, on Linux
                while part := os.read(leader, 65536):
                    read += part
        os.close(leader)
        assert child.returncode == 0
        shown[columns] = read.decode().splitlines()
    assert max(map(len, shown[80])) <= 80
    assert any(re.match(r"\| session_date +\| " + str(MONDAY), line) for line in shown[80])
    assert len(shown[2000]) == 4
    assert shown[80][-1] == shown[2000][-1] == "(1 row)"
