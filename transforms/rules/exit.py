"""exit: a condor is to be closed before settlement, or the book reduced."""

from dataclasses import dataclass

from transforms.rules.rule import (
    Comparison,
    Evaluation,
    Parameters,
    Rule,
    Scalar,
    Value,
    compares,
    given,
    judged,
    parameter,
    turning_value,
    unknown,
)

NAME = "exit"
LIMITS = ("layer_share", "book_risk", "quick_ratio")


@dataclass(frozen=True)
class Inputs:
    """An open condor on the session's marks, and the limits of the book as it stands."""

    n_open_condors: int | None = given("condors open, count", low=0)
    profit_share: float | None = given("share of the condor's maximum profit captured, decimal")
    days_to_expiry: int | None = given("calendar days to the condor's expiration", low=0)
    loss_multiple: float | None = given("loss on the condor over its credit, ratio; negative in profit")
    layer_share: str | None = given("outcome of layer_share on marks; missing if unknown", allowed=("passed", "failed"))
    book_risk: str | None = given("outcome of book_risk on marks; missing if unknown", allowed=("passed", "failed"))
    quick_ratio: str | None = given("outcome of quick_ratio on marks; missing if unknown", allowed=("passed", "failed"))


@dataclass(frozen=True)
class ExitParameters(Parameters):
    """When to leave early; None is never."""

    take_profit_share: float | None = parameter(
        None, "close at this share of maximum profit, decimal", low=0.05, high=1.0, disputed=True
    )
    exit_dte: int | None = parameter(
        None, "close at this many calendar days to expiration", low=0, high=60, disputed=True
    )
    stop_loss_multiple: float | None = parameter(
        None, "close at a loss of this many credits, ratio", low=0.1, high=20.0, disputed=True
    )


def evaluate(inputs: Inputs, parameters: ExitParameters) -> Evaluation:
    """Hold if anything calls for an exit; state close (of the condor), reduce (of the book) or hold.

    Measured is how many of the conditions in force are met, against 1: the three closing conditions as far as they are
    set and a condor is open, and the failures of layer_share, book_risk and quick_ratio on marks. Only what is in
    force is read. While it holds, `flip` undoes every condition met; else it is the nearest closing condition, as a
    share of its threshold, or the first limit.

    Source: METHOD section 8; public descriptions of the method dispute every closing condition.
    """
    limits: dict[str, str | None] = {name: getattr(inputs, name) for name in LIMITS}
    closings = _closings(inputs, parameters)
    read: dict[str, Value] = {"n_open_condors": inputs.n_open_condors} if closings else {}
    if inputs.n_open_condors == 0:
        closings = []
    read.update({closing.name: closing.value for closing in closings})
    read.update(limits)
    if None in read.values():
        return unknown(NAME, comparison=">=", threshold=1.0, inputs=read)
    met = [closing for closing in closings if closing.is_met]
    failed = [name for name in LIMITS if limits[name] == "failed"]
    flip: dict[str, Scalar] = {closing.name: closing.turned for closing in met}
    flip.update(dict.fromkeys(failed, "passed"))
    if not flip and closings:
        nearest = min(closings, key=lambda closing: (closing.remoteness, closing.name))
        flip[nearest.name] = nearest.turned
    return judged(
        NAME,
        measured=float(len(met) + len(failed)),
        comparison=">=",
        threshold=1.0,
        inputs=read,
        flip=flip or {LIMITS[0]: "failed"},
        reason=_reason([closing.name for closing in met], failed),
        state="close" if met else "reduce" if failed else "hold",
    )


@dataclass(frozen=True)
class _Closing:
    """One closing condition that is set; what is asked of it needs a value."""

    name: str
    value: float | None
    comparison: Comparison
    bound: float

    @property
    def is_met(self) -> bool:
        return self.value is not None and compares(self.value, self.comparison, self.bound)

    @property
    def remoteness(self) -> float:
        """How far the value is from its bound as a share of it, by which unlike units are compared."""
        return abs((self.value or 0.0) - self.bound) / max(abs(self.bound), 1.0)

    @property
    def turned(self) -> float:
        """The nearest value that gives the other answer; days are whole."""
        if self.name == "days_to_expiry":
            return int(self.bound) + 1 if self.is_met else int(self.bound)
        return turning_value(self.value or 0.0, self.comparison, self.bound)


def _closings(inputs: Inputs, parameters: ExitParameters) -> list[_Closing]:
    bounds: list[tuple[str, Comparison, float | None]] = [
        ("profit_share", ">=", parameters.take_profit_share),
        ("days_to_expiry", "<=", parameters.exit_dte),
        ("loss_multiple", ">=", parameters.stop_loss_multiple),
    ]
    return [
        _Closing(name, getattr(inputs, name), comparison, bound)
        for name, comparison, bound in bounds
        if bound is not None
    ]


def _reason(met: list[str], failed: list[str]) -> str:
    if met:
        return f"to be closed by {', '.join(met)}" + (f"; {', '.join(failed)} failed on marks" if failed else "")
    return f"{', '.join(failed)} failed on marks" if failed else "nothing calls for an exit: hold to settlement"


RULE = Rule(NAME, Inputs, ExitParameters, evaluate, scope="condor")
