"""The steps of the machine: methods marked with `@step`, each with how often it is to come.

Hypothesis chooses among its own rules evenly, and leaves half of them out of a run. A queue
lives from tasks that are claimed and settled again and again, so here the weights say what happens.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

Method = TypeVar("Method", bound=Callable[..., None])

MARK = "step_of_the_machine"


class Step(NamedTuple):
    method: Callable[..., None]
    weight: int
    arguments: dict[str, st.SearchStrategy[Any]]


class StepCall:
    """A step with its arguments. A failed run prints it."""

    def __init__(self, step: Step, arguments: dict[str, Any]) -> None:
        self._step = step
        self._arguments = arguments

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items())
        return f"{self._step.method.__name__}({given})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis prints, which would otherwise say how the object was made."""
        printer.text(repr(self))

    def make(self, machine: Any) -> None:
        self._step.method(machine, **self._arguments)


def step(weight: int = 1, /, **arguments: st.SearchStrategy[Any]) -> Callable[[Method], Method]:
    """Marks a method as a step of the machine; the arguments are drawn from the strategies."""

    def mark(method: Method) -> Method:
        setattr(method, MARK, Step(method, weight, arguments))
        return method

    return mark


def calls_of(*classes: type) -> st.SearchStrategy[StepCall]:
    """One of the steps of these classes, with arguments."""
    found = [
        getattr(method, MARK)
        for each in classes
        for _, method in inspect.getmembers(each, inspect.isfunction)
        if hasattr(method, MARK)
    ]
    weighted = [each for each in found for _ in range(each.weight)]
    return st.sampled_from(weighted).flatmap(_call)


def _call(step: Step) -> st.SearchStrategy[StepCall]:
    arguments = st.fixed_dictionaries(step.arguments)
    return arguments.map(lambda drawn: StepCall(step, drawn))
