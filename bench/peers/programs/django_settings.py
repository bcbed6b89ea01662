# mypy: ignore-errors
"""A Django site with one of the two queues for Django, named by BENCH_PEER."""

import os

import pymysql

pymysql.install_as_MySQLdb()

SECRET_KEY = "bench"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [os.environ["BENCH_PEER"]]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "HOST": os.environ["BENCH_HOST"],
        "PORT": os.environ["BENCH_PORT"],
        "USER": os.environ["BENCH_USER"],
        "PASSWORD": os.environ["BENCH_PASSWORD"],
        "NAME": os.environ["BENCH_NAME"],
        "CONN_MAX_AGE": None,
        "OPTIONS": {"ssl_disabled": True, "isolation_level": "read committed"},
    }
}
DATABASE_ROUTERS = []

if os.environ["BENCH_PEER"] == "dj_queue":
    DATABASE_ROUTERS = ["dj_queue.routers.DjQueueRouter"]
    WORKER = {
        "queues": "*",
        "threads": 3,
        "processes": 2,
        "polling_interval": 0.1,
        "prefetch_multiplier": 50,
    }
    TASKS = {
        "default": {
            "BACKEND": "dj_queue.backend.DjQueueBackend",
            "QUEUES": [],
            "OPTIONS": {"workers": [WORKER]},
        }
    }

Q_CLUSTER = {
    "name": "bench",
    "orm": "default",
    "workers": 2,
    "bulk": 50,
    "queue_limit": 200,
    "poll": 0.1,
    "timeout": 60,
    "retry": 300,
}
