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
    profit_share: float | None = given("share of the condor's maximum profit captured, decimal", high=1.0)
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
    closing = _closing_conditions(inputs, parameters)
    limits: dict[str, str | None] = {name: getattr(inputs, name) for name in LIMITS}
    read: dict[str, Value] = {"n_open_condors": inputs.n_open_condors} if closing else {}
    if inputs.n_open_condors == 0:
        closing = []
    read |= {**{name: value for name, value, _, _ in closing}, **limits}
    if None in read.values():
        return unknown(NAME, comparison=">=", threshold=1.0, inputs=read)
    met = [name for name, value, comparison, bound in closing if value is not None and compares(value, comparison, bound)]
    failed = [name for name in LIMITS if limits[name] == "failed"]
    turned = {name: _turned(name, value, comparison, bound) for name, value, comparison, bound in closing if value is not None}
    flip: dict[str, Scalar] = {name: turned[name] for name in met} | dict.fromkeys(failed, "passed")
    if not flip and closing:
        nearest = min(
            (abs(value - bound) / max(abs(bound), 1.0), name) for name, value, _, bound in closing if value is not None
        )
        flip = {nearest[1]: turned[nearest[1]]}
    return judged(
        NAME,
        measured=float(len(met) + len(failed)),
        comparison=">=",
        threshold=1.0,
        inputs=read,
        flip=flip or {LIMITS[0]: "failed"},
        reason=_reason(met, failed),
        state="close" if met else "reduce" if failed else "hold",
    )


def _closing_conditions(
    inputs: Inputs, parameters: ExitParameters
) -> list[tuple[str, float | int | None, Comparison, float | int]]:
    """Return the closing conditions that are set: input, its value, comparison, bound."""
    conditions: list[tuple[str, float | int | None, Comparison, float | int | None]] = [
        ("profit_share", inputs.profit_share, ">=", parameters.take_profit_share),
        ("days_to_expiry", inputs.days_to_expiry, "<=", parameters.exit_dte),
        ("loss_multiple", inputs.loss_multiple, ">=", parameters.stop_loss_multiple),
    ]
    return [(name, value, comparison, bound) for name, value, comparison, bound in conditions if bound is not None]


def _turned(name: str, value: float | int, comparison: Comparison, bound: float | int) -> float | int:
    if name == "days_to_expiry":
        return int(bound) + 1 if value <= bound else int(bound)
    return turning_value(value, comparison, bound)


def _reason(met: list[str], failed: list[str]) -> str:
    if met:
        return f"to be closed by {', '.join(met)}" + (f"; {', '.join(failed)} failed on marks" if failed else "")
    return f"{', '.join(failed)} failed on marks" if failed else "nothing calls for an exit: hold to settlement"


RULE = Rule(NAME, Inputs, ExitParameters, evaluate, scope="condor")
