"""From evaluations to decisions: what each engine does tonight, and which rules say so.

The rules decide whether; the engines and the sizing decide what and how large. What they would do comes in as offers;
an action that is called for but not offered, or offered at no contracts, is a `stay_dormant` that says so.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, get_args

from transforms.rules.exit import LIMITS
from transforms.rules.night import NightRules
from transforms.rules.rule import Evaluation, Parameters, parameter

Action = Literal[
    "stay_dormant",
    "open_condor",
    "activate_second_engine",
    "roll_second_engine",
    "widen_condor",
    "tighten_condor",
    "reduce",
    "close",
]
Engine = Literal["condor", "second"]
ACTIONS: tuple[str, ...] = get_args(Action)
ENGINES: tuple[str, ...] = get_args(Engine)

ACTIVATION: Mapping[str, tuple[str, ...]] = {
    "all": ("contango_scan", "vx_oversold", "condor_in_zone"),
    "trigger": ("vx_oversold", "condor_in_zone"),
    "scan": ("weekly_session", "contango_scan"),
}
MOMENTA = ("breadth_momentum", "curve_momentum")
CONDOR_LIMITS = ("trade_risk", "book_risk", "quick_ratio")
LAYER_LIMITS = ("layer_share", *CONDOR_LIMITS)
ADJUSTMENTS: tuple[Action, ...] = ("widen_condor", "tighten_condor")


@dataclass(frozen=True)
class DecisionParameters(Parameters):
    """How rules are combined."""

    activation_mode: str = parameter(
        "all", "which rules activate the second engine", allowed=tuple(ACTIVATION), disputed=True
    )


@dataclass(frozen=True)
class OfferedLeg:
    """One leg of a package: `quantity` contracts a package, `limit_price` its part of the package limit, points."""

    root: str
    expiration: date
    strike: float | None
    option_type: Literal["call", "put"] | None
    side: Literal["buy", "sell"]
    quantity: int
    limit_price: float | None
    instrument: Literal["option", "future"] = "option"


@dataclass(frozen=True)
class Offer:
    """What an engine would do, sized: `contracts` packages of `legs`.

    `limit_price` is that of a package, points, positive if received. `expected_cost` is in dollars for all contracts
    after fees, negative if received. `max_loss_change` (dollars) and `gamma_change` (per point of the index, all
    contracts) are against the book before. `binding_limit` names what kept the contracts from being more, and `note`
    says why these strikes, or why none. None where not known. `loss_before_credit` (dollars, all contracts) is the most
    that what is opened can owe before its credit where that is modelled: legs of several expirations (a diagonal).
    """

    engine: Engine
    legs: tuple[OfferedLeg, ...]
    contracts: int
    limit_price: float | None = None
    expected_cost: float | None = None
    max_loss_change: float | None = None
    gamma_change: float | None = None
    binding_limit: str | None = None
    note: str | None = None
    loss_before_credit: float | None = None


@dataclass(frozen=True)
class Offers:
    """What the engines would do tonight: a new condor and layer, and by position id each change of what is open."""

    condor: Offer | None = None
    layer: Offer | None = None
    roll: Mapping[str, Offer] = field(default_factory=dict)
    widen: Mapping[str, Offer] = field(default_factory=dict)
    tighten: Mapping[str, Offer] = field(default_factory=dict)
    reduce: Mapping[str, Offer] = field(default_factory=dict)
    close: Mapping[str, Offer] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenBook:
    """What has been done to what is open, by position id.

    `newest_has_layer` says that a layer has been opened against the newest condor: it gets no second one. `tightened`
    and `widened` are the condors already adjusted for the event or rally at hand, which are not adjusted again.
    `ledger_balance` is what the second engine has earned and not yet spent, dollars; None if not known.
    """

    newest_has_layer: bool = False
    tightened: frozenset[str] = frozenset()
    widened: frozenset[str] = frozenset()
    ledger_balance: float | None = None


@dataclass(frozen=True)
class Decision:
    """One decision: what is done, to which position, how large, why, and the rules it cites.

    A `stay_dormant` has no offer and 0 contracts. `funded` and `unfunded` (dollars) split the cost of an adjustment by
    what the second engine's ledger can pay; None for other actions and unknown costs or balances.
    """

    session_date: date
    action: Action
    engine: Engine
    position_id: str | None
    offer: Offer | None
    rules: tuple[str, ...]
    reason: str
    funded: float | None = None
    unfunded: float | None = None

    @property
    def contracts(self) -> int:
        """Return the packages traded; 0 for a stay_dormant."""
        return self.offer.contracts if self.offer else 0

    @property
    def decision_id(self) -> str:
        """Return the same id however often a night is decided: a hash of session, action, engine and position."""
        what: tuple[str, ...] = (str(self.session_date), self.action, self.engine, self.position_id or "")
        # Two actions may be called for and not possible on one night; their rules tell them apart.
        what += () if self.offer else self.rules
        return hashlib.sha256("\0".join(what).encode()).hexdigest()[:16]


def decide(
    session_date: date,
    night: NightRules,
    *,
    book: OpenBook,
    offers: Offers,
    parameters: DecisionParameters,
) -> tuple[Decision, ...]:
    """Return the decisions of a night, in the order of `ACTIONS` and then by position id.

    A rule that an action needs must have passed: failed and unknown both withhold it. The second engine always has a
    decision, so that every activation considered and not taken is on record; the first has one on the night of the
    weekly condor. A position is changed once a night: closing comes before rolling, which is sized to the limits,
    rolling before reducing, and that before an adjustment. An event near, or not known to be far, rules out widening.
    """
    found = [*_closings(session_date, night, offers=offers), *_rolls(session_date, night, offers=offers)]
    found += _reductions(session_date, night, offers=offers, changed=_changed(found))
    found += _adjustments(session_date, night, book=book, offers=offers, changed=_changed(found))
    condor = _weekly_condor(session_date, night, offer=offers.condor)
    found += condor
    opens = any(decision.action == "open_condor" for decision in condor)
    found.append(_activation(session_date, night, book=book, offer=offers.layer, opens=opens, parameters=parameters))
    found.sort(
        key=lambda decision: (
            ACTIONS.index(decision.action),
            decision.engine,
            decision.position_id or "",
            decision.rules,
        )
    )
    return tuple(_funded(found, ledger_balance=book.ledger_balance))


def _weekly_condor(session_date: date, night: NightRules, *, offer: Offer | None) -> list[Decision]:
    """Return the week's condor, or why there is none; nothing on other nights."""
    if night.rows["weekly_session"].outcome == "failed":
        return []
    needed = ("weekly_session", *CONDOR_LIMITS)
    withheld = _withheld(night.rows, needed)
    if withheld:
        return [_dormant(session_date, "condor", None, withheld, _reasons(night.rows, withheld))]
    return [_act(session_date, "open_condor", "condor", None, offer, needed, night.rows)]


def _activation(
    session_date: date,
    night: NightRules,
    *,
    book: OpenBook,
    offer: Offer | None,
    opens: bool,
    parameters: DecisionParameters,
) -> Decision:
    """Return the activation of the second engine, or why it stays dormant."""
    mode = parameters.activation_mode
    needed = (
        *ACTIVATION[mode],
        *(name for name in MOMENTA if not night.rows[name].advisory),
        *LAYER_LIMITS,
    )
    withheld = _withheld(night.rows, needed)
    if withheld:
        return _dormant(session_date, "second", None, withheld, _reasons(night.rows, withheld))
    # Scanning, the layer is opened with the week's condor; otherwise against the newest open one.
    if mode == "scan" and not opens:
        return _dormant(
            session_date, "second", None, needed, "no condor is opened tonight for the layer to stand against"
        )
    if mode != "scan" and book.newest_has_layer:
        return _dormant(session_date, "second", None, needed, "the newest condor has its layer")
    return _act(session_date, "activate_second_engine", "second", None, offer, needed, night.rows)


def _changed(decisions: list[Decision]) -> set[str | None]:
    return {decision.position_id for decision in decisions if decision.offer}


def _closings(session_date: date, night: NightRules, *, offers: Offers) -> list[Decision]:
    return [
        _act(session_date, "close", "condor", condor, offers.close.get(condor), ("exit",), night.of_position[condor])
        for condor in night.judged_by("exit")
        if night.of_position[condor]["exit"].state == "close"
    ]


def _reductions(session_date: date, night: NightRules, *, offers: Offers, changed: set[str | None]) -> list[Decision]:
    """Return the reductions offered while a limit fails on marks; one stay_dormant if none is offered."""
    failed = [name for name in LIMITS if night.rows["exit"].inputs[name] == "failed"]
    if not failed:
        return []
    cited = ("exit", *failed)
    if not offers.reduce:
        return [_act(session_date, "reduce", "second", None, None, cited, night.rows)]
    return [
        _act(session_date, "reduce", offer.engine, position, offer, cited, night.rows)
        for position, offer in sorted(offers.reduce.items())
        if position not in changed
    ]


def _rolls(session_date: date, night: NightRules, *, offers: Offers) -> list[Decision]:
    return [
        _act(
            session_date, "roll_second_engine", "second", layer, offers.roll.get(layer), ("roll_due",),
            night.of_position[layer],
        )
        for layer in night.judged_by("roll_due")
        if night.of_position[layer]["roll_due"].outcome == "passed"
    ]  # fmt: skip


def _adjustments(
    session_date: date, night: NightRules, *, book: OpenBook, offers: Offers, changed: set[str | None]
) -> list[Decision]:
    """Return the condors tightened before a release, else those widened in a rally: events outrank rallies."""
    event = night.rows["event_ahead"]
    open_condors = [condor for condor in night.judged_by("rally") if condor not in changed]
    if event.outcome == "passed" and event.state == "tighten":
        return [
            _act(
                session_date,
                "tighten_condor",
                "condor",
                condor,
                offers.tighten.get(condor),
                ("event_ahead",),
                night.rows,
            )
            for condor in open_condors
            if condor not in book.tightened
        ]
    if event.outcome != "failed":
        return []
    return [
        _act(
            session_date, "widen_condor", "condor", condor, offers.widen.get(condor), ("rally", "event_ahead"),
            {**night.rows, **night.of_position[condor]},
        )
        for condor in open_condors
        if condor not in book.widened and night.of_position[condor]["rally"].outcome == "passed"
    ]  # fmt: skip


def _act(
    session_date: date,
    action: Action,
    engine: Engine,
    position_id: str | None,
    offer: Offer | None,
    rules: tuple[str, ...],
    evaluations: Mapping[str, Evaluation],
) -> Decision:
    """Return the action as offered, or a stay_dormant if nothing can be traded."""
    reason = _reasons(evaluations, rules)
    if offer is None:
        return _dormant(session_date, engine, position_id, rules, f"{action} is called for but not offered: {reason}")
    if offer.contracts == 0:
        limit = offer.binding_limit or "the offer"
        note = f" ({offer.note})" if offer.note else ""
        return _dormant(session_date, engine, position_id, rules, f"{action} at 0 contracts by {limit}{note}: {reason}")
    return Decision(session_date, action, offer.engine, position_id, offer, rules, reason)


def _dormant(
    session_date: date, engine: Engine, position_id: str | None, rules: tuple[str, ...], reason: str
) -> Decision:
    return Decision(session_date, "stay_dormant", engine, position_id, None, rules, reason)


def _withheld(rows: Mapping[str, Evaluation], needed: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in needed if rows[name].outcome != "passed")


def _reasons(evaluations: Mapping[str, Evaluation], rules: Iterable[str]) -> str:
    return "; ".join(f"{name} {evaluations[name].outcome} ({evaluations[name].reason})" for name in rules)


def _funded(decisions: list[Decision], *, ledger_balance: float | None) -> list[Decision]:
    """Return the decisions with the cost of each adjustment split by what is left in the second engine's ledger."""
    left, paid = ledger_balance, []
    for decision in decisions:
        cost = decision.offer.expected_cost if decision.offer else None
        if decision.action in ADJUSTMENTS and cost is not None and left is not None:
            funded = min(max(cost, 0.0), max(left, 0.0))
            left -= funded
            decision = replace(decision, funded=funded, unfunded=max(cost, 0.0) - funded)
        paid.append(decision)
    return paid
