"""What to tell of a wrong setting: its key, its value, what is allowed, and where it was set."""

import difflib
import os
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

MOST_SHOWN = 80
KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
BOUNDS: tuple[tuple[type, str, str], ...] = (
    (Ge, "ge", "from"), (Gt, "gt", "above"), (Le, "le", "to"), (Lt, "lt", "below"),
)  # fmt: skip


def wrong_setting(issue: Mapping[str, Any], *, model: type[BaseModel], prefix: str) -> str:
    """Return one line on an error that pydantic found; `prefix` begins the names of environment variables."""
    parts = [str(part) for part in issue["loc"]]
    name = f"{prefix}{'__'.join(parts)}".upper()
    set_by = next((variable for variable in os.environ if variable.upper() == name), None)
    key, source = ".".join(parts), f" (from the environment: {set_by})" if set_by else ""
    message = str(issue["msg"]).removeprefix("Value error, ")
    if issue["type"] == "value_error" and isinstance(issue.get("input"), dict):
        return f"  {key}{source}: {message}"
    return f"  {key} = {shown(issue.get('input'))}{source}: {message}. {_allowed(parts, model)}"


def shown(value: Any) -> str:
    """Return a value as it may stand in a message: one line, not too long."""
    try:
        text = repr(value)
    except ValueError:
        text = "a whole number of thousands of digits"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def describe(field: FieldInfo) -> str:
    """Return which values a setting takes."""
    return f"Allowed: {_kind(field.annotation, field.metadata)}"


def _allowed(parts: Sequence[str], model: type[BaseModel]) -> str:
    """Return what may stand at a key; where the key does not exist, which keys do."""
    for depth, part in enumerate(parts):
        fields = model.model_fields
        if part not in fields:
            near = difflib.get_close_matches(part, fields, n=1)
            guess = f"Did you mean {near[0]}? " if near else ""
            where = f"[{'.'.join(parts[:depth])}]" if depth else "alvh.toml"
            return f"{guess}{where} has: {', '.join(fields)}"
        inner = fields[part].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return describe(fields[part])
        model = inner
    return f"It is a section with: {', '.join(model.model_fields)}"


def _kind(annotation: Any, metadata: Sequence[Any]) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(shown(value) for value in arguments)
    if origin in {Union, types.UnionType}:
        kinds = [_kind(argument, metadata) for argument in arguments if argument is not type(None)]
        return " or ".join(kinds)
    if origin is tuple:
        some = "a list of at least one: " if any(isinstance(rule, MinLen) for rule in metadata) else "a list: "
        return some + _kind(arguments[0], ())
    bounds = [
        f"{word} {getattr(rule, name):g}" for rule in metadata for kind, name, word in BOUNDS if isinstance(rule, kind)
    ]
    pattern = next((rule.pattern for rule in metadata if getattr(rule, "pattern", None)), None)
    return " ".join([KINDS.get(annotation, "a value"), *bounds, *([f"like {pattern}"] if pattern else [])])
