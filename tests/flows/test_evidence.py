"""The evidence is published beside the nights and changes none of them."""

import pytest

from flows.evidence import DISPUTED, gather_evidence, published_evidence
from flows.home import Home
from flows.settings import Settings
from tests.flows.small_home import LATER, NIGHTS, new_home, published_rows, snapshot_hashes
from transforms.errors import DataError
from transforms.evidence.claims import CLAIMS
from transforms.schemas import BENCHMARK_DAILY, CLAIM_EVIDENCE, EVIDENCE_BREAKDOWN, REPLAY_DAILY

OWN = {f"snapshots/{table.full_name}" for table in (BENCHMARK_DAILY, CLAIM_EVIDENCE, EVIDENCE_BREAKDOWN, REPLAY_DAILY)}


def test_a_replay_judges_every_claim_and_leaves_the_nights_as_they_are(home: Home) -> None:
    before = snapshot_hashes(home.published)
    assert published_evidence(home) == {"claims": [], "books": []}
    gather_evidence(home, settings=Settings(), now=LATER)
    after = snapshot_hashes(home.published)
    assert {path for path in after if after[path] != before.get(path)} == {
        path for path in after if path.rsplit("/", 1)[0].split("/session_year")[0] in OWN
    }
    claims = published_rows(home.published, CLAIM_EVIDENCE)
    assert set(claims["claim"]) == {claim.name for claim in CLAIMS}
    assert set(claims["variant"]) == {"default"}
    # Four nights are no evidence of anything that is measured night by night.
    assert set(claims.filter(claims["n"] < 20)["verdict"]) == {"too little data"}
    assert set(published_rows(home.published, REPLAY_DAILY)["session_date"]) == set(NIGHTS)
    assert [row["claim"] for row in published_evidence(home)["claims"]] == sorted(claims["claim"])
    gather_evidence(home, settings=Settings(), now=LATER)
    assert snapshot_hashes(home.published) == after


def test_each_disputed_setting_is_replayed_beside_todays(home: Home) -> None:
    gather_evidence(home, settings=Settings(), now=LATER, disputed=True)
    variants = set(published_rows(home.published, REPLAY_DAILY)["variant"])
    assert variants == {"default", "condor_alone", *DISPUTED}


def test_a_home_without_nights_has_nothing_to_replay(tmp_path) -> None:
    with pytest.raises(DataError, match="has no nights to replay"):
        gather_evidence(new_home(tmp_path / "home"), settings=Settings(), now=LATER)
