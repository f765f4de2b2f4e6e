"""The fetch task over the engine: settings name the servers, what landed stays, outages are worth a retry."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.feeds import FeedAddresses
from flows.fetch import RETRY_DELAYS_SECONDS, ServersUnavailable, fetch_into_landing, fetch_task, is_unavailable
from flows.landing import landed_files
from flows.settings import Settings
from tests.flows.feed_site import MORNING, SESSION, Site, opened_site
from tests.flows.loopback import Reply


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened_site(tmp_path) as opened:
        yield opened


def settings_for(addresses: FeedAddresses) -> Settings:
    polite = replace(addresses, min_seconds_between_requests=0.0, max_attempts=1)
    return Settings(feeds={name: getattr(polite, name) for name in FeedAddresses.__dataclass_fields__})


def write_settings(site: Site, settings: Settings) -> None:
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in settings.feeds.model_dump().items()]
    text = "[feeds]\n" + "\n".join(lines).replace("False", "false").replace("True", "true")
    site.home.settings_file.write_text(text)


def test_what_the_settings_name_is_downloaded_and_landed(site: Site) -> None:
    site.serve_plan()
    outcomes = fetch_into_landing(site.home, settings=settings_for(site.addresses), asked=SESSION, now=MORNING)
    landed = [outcome for outcome in outcomes if outcome.outcome == "landed"]
    assert len(landed) == len(landed_files(site.home)) > 15


def test_the_task_ends_in_an_error_that_names_every_outage_and_carries_the_rest(site: Site) -> None:
    plan = site.serve_plan()
    broken = next(request for request in plan if request.feed.startswith("treasury"))
    site.serve(broken, Reply(status=500))
    write_settings(site, settings_for(site.addresses))
    with pytest.raises(ServersUnavailable, match=r"1 of \d+ downloads failed: treasury") as caught:
        fetch_task.fn(site.home.root, SESSION, MORNING)
    assert sum(outcome.outcome == "landed" for outcome in caught.value.outcomes) > 15


def test_an_outage_is_retried_and_an_error_of_ours_is_not() -> None:
    assert fetch_task.retries == len(RETRY_DELAYS_SECONDS) > 0

    def retried(error: Exception) -> bool:
        state: State[object] = asyncio.run(_failed_with(error))
        return asyncio.run(is_unavailable(fetch_task, None, state))  # type: ignore[arg-type]

    assert retried(ServersUnavailable([]))
    assert not retried(ValueError("ours"))


async def _failed_with(error: Exception) -> State[object]:
    return Failed(data=error, message=str(error))
