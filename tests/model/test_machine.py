"""The real queue against a model of it: random calls, and after each of them the same response, the
same tables, and every invariant.

A run that fails prints its calls, the fewest that Hypothesis finds. CONTRIBUTING.md says how to run
it for longer.
"""

from __future__ import annotations

import os

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.model.conftest import StoppedQueue
from tests.model.key_steps import KeySteps
from tests.model.operator_steps import OperatorSteps
from tests.model.producer_steps import ProducerSteps
from tests.model.schedule_steps import IdempotencySteps, PauseSteps, ScheduleSteps
from tests.model.steps import StepCall, calls_of
from tests.model.worker_steps import WorkerSteps

EXAMPLES = 16
STEPS = 100
VARIABLE = "MODEL_EXAMPLES"
"""How many runs of the machine there are, each time others. Without it there are EXAMPLES, always
the same.
"""


class QueueMachine(
    ScheduleSteps, PauseSteps, IdempotencySteps, ProducerSteps, WorkerSteps, OperatorSteps, KeySteps
):
    """Everything that happens to a queue."""

    @rule(call=st.deferred(lambda: calls_of(QueueMachine)))
    def step(self, call: StepCall) -> None:
        call.make(self)


def test_the_queue_does_as_its_model(stopped_queue: StoppedQueue) -> None:
    class OnThisQueue(QueueMachine):
        api, clock = stopped_queue

    run_state_machine_as_test(OnThisQueue, settings=settings())


def settings() -> hypothesis.settings:
    examples = os.environ.get(VARIABLE)
    return hypothesis.settings(
        max_examples=int(examples or EXAMPLES),
        stateful_step_count=STEPS,
        derandomize=examples is None,
        database=None,
        deadline=None,
        print_blob=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
