# mypy: ignore-errors
"""Celery over its SQLAlchemy transport; executed, it fills the queue."""

import os
import sys

import marks
from celery import Celery

app = Celery("celery_tasks", broker="sqla+" + os.environ["BENCH_URL"])
app.conf.task_ignore_result = True
app.conf.broker_connection_retry_on_startup = True


@app.task(name="celery_tasks.noop")
def noop(mark):
    marks.run(mark)


if __name__ == "__main__":
    for each in marks.arguments(sys.argv[1]):
        noop.delay(each)
