"""Runs in the server: fields and responses."""

from __future__ import annotations

from app.api.endpoints import run
from app.api.reference.operation import Operation
from app.api.reference.schemas import COUNT, NUMBER, shape, success

DONE = success(
    shape(
        {
            "completed": COUNT,
            "failed": COUNT,
            "released": COUNT,
            "remaining": COUNT,
            "seconds": NUMBER,
        }
    )
)

OPERATIONS = {
    "POST /run": Operation({200: DONE}, body=run.RUN, query=run.RUN),
    "GET /run": Operation({200: DONE}, query=run.RUN),
}
