"""Settings of the account, the two engines, the rules and the book (METHOD sections 1 and 6 to 9).

The sections of the rules are made from the rules' own declarations, so that a parameter is said once.
"""

from dataclasses import MISSING, fields
from typing import Any, Literal, cast, get_args, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from transforms.engines.iron_condor import CondorSettings
from transforms.engines.ratio_spread import RatioSpreadSettings, require_tail_hedge
from transforms.engines.roll import RollMatch
from transforms.errors import UsageError
from transforms.rules import RULES
from transforms.rules.decisions import DecisionParameters
from transforms.rules.rule import Parameters

# Said once, for the continuous series and for the layer alike, as [indicators] roll_days_before_expiry.
SHARED_PARAMETERS = {("roll_due", "roll_days_before_expiry")}


class Section(BaseModel):
    """A section of alvh.toml: an unknown key is an error, a value cannot be changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number_is_true(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name].annotation if info.field_name else None
        if isinstance(value, bool) and kind is not bool and bool not in get_args(kind):
            raise ValueError("true and false are no numbers and no texts")
        return value


class AccountSettings(Section):
    """The account the paper book begins with, until a file of account states says more; unstated, rules are unknown."""

    equity: float | None = Field(None, gt=0, description="Account equity, dollars.")
    cash: float | None = Field(None, description="Cash, dollars; negative if borrowed.")
    marketable_securities: float | None = Field(None, ge=0, description="Securities not pledged elsewhere, dollars.")
    receivables: float | None = Field(None, ge=0, description="Receivables, dollars.")
    current_liabilities: float | None = Field(None, ge=0, description="Liabilities due within a year, dollars.")
    margin_loan_rate: float | None = Field(None, ge=0, le=0.5, description="Margin loan rate, decimal a year.")
    credit_rate: float = Field(0.0, ge=0, le=0.5, description="Interest on the engines' positive cash, decimal a year.")
    required_return: float = Field(0.12, ge=0, le=2, description="Return the owner asks of equity, decimal a year.")


class FeeSettings(Section):
    """What a trade costs beside its price, and the steps its price is quoted in."""

    spx_option: float = Field(1.50, ge=0, le=10, description="Fee of an SPX or SPXW contract, dollars a side.")
    vix_option: float = Field(1.50, ge=0, le=10, description="Fee of a VIX or VIXW contract, dollars a side.")
    spx_tick: float = Field(0.05, gt=0, le=1, description="Step of SPX package prices, points.")
    vix_tick: float = Field(0.01, gt=0, le=1, description="Step of VIX package prices, points.")


class CondorSection(Section):
    """The first engine's candidates and adjustments (METHOD section 6)."""

    min_days_to_expiry: int = Field(45, ge=1, le=365, description="Fewest calendar days to expiration.")
    max_days_to_expiry: int = Field(60, ge=1, le=365, description="Most calendar days to expiration.")
    min_short_delta: float = Field(0.15, gt=0, lt=0.5, description="Least absolute delta of a short option.")
    max_short_delta: float = Field(0.30, gt=0, lt=0.5, description="Largest absolute delta of a short option.")
    wing_widths: tuple[float, ...] = Field((25.0, 50.0, 100.0), min_length=1, description="Wing widths, points.")
    score_density: Literal["risk_neutral", "physical"] = Field(
        "risk_neutral", description="Law whose expected value is scored."
    )
    max_kept: int = Field(500, ge=1, le=10_000, description="Candidates published a night.")
    widen_delta: float = Field(0.15, gt=0, lt=0.5, description="Delta of the short strike a rally is answered with.")
    tighten: Literal["short_strikes", "wings"] = Field(
        "short_strikes", description="What is drawn in before a release (disputed)."
    )
    tighten_delta: float = Field(0.30, gt=0, lt=0.5, description="Delta of the short strikes drawn in.")

    @model_validator(mode="after")
    def _ranges(self) -> "CondorSection":
        if self.min_days_to_expiry > self.max_days_to_expiry:
            raise ValueError(
                f"min_days_to_expiry = {self.min_days_to_expiry} is above "
                f"max_days_to_expiry = {self.max_days_to_expiry}"
            )
        if self.min_short_delta > self.max_short_delta:
            raise ValueError(
                f"min_short_delta = {self.min_short_delta} is above max_short_delta = {self.max_short_delta}"
            )
        if min(self.wing_widths) <= 0:
            raise ValueError(f"wing_widths = {list(self.wing_widths)}: every width must be above 0")
        return self

    def candidates(self, fees: FeeSettings) -> CondorSettings:
        """Return which condors are candidates."""
        return CondorSettings(
            min_days_to_expiry=self.min_days_to_expiry,
            max_days_to_expiry=self.max_days_to_expiry,
            min_short_delta=self.min_short_delta,
            max_short_delta=self.max_short_delta,
            wing_widths=self.wing_widths,
            score_density=self.score_density,
            fee_per_contract=fees.spx_option,
            max_kept=self.max_kept,
        )


class SecondEngineSection(Section):
    """The second engine's candidates and rolls (METHOD section 7)."""

    structure: Literal["backspread", "front_ratio", "diagonal"] = Field(
        "backspread", description="What a layer is; only a backspread is sure to gain in the tail (disputed)."
    )
    acknowledged: tuple[str, ...] = Field((), description="Structures accepted by name although they are no hedge.")
    months: tuple[int, ...] = Field((1, 2), min_length=1, description="Ranks in the monthly VX calendar.")
    ratios: tuple[int, ...] = Field((2, 3), min_length=1, description="Contracts bought for one sold.")
    max_short_delta: float = Field(0.60, gt=0, le=1, description="Largest delta of the call sold.")
    min_break_even_above_future: float = Field(4.0, ge=0, le=50, description="Least upper break-even above VX, points.")
    max_break_even_above_future: float = Field(6.0, ge=0, le=50, description="Most, points.")
    credit_rule: Literal["natural", "mid"] = Field("natural", description="Prices at which the credit must not be < 0.")
    offset_share: float = Field(0.60, gt=0, le=2, description="Share of the condor's loss to be offset.")
    max_kept: int = Field(100, ge=1, le=5_000, description="Candidates published a night.")
    roll_match: RollMatch = Field("vega", description="What a roll keeps.")

    @model_validator(mode="after")
    def _hedges(self) -> "SecondEngineSection":
        if self.min_break_even_above_future > self.max_break_even_above_future:
            raise ValueError(
                f"min_break_even_above_future = {self.min_break_even_above_future} is above "
                f"max_break_even_above_future = {self.max_break_even_above_future}"
            )
        if not set(self.months) <= set(range(1, 10)) or not set(self.ratios) <= {2, 3, 4, 5}:
            raise ValueError(
                f"months = {list(self.months)} must be of 1 to 9 and ratios = {list(self.ratios)} of 2 to 5"
            )
        try:
            require_tail_hedge(self.candidates(FeeSettings(), layer_share=0.30))
        except UsageError as error:
            raise ValueError(str(error)) from error
        return self

    def candidates(self, fees: FeeSettings, *, layer_share: float) -> RatioSpreadSettings:
        """Return which ratio spreads are candidates; `layer_share` is the share at which offset_vix_move is judged."""
        return RatioSpreadSettings(
            structure=self.structure,
            months=self.months,
            ratios=self.ratios,
            max_short_delta=self.max_short_delta,
            min_break_even_above_future=self.min_break_even_above_future,
            max_break_even_above_future=self.max_break_even_above_future,
            credit_rule=self.credit_rule,
            acknowledged=self.acknowledged,
            offset_share=self.offset_share,
            layer_share=layer_share,
            fee_per_contract=fees.vix_option,
            max_kept=self.max_kept,
        )


class BookSettings(Section):
    """How orders fill and whose positions the rules judge (METHOD section 9)."""

    fill_slippage: float = Field(1.0, ge=0, le=3, description="Half-spreads paid beyond the mid; 1 crosses the spread.")
    decide_on: Literal["paper", "held"] = Field(
        "paper", description="paper: the rules judge the paper book; held: the positions the user states."
    )


class DecisionSettings(Section):
    """How rules are combined (METHOD section 8)."""

    activation_mode: Literal["all", "trigger", "scan"] = Field(
        "all", description="Which rules activate the second engine (disputed)."
    )

    def parameters(self) -> DecisionParameters:
        """Return the parameters the decisions take."""
        return DecisionParameters(activation_mode=self.activation_mode)


def _rule_section(owner: str, parameters: type[Parameters]) -> type[Section] | None:
    hints = get_type_hints(parameters)
    declared: dict[str, Any] = {}
    for own in fields(parameters):
        if (owner, own.name) in SHARED_PARAMETERS:
            continue
        about = own.metadata
        kind = Literal[about["allowed"]] if about["allowed"] else hints[own.name]
        bounds = {} if about["allowed"] else {"ge": about["low"], "le": about["high"]}
        bounds = {name: bound for name, bound in bounds.items() if bound is not None}
        note = " (disputed)" if about.get("disputed") else ""
        default = None if own.default is MISSING else own.default
        declared[own.name] = (
            kind,
            Field(default, description=about["meaning"] + note + ".", **bounds),
        )
    if not declared:
        return None
    name = f"{owner}_section"
    # Under its name in this module, so that settings can be sent to another process.
    globals()[name] = create_model(name, __base__=Section, __module__=__name__, __doc__=f"Rule {owner}.", **declared)
    return cast(type[Section], globals()[name])


_RULE_SECTIONS = {rule.name: _rule_section(rule.name, rule.parameters) for rule in RULES}
RuleSettings: type[Section] = create_model(
    "RuleSettings",
    __base__=Section,
    __module__=__name__,
    __doc__="The parameters of each rule that has any (docs/rules.md).",
    **{name: (section, section()) for name, section in _RULE_SECTIONS.items() if section},  # type: ignore[call-overload]
)


def rule_parameters(rules: Section, *, roll_days_before_expiry: int) -> dict[str, Parameters]:
    """Return every rule's parameters by rule name."""
    shared = {("roll_due", "roll_days_before_expiry"): roll_days_before_expiry}
    found = {}
    for rule in RULES:
        section = getattr(rules, rule.name, None)
        own = section.model_dump() if section is not None else {}
        own |= {name: value for (owner, name), value in shared.items() if owner == rule.name}
        found[rule.name] = rule.parameters(**own)
    return found
