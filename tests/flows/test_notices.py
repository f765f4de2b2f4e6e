"""What the scheduler and people are told: artifacts, alerts through blocks, failures that say what to do."""

import json
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.webhook import Webhook
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect_email import EmailServerCredentials
from pydantic import SecretStr

from flows import notices
from flows.home import Home
from flows.night import NightResult
from flows.nightly import nightly
from tests.flows.prefect_server import Server, free_port, shared_server
from tests.flows.receivers import mail_server, webhook_server
from tests.flows.rich_home import FRIDAY, MONDAY, rich_home
from tests.flows.small_home import LATER, copied, zeroed
from tests.small_market import MODIFIED, chain_file
from transforms.errors import UsageError
from transforms.sessions import TradingCalendar

__all__ = ["rich_home"]
pytestmark = pytest.mark.prefect

SATURDAY = date(2024, 2, 17)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The test run's Prefect server, spoken to from this process."""
    with shared_server(tmp_path_factory) as running:
        updates = {PREFECT_API_URL: running.url, PREFECT_HOME: tmp_path_factory.mktemp("prefect-home")}
        with temporary_settings(updates=updates):
            yield running


def tell(home: Home, *blocks: str, more: str = "") -> None:
    """Name the blocks in the home's settings."""
    text = home.settings_file.read_text() if home.settings_file.exists() else ""
    home.settings_file.write_text(f"{text}\n[alerts]\nblocks = {json.dumps(list(blocks))}\n{more}\n")


def webhook(name: str, url: str) -> str:
    template = {"title": "{{subject}}", "text": "{{body}}", "from": "{{name}}"}
    CustomWebhookNotificationBlock(name=name, url=url, json_data=template).save(name, overwrite=True)
    return f"custom-webhook/{name}"


def artifact(server: Server, key: str) -> dict[str, Any]:
    found = server.ask("artifacts/filter", {"artifacts": {"key": {"any_": [key]}}, "sort": "CREATED_DESC"})
    assert found, f"no artifact {key}"
    first: dict[str, Any] = found[0]
    return first


@flow(name="ended")
def end(home: Home, result: NightResult, nights: list[date]) -> Any:
    """End a run whose night was published before."""
    return notices.ended(home, result, nights=nights, alert=True)


def test_a_decision_is_told_through_every_block_and_leaves_a_page_in_the_scheduler(
    server: Server, rich_home: Home, tmp_path: Path
) -> None:
    home, port = copied(rich_home, tmp_path / "home"), free_port()
    EmailServerCredentials(smtp_server="127.0.0.1", smtp_port=port, smtp_type="INSECURE").save("mail", overwrite=True)
    with webhook_server() as desk, webhook_server() as plain, mail_server(port) as mailbox:
        Webhook(url=SecretStr(plain.url)).save("plain", overwrite=True)
        addresses = 'email_from = "alvh@example.org"\nemail_to = ["desk@example.org", "risk@example.org"]'
        blocks = (webhook("desk", desk.url), "webhook/plain", "email-server-credentials/mail")
        tell(home, *blocks, more=addresses)
        state = end(home, NightResult("published", sessions=[FRIDAY]), [FRIDAY], return_state=True)
    assert state.is_completed()
    assert state.name == "Published"
    assert state.result().reasons == []
    (told,) = desk.received
    assert told["title"].startswith(f"ALVH {FRIDAY}: open condor x ")
    assert told["from"] == "desk"
    assert "Open the week's iron condor" in told["text"]
    legs = re.findall(r"(buy|sell) +1 SPXW? .* (put|call) +at ", told["text"])
    assert sorted(legs) == [("buy", "call"), ("buy", "put"), ("sell", "call"), ("sell", "put")]
    assert plain.received == [{"subject": told["title"], "body": told["text"]}]
    (mail,) = mailbox.received
    assert (mail["Subject"], mail["To"]) == (told["title"], "desk@example.org, risk@example.org")
    assert mail.get_content().split() == told["text"].split()

    page = artifact(server, f"night-{FRIDAY}")
    assert page["type"] == "markdown"
    assert "| contango\\_scan |" in page["data"]
    assert "**Open the week's iron condor**" in page["data"]
    assert f"session_date={FRIDAY}.json" in page["data"]


def test_findings_are_a_table_in_the_scheduler_and_a_quiet_night_alerts_nobody(
    server: Server, rich_home: Home, tmp_path: Path
) -> None:
    home = copied(rich_home, tmp_path / "home")
    with webhook_server() as desk:
        tell(home, webhook("quiet", desk.url))
        end(home, NightResult("published", sessions=[MONDAY]), [MONDAY])
    assert desk.received == []
    table = json.loads(artifact(server, f"findings-{MONDAY}")["data"])
    assert {row["confidence"] for row in table} >= {"executable"}
    assert table[0]["edge_dollars"] > 0
    assert "buy" in table[0]["legs"]


def test_refused_data_is_told(server: Server, home: Home, calendar: TradingCalendar) -> None:
    session = date(2024, 2, 29)
    file = home.inbox / f"spx_quotedata_{session}.csv"
    file.write_bytes(zeroed(chain_file(session, calendar)))
    os.utime(file, (MODIFIED + 3600, MODIFIED + 3600))
    (home.inbox / "page.csv").write_text("<html>not found</html>")
    with webhook_server() as desk:
        tell(home, webhook("refusals", desk.url))
        state = nightly(session=session, home=home.root, now=LATER, return_state=True)
    assert state.is_completed()
    (told,) = desk.received
    assert told["title"] == f"ALVH {session}: data refused"
    assert "page.csv" in told["text"]


def test_a_failed_run_is_told_and_says_what_to_do(server: Server, home: Home) -> None:
    with webhook_server() as desk:
        tell(home, webhook("failures", desk.url))
        state = nightly(session=SATURDAY, home=home.root, now=LATER, return_state=True)
    assert state.is_failed()
    with pytest.raises(UsageError):
        state.result()
    (told,) = desk.received
    assert told["title"] == "ALVH: the nightly run failed"
    assert f"{SATURDAY} is not a New York trading session" in told["text"]
    assert "What was published before is whole" in told["text"]
    left = artifact(server, notices.FAILURE_KEY)
    assert f"{SATURDAY}" in left["data"]
    assert "Traceback" not in left["data"]


def test_an_alert_that_cannot_be_delivered_is_a_reason_and_fails_nothing(
    server: Server, rich_home: Home, tmp_path: Path
) -> None:
    home = copied(rich_home, tmp_path / "home")
    with webhook_server(status=500) as desk:
        Webhook(url=SecretStr(desk.url)).save("broken", overwrite=True)
        tell(home, "webhook/broken", more='on = ["decision"]')
        state = end(home, NightResult("published", sessions=[FRIDAY]), [], return_state=True)
    assert state.is_completed()
    (reason,) = state.result().reasons
    assert "the alert through webhook/broken was not delivered" in reason
    assert "answered 500" in reason
    assert len(desk.received) == 3, "it is tried again twice"


def test_what_is_not_asked_for_is_not_sent(server: Server, home: Home) -> None:
    with webhook_server() as desk:
        tell(home, webhook("some", desk.url), more='on = ["decision", "refused"]')
        assert nightly(session=SATURDAY, home=home.root, now=LATER, return_state=True).is_failed()
    assert desk.received == []
