"""One download against a real server that is slow, broken, cut short, moved, or serves something else."""

import gzip
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import httpx
import pytest

from flows.downloads import HostPacer, _refuse_downgrade
from flows.feeds import FeedAbsent, FeedRefused, FeedUnavailable, Fetched, NotModified, open_client
from tests.flows.feed_site import DAY_BEFORE, EVENING, SESSION, STAMP, Site, opened_site, path_of
from tests.flows.loopback import Loopback, Reply, chain_json, index_csv, vx_contract_csv

HTML = b"<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>Back soon</body></html>\n"
S3_DENIED = b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with opened_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Site]:
    with opened_site(tmp_path, timeout_seconds=0.1) as opened:
        yield opened


# Servers that cannot answer now


def test_server_errors_are_retried_ever_later(site: Site) -> None:
    request = site.wanted("index_history VIX")
    good = Reply(index_csv("VIX", [SESSION]))
    site.serve(request, Reply(status=500), Reply(status=502), Reply(status=503), good)
    waits: list[float] = []
    (outcome,) = site.fetch(request, waits=waits)
    assert (outcome.outcome, outcome.n_attempts, waits) == ("landed", 4, [1.0, 2.0, 4.0])


def test_server_that_stays_broken_fails_one_file_and_only_when_due(site: Site) -> None:
    broken = site.wanted("index_history VIX")
    sound = site.wanted("index_history VVIX")
    site.serve(broken, Reply(status=500))
    site.serve(sound, Reply(index_csv("VVIX", [SESSION])))
    outcomes = site.fetch(broken, sound)
    assert [(outcome.outcome, outcome.n_attempts) for outcome in outcomes] == [("failed", 4), ("landed", 1)]
    assert site.fetch(broken, now=EVENING)[0].outcome == "pending"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 1.0),
        ({}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
    ],
)
def test_too_many_requests_waits_as_asked(site: Site, headers: dict[str, str], wait: float) -> None:
    request = site.wanted("index_history VIX")
    site.serve(request, Reply(status=429, headers=headers), Reply(index_csv("VIX", [SESSION])))
    waits: list[float] = []
    (outcome,) = site.fetch(request, waits=waits)
    assert (outcome.outcome, waits) == ("landed", [wait])


def test_retry_after_a_date_counts_from_the_servers_clock(site: Site) -> None:
    request = site.wanted("index_history VIX")
    far = {"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}
    site.serve(request, Reply(status=503, headers=far))
    with pytest.raises(FeedUnavailable) as caught:
        site.download(request)
    expected = datetime(2100, 1, 1).timestamp() - time.time()
    assert caught.value.retry_after == pytest.approx(expected, rel=1e-3)


def test_long_wait_is_not_waited_and_the_host_not_asked_again(site: Site) -> None:
    plan = site.serve_plan()
    site.serve(plan[0], Reply(status=429, headers={"Retry-After": "3600"}))
    waits: list[float] = []
    outcomes = site.fetch(*plan, waits=waits)
    assert (len(site.server.asked), waits) == (1, [])
    assert {outcome.outcome for outcome in outcomes} == {"failed"}
    assert [outcome.n_attempts for outcome in outcomes[:2]] == [1, 0]


def test_silent_server_times_out_and_is_not_asked_for_the_rest(impatient: Site) -> None:
    plan = impatient.serve_plan(delay=0.3)
    outcomes = impatient.fetch(*plan)
    assert impatient.server.paths() == [path_of(plan[0])] * 4
    assert {outcome.outcome for outcome in outcomes} == {"failed"}
    assert "ReadTimeout" in (outcomes[0].reason or "")


def test_transfer_that_only_drips_ends(impatient: Site) -> None:
    request = impatient.wanted("index_history VIX")
    impatient.serve(request, Reply(index_csv("VIX", [SESSION] * 50), drip=0.02))
    started = time.monotonic()
    with pytest.raises(FeedUnavailable, match="takes too long"):
        impatient.download(request)
    assert time.monotonic() - started < 3


def test_nobody_listening_is_unavailable(site: Site) -> None:
    with Loopback() as gone:
        request = replace(site, server=gone).wanted("index_history VIX")
    (outcome,) = site.fetch(request, now=EVENING)
    assert (outcome.outcome, outcome.n_attempts) == ("pending", 4)
    assert "ConnectError" in (outcome.reason or "")


# Bodies that break off


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_cut_body_is_asked_for_again_from_its_beginning(site: Site, framing: str) -> None:
    request = site.wanted("vx_contract 2026-12-16")
    whole = Reply(vx_contract_csv(date(2026, 12, 16), [SESSION]), framing=framing, etag='"1"')
    site.serve(request, replace(whole, cut_at=100), whole)
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.n_attempts) == ("landed", 2)
    assert "range" not in site.server.asked[1].headers
    assert outcome.n_bytes == len(whole.body)


@pytest.mark.parametrize("compressed", [False, True])
def test_cut_body_is_continued_where_the_server_can(site: Site, compressed: bool) -> None:
    request = site.wanted("vx_contract 2026-12-16")
    body = vx_contract_csv(date(2026, 12, 16), site.calendar.between(date(2026, 9, 1), SESSION))
    whole = Reply(body, etag='"1"', ranges=True, compressed=compressed)
    site.serve(request, replace(whole, cut_at=100), whole)
    with pytest.raises(FeedUnavailable):
        site.download(request)
    (outcome,) = site.fetch(request)
    assert outcome.outcome == "landed"
    assert (site.server.asked[1].headers["range"], site.server.asked[1].headers["if-range"]) == ("bytes=100-", '"1"')
    assert site.landed_body() == body
    site.fetch()
    assert list((site.home.staging / "feeds").iterdir()) == []


def test_cut_body_is_not_continued_by_another_edition(site: Site) -> None:
    request = site.wanted("vx_contract 2026-12-16")
    old, new = (vx_contract_csv(date(2026, 12, 16), [day]) for day in (DAY_BEFORE, SESSION))
    site.serve(
        request,
        Reply(old, etag='"1"', ranges=True, cut_at=100),
        Reply(new, etag='"2"', ranges=True),
    )
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.n_attempts) == ("landed", 2)
    assert site.landed_body() == new


def test_weak_validator_does_not_continue_a_body(site: Site) -> None:
    request = site.wanted("vx_contract 2026-12-16")
    whole = Reply(vx_contract_csv(date(2026, 12, 16), [SESSION]), etag='W/"1"', ranges=True)
    site.serve(request, replace(whole, cut_at=100), whole)
    site.fetch(request)
    assert "range" not in site.server.asked[1].headers


def test_wrong_continuation_is_forgotten_and_the_file_asked_for_anew(site: Site) -> None:
    request = site.wanted("vx_contract 2026-12-16")
    whole = Reply(vx_contract_csv(date(2026, 12, 16), [SESSION]), etag='"1"', ranges=True)
    elsewhere = Reply(b"...", status=206, headers={"Content-Range": "bytes 7-9/10"})
    beyond = Reply(status=416)
    for wrong in (elsewhere, beyond):
        site.serve(request, replace(whole, cut_at=100), wrong, whole)
        with pytest.raises(FeedUnavailable, match="did not answer in full"):
            site.download(request)
        with pytest.raises(FeedUnavailable, match="cannot continue"):
            site.download(request)
        answer = site.download(request)
        assert isinstance(answer, Fetched)
        assert answer.payload == whole.body
        assert "range" not in site.server.asked[-1].headers


@pytest.mark.parametrize("feed", ["option_chain SPX", "vx_contract 2026-12-16", "treasury 2026"])
def test_cut_that_http_does_not_show_is_seen_in_the_text(site: Site, feed: str) -> None:
    request = site.wanted(feed)
    body = site.body_of(request)
    site.serve(request, Reply(body, framing="close", cut_at=len(body) - 3), Reply(body))
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.n_attempts) == ("landed", 2)
    assert site.landed_body() == body


# Answers that are no use


@pytest.mark.parametrize(
    ("feed", "reply", "said"),
    [
        ("vx_contract 2026-12-16", Reply(HTML), "web page"),
        ("option_chain SPX", Reply(HTML), "web page"),
        ("treasury 2026", Reply(S3_DENIED), "web page"),
        ("vx_contract 2026-12-16", Reply(b"\n"), "empty"),
        ("option_chain SPX", Reply(chain_json("RUT", date(2026, 12, 16), stamped_at=STAMP)), "RUT"),
        ("vx_contract 2026-12-16", Reply(b"hello\nworld\n"), "expected vx_contract_current"),
        ("vx_contract 2026-12-16", Reply(index_csv("VIX", [SESSION])), "expected vx_contract_current"),
        ("vx_contract 2026-12-16", Reply(vx_contract_csv(date(2027, 1, 20), [SESSION])), "none of its 1 lines"),
        ("index_history VVIX", Reply(index_csv("SKEW", [SESSION])), "symbol SKEW in a file of VVIX"),
        ("option_chain SPX", Reply(chain_json("VIX", date(2026, 12, 16), stamped_at=STAMP)), "root VIX, VIXW"),
        ("option_chain SPX", Reply(b'{"data": {"options": []}}'), "expected cboe_delayed_json"),
        ("index_history VIX", Reply(status=403, body=b"blocked"), "403"),
        ("index_history VIX", Reply(status=401), "401"),
        ("index_history VIX", Reply(status=304), "304"),
        ("index_history VIX", Reply(status=206), "206"),
        ("index_history VIX", Reply(b"x", headers={"Content-Encoding": "br"}), "answers in br"),
    ],
)  # fmt: skip
def test_useless_answer_is_refused_once_and_nothing_lands(site: Site, feed: str, reply: Reply, said: str) -> None:
    request = site.wanted(feed)
    site.serve(request, reply)
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.n_attempts) == ("refused", 1)
    assert said in (outcome.reason or "")
    assert site.landed() == []


@pytest.mark.parametrize("wire", [b"\x1f\x8b nonsense", gzip.compress(index_csv("VIX", [SESSION]), mtime=0)[:-4]])
def test_damaged_compression_is_asked_for_again(site: Site, wire: bytes) -> None:
    request = site.wanted("index_history VIX")
    damaged = Reply(wire, headers={"Content-Encoding": "gzip"})
    site.serve(request, damaged, Reply(index_csv("VIX", [SESSION]), compressed=True))
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.n_attempts) == ("landed", 2)


def test_endless_body_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.downloads.MAX_BODY_BYTES", 1 << 20)
    request = site.wanted("index_history VIX")
    for compressed in (False, True):
        site.serve(request, Reply(b"0" * (1 << 21), compressed=compressed))
        with pytest.raises(FeedRefused, match="more than 1 MiB"):
            site.download(request)


def test_refused_and_absent_are_errors_of_their_own(site: Site) -> None:
    request = site.wanted("index_history VIX")
    with pytest.raises(FeedAbsent, match="404"):
        site.download(request)
    site.serve(request, Reply(index_csv("VIX", [SESSION]), etag='"1"'))
    site.fetch(request)
    assert isinstance(site.download(request), NotModified)


# Redirects and pace


def test_redirect_is_followed_and_every_hop_is_paced(site: Site) -> None:
    request = site.wanted("index_history VIX")
    site.serve(request, Reply(status=302, headers={"Location": "/moved.csv"}))
    site.server.serve("/moved.csv", Reply(index_csv("VIX", [SESSION])))
    paced: list[float] = []
    with open_client(
        min_seconds_between_requests=2, timeout_seconds=5, sleep=paced.append, clock=lambda: 100.0
    ) as pacing:
        (outcome,) = replace(site, client=pacing).fetch(request)
    assert (outcome.outcome, outcome.url) == ("landed", request.url)
    assert paced == [2.0]


@pytest.mark.parametrize("location", ["", "ftp://127.0.0.1/VIX_History.csv"])
def test_redirect_that_leads_nowhere_is_refused(site: Site, location: str) -> None:
    request = site.wanted("index_history VIX")
    site.serve(request, Reply(status=302, headers={"Location": location or path_of(request)}))
    (outcome,) = site.fetch(request)
    assert (outcome.outcome, outcome.n_attempts) == ("refused", 1)
    assert "leads nowhere" in (outcome.reason or "")


def test_redirect_from_https_to_http_is_refused() -> None:
    secure = httpx.Response(301, request=httpx.Request("GET", "https://cdn.cboe.com/a.csv"))
    plain = httpx.Response(200, request=httpx.Request("GET", "http://cdn.cboe.com/a.csv"), history=[secure])
    with pytest.raises(FeedRefused, match="https to http"):
        _refuse_downgrade(plain)
    _refuse_downgrade(secure)


def test_pace_is_kept_by_host() -> None:
    elapsed = 0.0
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal elapsed
        elapsed += seconds
        waits.append(seconds)

    pacer = HostPacer(0.5, sleep=sleep, clock=lambda: elapsed)
    for url in ("https://a/1", "https://b/1", "https://a/2", "https://b/2", "https://a/3"):
        pacer(httpx.Request("GET", url))
    assert waits == [0.5, 0.5]
    elapsed += 5
    pacer(httpx.Request("GET", "https://a/4"))
    assert waits == [0.5, 0.5]
