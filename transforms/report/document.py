"""The whole night as one document: what the page renders, `alvh explain` prints and `--json` hands on."""

from collections.abc import Mapping
from typing import Any

from transforms.report.book import book_document, equity_figure
from transforms.report.decisions import (
    engine_documents,
    funnel_documents,
    ledger_document,
    limit_documents,
    rule_documents,
)
from transforms.report.figure import Drawable
from transforms.report.findings import (
    candidate_documents,
    detector_documents,
    finding_counts,
    finding_documents,
    scenario_document,
    tail_document,
)
from transforms.report.market_figures import contango_figure, curve_figure, rsi_figure, triangle_figure
from transforms.report.night import INPUT_WORDS, Night
from transforms.report.payoff_figure import payoff_figures, position_figures
from transforms.report.provenance import input_documents, made_document, quality_document, snapshot_documents
from transforms.report.smile_figure import smile_figures
from transforms.schemas import SIGNAL_DAILY, SURFACE_DAILY

Document = dict[str, Any]


def night_document(night: Night, manifest: Mapping[str, Any]) -> Document:
    """Return everything there is to say of a night, without its figures; `manifest` is the published one."""
    candidates = candidate_documents(night)
    best = candidates["second"][0]["candidate_id"] if candidates["second"] else None
    return {
        "session_date": night.session,
        "headline": {name: value for name, value in night.row(SIGNAL_DAILY).items() if name != "session_date"},
        "missing": missing_words(night),
        "engines": engine_documents(night),
        "ledger": ledger_document(night),
        "rules": rule_documents(night),
        "limits": limit_documents(night),
        "funnel": funnel_documents(night),
        "candidates": candidates,
        "scenarios": scenario_document(night, best),
        "tail": tail_document(night),
        "surface": night.tonight(SURFACE_DAILY).drop("session_date").sort("tenor_days").to_dicts(),
        "findings": finding_documents(night),
        "finding_counts": finding_counts(night),
        "detectors": detector_documents(night),
        "book": book_document(night),
        "quality": quality_document(night),
        "snapshots": snapshot_documents(night),
        "inputs": input_documents(night),
        "made": made_document(manifest),
    }


def night_figures(night: Night) -> dict[str, Drawable]:
    """Return the figures of a night by name; one that cannot be drawn is there and says why."""
    return {
        "curve": curve_figure(night),
        "contango": contango_figure(night),
        "rsi": rsi_figure(night),
        **smile_figures(night),
        "triangle": triangle_figure(night),
        **payoff_figures(night),
        **position_figures(night),
        "equity": equity_figure(night),
    }


def missing_words(night: Night) -> list[str]:
    """Return in words each input the night lacked."""
    return [night.lacks(name.removesuffix(":refused")) or INPUT_WORDS[name] for name in night.missing_inputs]
