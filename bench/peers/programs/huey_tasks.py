# mypy: ignore-errors
"""Huey on SQLite; executed, it fills the queue, or works it off."""

import os
import sys

import marks
from huey import SqliteHuey
from huey.consumer_options import ConsumerConfig

huey = SqliteHuey(
    filename=os.environ["BENCH_FOLDER"] + "/huey.sqlite3",
    fsync=bool(os.environ["BENCH_FSYNC"]),
    results=False,
    strict_fifo=True,
)


@huey.task(name="noop")
def noop(mark):
    marks.run(mark)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        options = {"workers": 2, "worker_type": "process", "initial_delay": 0.01, "max_delay": 0.1}
        huey.create_consumer(**ConsumerConfig(**options).values).run()
    else:
        for each in marks.arguments(sys.argv[1]):
            noop(each)
