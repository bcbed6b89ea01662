# mypy: ignore-errors
"""Fills django-q2."""

import sys

import django

django.setup()

import marks  # noqa: E402
from django.db import transaction  # noqa: E402
from django_q.tasks import async_task  # noqa: E402

with transaction.atomic():
    for mark in marks.arguments(sys.argv[1]):
        async_task("marks.run", mark)
