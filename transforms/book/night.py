"""A night of the book: what the rules say of it and of the market, what the engines offer, what is decided.

The rules are judged twice: on the book as it stands at its marks, which calls for changes of what is open, and with
tonight's trades made at the size the limits allow, which is what the published rows show. Each offer of a night is
measured against the standing after those that come before it, so that together they exceed no limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import cast

import polars as pl

from transforms.book.figures import newest, open_leg, open_position, ordered_position, zone_of
from transforms.book.position import OpenPosition
from transforms.book.rule_values import account_values, condor_values, layer_values, limit_values, limits_of
from transforms.book.state import MULTIPLIER, Book, Order, Position
from transforms.engines.offers.candidate import Proposal, opened_position
from transforms.engines.offers.change import after_change, after_trade, closing, refusal
from transforms.engines.offers.condor import Tighten, condor_offer, tightened, widened
from transforms.engines.offers.layer import after_roll, layer_offer, rolled
from transforms.engines.offers.package import Terms
from transforms.engines.offers.reduction import reduction
from transforms.engines.offers.standing import ShareBasis, Standing
from transforms.engines.roll import RollMatch
from transforms.engines.sizing import Account, Sizing
from transforms.rules import BY_NAME
from transforms.rules.decisions import Decision, DecisionParameters, Offer, Offers, OpenBook, decide
from transforms.rules.exit import LIMITS
from transforms.rules.layer_share import LayerShareParameters
from transforms.rules.market_values import RALLY_SESSIONS
from transforms.rules.night import NightRules, Positions, evaluate_rules, handed_on
from transforms.rules.rule import Parameters, Value
from transforms.sessions import TradingCalendar

WAITING = "an order for it is waiting to fill"
TONIGHTS_CONDOR, TONIGHTS_LAYER = "tonight's condor", "tonight's layer"
NOTHING = Proposal(None, None, None)
WITHOUT_CONDOR = Proposal(
    Offer("second", (), 0, note="the condor it would stand against is closed tonight"), None, None
)


@dataclass(frozen=True)
class NightSettings:
    """How a night is decided: rule parameters by rule name, and what the engines are asked for.

    credit_rate: interest on the engines' positive cash, decimal a year.
    """

    parameters: Mapping[str, Parameters]
    decisions: DecisionParameters
    terms: Terms
    decide_on: str = "paper"
    widen_delta: float = 0.15
    tighten: Tighten = "short_strikes"
    tighten_delta: float = 0.30
    roll_match: RollMatch = "vega"
    credit_rate: float = 0.0

    @property
    def basis(self) -> ShareBasis:
        """Return what layer_share compares."""
        return cast(ShareBasis, cast(LayerShareParameters, self.parameters["layer_share"]).layer_share_basis)

    @property
    def event_sessions(self) -> int:
        """Return the sessions ahead that count as near."""
        return int(getattr(self.parameters["event_ahead"], "event_sessions", 0))


@dataclass(frozen=True)
class NightMarket:
    """What a decision reads of its session, nothing of it later.

    values: the market's values for the rules, by name. chain: `priced_chain` rows of the expirations that are held or
    have candidates. condors, layers: mart.condor_candidate and mart.ratio_spread_candidate of the session.
    """

    session_date: date
    values: Mapping[str, Value]
    vix: float | None
    chain: pl.DataFrame
    condors: pl.DataFrame
    layers: pl.DataFrame
    account: Account
    calendar: TradingCalendar

    @property
    def spx(self) -> float | None:
        """Return the SPX close, points."""
        return cast(float | None, self.values.get("spx"))


@dataclass(frozen=True)
class Decided:
    """A night's evaluations, decisions, and what was sized, by engine: the candidate's id and its limits."""

    rules: NightRules
    decisions: tuple[Decision, ...]
    sizings: Mapping[str, tuple[str | None, Sizing]]


def decide_night(book: Book, market: NightMarket, settings: NightSettings) -> Decided:
    """Return what is decided on a night, from the book after the session's fills and settlements."""
    evening = _Evening(book, market, settings)
    changes = evening.changes()
    condor, layer = evening.proposals()
    judged = evening.judged(condor, layer)
    decisions = decide(
        market.session_date,
        judged,
        book=evening.done,
        offers=replace(changes, condor=condor.offer, layer=layer.offer),
        parameters=settings.decisions,
    )
    sizings = {
        engine: (cast(str, proposal.candidate["candidate_id"]) if proposal.candidate else None, proposal.sizing)
        for engine, proposal in (("condor", condor), ("second", layer))
        if proposal.sizing is not None
    }
    return Decided(judged, decisions, sizings)


class _Evening:
    """One night's work, from the book as it stands; `standing` moves on with each change offered."""

    def __init__(self, book: Book, market: NightMarket, settings: NightSettings) -> None:
        self.book, self.market, self.settings = book, market, settings
        self.condors, self.layers = (book.of(engine, settings.decide_on) for engine in ("condor", "second"))
        self.newest = newest(self.condors)
        self.values: dict[str, Value] = {**market.values, **account_values(market.account)}
        self.values["newest_condor_zone"] = zone_of(self.newest, market.spx) if self.newest else None
        low = BY_NAME["vol_of_vol_low"](self.values, settings.parameters["vol_of_vol_low"])
        self.stance = BY_NAME["stance"]({"vol_of_vol_low": handed_on(low)}, settings.parameters["stance"]).state
        standing = _standing(book, market, settings, condors=self.condors, layers=self.layers)
        self.standing = replace(standing, limits=limits_of(settings.parameters, self.stance))
        self.limits_on_marks = self._limits_on_marks()
        self.on_marks = self._evaluated(self.standing)
        self.done = self._done()

    def changes(self) -> Offers:
        """Return what the engines would do to what is open, in the order of precedence of `decide`."""
        made = Offers(close=self._closings(), roll=self._rolls())
        touched = {name for offers in (made.close, made.roll) for name, offer in offers.items() if offer.contracts}
        made = replace(made, reduce=self._reductions(touched))
        touched |= {name for name, offer in made.reduce.items() if offer.contracts}
        event = self.on_marks.rows["event_ahead"]
        left = [held for held in self.condors if held.position_id not in touched]
        if event.outcome == "passed" and event.state == "tighten":
            return replace(made, tighten=self._tightened([p for p in left if p.position_id not in self.done.tightened]))
        if event.outcome == "failed":
            return replace(made, widen=self._widened([p for p in left if p.position_id not in self.done.widened]))
        return made

    def proposals(self) -> tuple[Proposal, Proposal]:
        """Return the week's condor, on its night, and the layer against the condor it would stand against."""
        weekly = BY_NAME["weekly_session"](self.values, self.settings.parameters["weekly_session"])
        condor = NOTHING if weekly.outcome == "failed" else condor_offer(self.market.condors, self.standing)
        against = self._hedged(condor)
        if against is None:
            return condor, NOTHING
        standing = _with(self.standing, condor, name=TONIGHTS_CONDOR)
        if against not in {held.position_id for held in standing.positions}:
            return condor, WITHOUT_CONDOR
        # Scanning, the layer is opened against tonight's condor; else it must keep its share if that is never filled.
        unopened = () if self._scans else (TONIGHTS_CONDOR,)
        return condor, layer_offer(self.market.layers, standing, against=against, unopened=unopened)

    def judged(self, condor: Proposal, layer: Proposal) -> NightRules:
        """Return the evaluations with tonight's changes and proposals made.

        A limit that fails on marks stays failed: what is to bring it back may not be filled, and nothing is opened
        before it is.
        """
        after = _with(self.standing, condor, name=TONIGHTS_CONDOR)
        judged = self._evaluated(_with(after, layer, name=TONIGHTS_LAYER, against=self._hedged(condor)))
        failed = {name: self.on_marks.rows[name] for name in LIMITS if self.limits_on_marks[name] == "failed"}
        return replace(judged, rows={**judged.rows, **failed})

    def _evaluated(self, standing: Standing) -> NightRules:
        today, calendar = self.market.session_date, self.market.calendar
        own = self.newest.position_id if self.newest else TONIGHTS_CONDOR
        limits = limit_values(standing, trades=[standing.trade_of(own), standing.trade_of(TONIGHTS_CONDOR)])
        return evaluate_rules(
            {**self.values, **account_values(standing.account), **limits, **self.limits_on_marks},
            self.settings.parameters,
            positions=Positions(
                condors={p.position_id: condor_values(p, session_date=today) for p in self.condors},
                layers={p.position_id: layer_values(p, session_date=today, calendar=calendar) for p in self.layers},
            ),
        )

    def _closings(self) -> dict[str, Offer]:
        judged = self.on_marks.of_position
        return {
            p.position_id: self._changed(p, None if self._waits(p) else closing(open_position(p), self.standing))
            for p in _by_name(self.condors)
            if judged[p.position_id]["exit"].state == "close"
        }

    def _rolls(self) -> dict[str, Offer]:
        found = {}
        for position in _by_name(self.layers):
            if self.on_marks.of_position[position.position_id]["roll_due"].outcome != "passed":
                continue
            held, proposal = open_position(position), NOTHING
            if not self._waits(position):
                proposal = rolled(held, self.market.layers, self.standing, match=self.settings.roll_match)
                self.standing = after_roll(self.standing, held, proposal)
            found[position.position_id] = proposal.offer or refusal(held, WAITING)
        return found

    def _reductions(self, touched: set[str]) -> dict[str, Offer]:
        """Return what to close of what is not `touched` for the limits that failed on marks and fail still."""
        measured = self.standing.measured()
        failed = [name for name in LIMITS if self.limits_on_marks[name] == "failed"]
        failing = [name for name in failed if not measured.holds(name)]
        if failed and not failing and touched:
            position = next(p for p in (*self.condors, *self.layers) if p.position_id in touched)
            return {position.position_id: refusal(open_position(position), "tonight's other changes bring them back")}
        offers = reduction(self.standing, failing, leave=touched | self._ordered())
        held = {p.position_id: p for p in (*self.condors, *self.layers)}
        return {name: self._changed(held[name], offer) for name, offer in offers.items()}

    def _tightened(self, condors: Sequence[Position]) -> dict[str, Offer]:
        mode, delta = self.settings.tighten, self.settings.tighten_delta
        return {
            p.position_id: self._changed(
                p,
                None if self._waits(p) else tightened(open_position(p), self.standing, mode=mode, short_delta=delta),
            )
            for p in _by_name(condors)
        }

    def _widened(self, condors: Sequence[Position]) -> dict[str, Offer]:
        spot, delta = self.market.spx, self.settings.widen_delta
        return {
            p.position_id: self._changed(
                p,
                None if self._waits(p) else widened(open_position(p), self.standing, spot=spot, short_delta=delta),
            )
            for p in _by_name(condors)
            if spot is not None and self.on_marks.of_position[p.position_id]["rally"].outcome == "passed"
        }

    def _changed(self, position: Position, offer: Offer | None) -> Offer:
        """Return an offer for a position (None: an order for it is waiting), and move the standing on by it."""
        held = open_position(position)
        if offer is None:
            return refusal(held, WAITING)
        self.standing = after_change(self.standing, held, offer)
        return offer

    def _done(self) -> OpenBook:
        """Return what has been done to what is open: an event or a rally is answered once."""
        today, calendar = self.market.session_date, self.market.calendar
        since_event = calendar.after(today, -self.settings.event_sessions)
        since_rally = calendar.after(today, -RALLY_SESSIONS)
        pending = {order.position_id: order.action for order in self.book.orders}
        has_layer = self.newest is not None and (
            self.newest.has_had_layer or len(self.standing.trade_of(self.newest.position_id)) > 1
        )
        return OpenBook(
            newest_has_layer=has_layer,
            tightened=frozenset(
                p.position_id
                for p in self.condors
                if _since(p.last_tightened, since_event) or pending.get(p.position_id) == "tighten_condor"
            ),
            widened=frozenset(
                p.position_id
                for p in self.condors
                if _since(p.last_widened, since_rally) or pending.get(p.position_id) == "widen_condor"
            ),
            ledger_balance=self.book.ledger_balance,
        )

    @property
    def _scans(self) -> bool:
        return self.settings.decisions.activation_mode == "scan"

    def _hedged(self, condor: Proposal) -> str | None:
        """Return the condor a layer would stand against: scanning, the one of tonight; else the one opened last."""
        if self._scans:
            return TONIGHTS_CONDOR if condor.offer is not None and condor.offer.contracts else None
        return self.newest.position_id if self.newest else None

    def _limits_on_marks(self) -> dict[str, Value]:
        """Return passed or failed of the limits that `exit` reads, on the book as it stands; None if unknown."""
        own = self.newest.position_id if self.newest else TONIGHTS_CONDOR
        limits = limit_values(self.standing, trades=[self.standing.trade_of(own)])
        values = {**self.values, **limits, "stance": self.stance}
        return {name: handed_on(BY_NAME[name](values, self.settings.parameters[name])) for name in LIMITS}

    def _ordered(self) -> set[str]:
        """Return the positions, open or not yet, that wait for an order to fill."""
        return {order.position_id or order.decision_id for order in self.book.orders}

    def _waits(self, position: Position) -> bool:
        return position.position_id in self._ordered()


def _by_name(positions: Sequence[Position]) -> list[Position]:
    return sorted(positions, key=lambda position: position.position_id)


def _standing(
    book: Book,
    market: NightMarket,
    settings: NightSettings,
    *,
    condors: tuple[Position, ...],
    layers: tuple[Position, ...],
) -> Standing:
    """Return how the book stands: what is open, and what waits to be filled as if it were.

    What waits to be reduced or closed counts until it is.
    """
    orders = book.orders if settings.decide_on == "paper" else ()
    waiting = [order for order in orders if order.position_id is None]
    changing = {order.position_id: order for order in orders if order.action not in ("reduce", "close")}
    fee = {"condor": settings.terms.spx_fee, "second": settings.terms.vix_fee}
    ordered = [ordered_position(order, fee=fee[order.engine]) for order in waiting]
    standing_now = (*condors, *layers)
    filled = [_once_filled(p, changing.get(p.position_id), fee[p.engine]) for p in standing_now]
    due = sum(min(seen.cash_so_far, 0.0) for seen in ordered)
    due += sum(min(then.cash_so_far - now.cash, 0.0) for then, now in zip(filled, standing_now, strict=True))
    account = market.account
    if account.cash is not None:
        account = replace(account, cash=account.cash + due)
    condor = newest(condors)
    against = {p.position_id: p.stands_against for p in layers if p.stands_against}
    if condor is not None:
        against |= {seen.position_id: condor.position_id for seen in ordered if seen.engine == "second"}
    return Standing(
        chain=market.chain,
        account=account,
        positions=(*filled, *ordered),
        stands_against=against,
        limits=limits_of(settings.parameters, None),
        basis=settings.basis,
        vix=market.vix,
        terms=settings.terms,
    )


def _once_filled(position: Position, order: Order | None, fee: float) -> OpenPosition:
    """Return a position as an order that waits for it would leave it, filled at the prices of its decision."""
    held = open_position(position)
    if order is None:
        return held
    fees = fee * sum(abs(leg.quantity) for leg in order.legs)
    cash = -MULTIPLIER * sum(leg.quantity * leg.price for leg in order.legs) - fees
    legs = [open_leg(leg.key, leg.quantity) for leg in order.legs]
    return after_trade(held, legs, cash=cash, fees=fees) or held


def _with(standing: Standing, proposal: Proposal, *, name: str, against: str | None = None) -> Standing:
    """Return the standing with a proposal opened, if it is of any contracts."""
    if proposal.offer is None or proposal.offer.contracts == 0 or proposal.candidate is None:
        return standing
    opened = opened_position(proposal.candidate, proposal.offer.contracts, position_id=name, terms=standing.terms)
    then = standing.replaced(None, opened, cash=min(opened.cash_so_far, 0.0))
    return replace(then, stands_against={**standing.stands_against, name: against}) if against else then


def _since(day: date | None, first: date) -> bool:
    return day is not None and day >= first
