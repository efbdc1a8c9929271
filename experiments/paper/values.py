"""Values of settings as a person writes them, and back: `0.5`, `2,2`, `adam(b1=0.8)`, `none`."""

import ast
from collections.abc import Mapping
from typing import Any, NamedTuple

_WORDS = {"true": True, "false": False, "none": None, "inf": float("inf")}


class Named(NamedTuple):
    """A name, alone or called: `adam`, `adam(b1=0.8)`.

    Attributes:
      name: of what there is by this name, `serial_names.FUNCTIONS` say.
      arguments, keywords: what it is called with.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = {}


def parse(text: str) -> Any:
    """A value from its text: a number, a word, a tuple of these, or a `Named`.

    Raises:
      ValueError: it is none of these; says what is.

    Example:
      >>> parse("2,2"), parse("none"), parse("1e-3")
      ((2, 2), None, 0.001)
      >>> parse("recent(2000, (1, 0.01))").arguments
      (2000, (1, 0.01))
    """
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"expected a number, a word, several joined by commas, or name(...), got {text!r}"
        ) from error


def _value(node: ast.AST) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | None):
            return node.value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number) | float(number))):
            return -number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id="inf")):
            return -float("inf")
        case ast.Tuple() | ast.List():
            return tuple(_value(one) for one in node.elts)
        case ast.Name():
            return _WORDS.get(node.id, Named(node.id))
        case ast.Call(func=ast.Name(id=name)):
            keywords = {str(one.arg): _value(one.value) for one in node.keywords if one.arg}
            return Named(name, tuple(map(_value, node.args)), keywords)
    raise ValueError("neither number nor word")


def written(value: Any) -> str:
    """A value as `parse` reads it, always in the same words; without blanks and plus signs.

    Example:
      >>> written((2.0, 2)), written(1e20), written(parse("adam(b1 = .80, nesterov=True)"))
      ('2,2', '1e20', 'adam(b1=0.8,nesterov=true)')
    """
    if isinstance(value, tuple) and not isinstance(value, Named):
        if not value:
            return "()"
        parts = [_inner(part) for part in value]
        return ",".join(parts) + "," * (len(parts) == 1)
    return _inner(value)


def _inner(value: Any) -> str:
    """Within a tuple or a call, where tuples need their parentheses."""
    if isinstance(value, Named):
        given = [*map(_inner, value.arguments)]
        given += [f"{name}={_inner(one)}" for name, one in value.keywords.items()]
        return value.name + (f"({','.join(given)})" if given else "")
    if isinstance(value, tuple):
        return f"({written(value)})" if value else "()"
    if value is None or isinstance(value, bool | str):
        return str(value).lower()
    number = repr(int(value) if float(value).is_integer() and abs(value) < 1e15 else value)
    return number.replace("e+", "e")
