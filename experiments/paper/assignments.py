"""One thing of a row set by hand: `rate=0.1`, `blocks=2,2,2`, `optimizer=adam(b1=0.8)`, `T=50`.

An assignment is a `Change` like those that have names of their own, so that it combines with
them, and its result is kept, found again and reported as that of any other reading. Its fields
are the settings of a row, and the parameters of its task (`fields`).
"""

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from experiments.common.errors import UserError
from experiments.paper.changes import Change, differs
from experiments.paper.fields import OF_BLOCKS, fields
from experiments.paper.row import Row
from experiments.paper.settings import SETTINGS
from experiments.paper.values import parse, written


def assignment(row: Row, text: str) -> Change:
    """The change that a text such as `rate=0.1` makes to a row.

    Raises:
      UserError: there is no such field, or it takes something else; lists what there is.

    Example:
      >>> from experiments.paper.tables import ROWS
      >>> change = assignment(ROWS["4-100"], "rate = .10")
      >>> change.name, change.change(ROWS["4-100"])
      ('rate=0.1', {'rate': 0.1})
    """
    name, equals, given = (part.strip() for part in text.partition("="))
    there = fields(row)
    if not equals:
        raise UserError(f"expected FIELD=VALUE, such as rate=0.1, got {text!r}")
    if name not in there:
        near = difflib.get_close_matches(name, there, n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(
            f"no field of this row is called {name!r}{meant}; there are {', '.join(sorted(there))}"
        )
    try:
        value = parse(given)
        taken = there[name].take(value)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{name}: expected {there[name].expected}, got {given or 'nothing'}"
        ) from error
    shown = written(value if callable(taken) else taken).rstrip(",")
    return Change(
        f"{name}={shown}", f"{name} {shown}", name, partial(_settings, name, taken), False
    )


def _settings(name: str, value: Any, row: Row) -> dict[str, Any]:
    if name in SETTINGS and name != "task":
        return {name: value}
    task = value if name == "task" else with_parameter(row.training.task, name, value)
    try:
        made = task()
    except TypeError as error:  # numbers that it needs are not given
        made = task.func if isinstance(task, partial) else task
        takes = ", ".join(inspect.signature(made).parameters)
        raise UserError(f"{name}: expected {made.__name__}({takes}), such as adding(50)") from error
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error
    return {"task": task, "inputs": made.inputs, "outputs": made.outputs}


def with_parameter(task: Callable, name: str, value: Any) -> partial:
    """A task's maker with another value of one parameter, wherever it stands."""
    if not isinstance(task, partial):
        return partial(task, **{name: value})
    below = [i for i, one in enumerate(task.args) if callable(one)]
    if below:
        inner = with_parameter(task.args[below[-1]], name, value)
        arguments = (*task.args[: below[-1]], inner, *task.args[below[-1] + 1 :])
        return partial(task.func, *arguments, **task.keywords)
    places = list(inspect.signature(task.func).parameters)
    at = places.index(name)
    if at < len(task.args):
        return partial(task.func, *task.args[:at], value, *task.args[at + 1 :], **task.keywords)
    return partial(task.func, *task.args, **{**task.keywords, name: value})


def check(read: Row, changes: Iterable[Change]) -> None:
    """Refuse settings by hand that another change undoes, or that the row's net does not have.

    Args:
      read: the row with all changes made.
      changes: these.
    """
    changes = list(changes)
    for change in changes:
        if is_assignment(change.name) and differs(read, change.change(read)):
            others = ", ".join(c.name for c in changes if c is not change)
            raise UserError(f"{change.name} is undone by {others}; leave one of them out")
    if read.net.cell is not None:
        for change in changes:
            if lost := set(change.change(read)) & OF_BLOCKS:
                raise UserError(
                    f"{change.name}: {', '.join(sorted(lost))} is of memory blocks, and the row's "
                    "cell is another; leave one of them out"
                )
    for gate in ("input_gate", "output_gate", "forget_gate"):
        biases, blocks = read.setting(gate), len(read.net.blocks)
        if biases is not None and not read.rival and len(biases) not in (1, blocks):
            raise UserError(
                f"{gate}: expected one bias or {blocks}, one a block, got {written(biases)}; set "
                f"{gate}=..., too"
            )


def is_assignment(name: str) -> bool:
    """Whether a change of this name is set by hand."""
    return "=" in name
