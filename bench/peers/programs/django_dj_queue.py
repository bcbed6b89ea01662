# mypy: ignore-errors
"""Fills dj-queue."""

import sys

import django

django.setup()

import marks  # noqa: E402
from django_tasks import noop  # noqa: E402

tasks = [(noop, [mark], {}) for mark in marks.arguments(sys.argv[1])]
for start in range(0, len(tasks), 1000):
    noop.get_backend().enqueue_all(tasks[start : start + 1000])
