# mypy: ignore-errors
"""dj-queue's task."""

import marks
from django.tasks import task


@task
def noop(mark):
    marks.run(mark)
