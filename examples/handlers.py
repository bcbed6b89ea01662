"""Example handlers: run them with `python worker.py --handlers examples/handlers.py --register`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
import time
from typing import Any

from worker import Job, PermanentError, task

CHUNK = 1024 * 1024  # bytes of a file read at a time
SLICE = 0.1  # seconds between two looks at job.cancelled

# Plain literals only, so that a program can read the list without running this file.
TASK_TYPES: list[dict[str, Any]] = [
    {
        "name": "example.echo",
        "version": "1.0.0",
        "description": "Gives back a message",
        "param_schema": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "What to give back"},
                "timestamp": {"type": ["string", "number"], "description": "Given back too"},
            },
            "required": ["message"],
            "additionalProperties": False,
        },
    },
    {
        "name": "example.uppercase",
        "version": "1.0.0",
        "description": "Turns a text into capitals and counts its characters",
        "param_schema": {
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
            "additionalProperties": False,
        },
    },
    {
        "name": "example.math.add",
        "version": "1.0.0",
        "description": "Adds two numbers",
        "param_schema": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    },
    {
        "name": "example.sleep",
        "version": "1.0.0",
        "description": "Sleeps, reports its progress, and stops early when cancelled",
        "param_schema": {
            "type": "object",
            "properties": {"seconds": {"type": "number", "minimum": 0, "maximum": 3600}},
            "required": ["seconds"],
            "additionalProperties": False,
        },
    },
    {
        "name": "example.error",
        "version": "1.0.0",
        "description": "Always fails: to see retries and dead letters",
        "param_schema": {
            "type": "object",
            "properties": {
                "message": {"type": "string", "description": "The error's message"},
                "permanent": {"type": "boolean", "description": "Fail without another try"},
            },
            "required": [],
            "additionalProperties": False,
        },
    },
    {
        "name": "files.digest",
        "version": "1.0.0",
        "description": "SHA-256, size and number of lines of a file on the worker's machine",
        "param_schema": {
            "type": "object",
            "properties": {
                "path": {"type": "string", "minLength": 1},
                "path_base64": {
                    "type": "string",
                    "minLength": 1,
                    "description": "The path's bytes in base64, where they are not UTF-8",
                },
            },
            "oneOf": [{"required": ["path"]}, {"required": ["path_base64"]}],
            "additionalProperties": False,
        },
    },
    {
        "name": "http.check",
        "version": "1.0.0",
        "description": "Status, time and size of the answer of a web address",
        "param_schema": {
            "type": "object",
            "properties": {
                "url": {"type": "string", "minLength": 1, "maxLength": 2000},
                "timeout": {"type": "number", "exclusiveMinimum": 0, "maximum": 300},
                "method": {"type": "string", "enum": ["GET", "HEAD", "OPTIONS", "POST"]},
            },
            "required": ["url"],
            "additionalProperties": False,
        },
    },
]


@task("example.echo")
def echo(params: dict[str, Any]) -> dict[str, Any]:
    """Gives the message back as `echoed`, and the timestamp where there is one."""
    result = {"echoed": params["message"]}
    if "timestamp" in params:
        result["timestamp"] = params["timestamp"]
    return result


@task("example.uppercase")
def uppercase(params: dict[str, Any]) -> dict[str, Any]:
    """Gives the text in capitals as `result`, and the `length` of that."""
    result = params["text"].upper()
    return {"result": result, "length": len(result)}


@task("example.math.add")
def add(params: dict[str, Any]) -> dict[str, Any]:
    """Gives the `sum` of `a` and `b`."""
    return {"sum": params["a"] + params["b"]}


@task("example.sleep")
def sleep(params: dict[str, Any], job: Job) -> dict[str, Any]:
    """Sleeps `seconds` in small slices. Raises RuntimeError when the task is cancelled."""
    seconds = params["seconds"]
    began = time.monotonic()
    while (slept := time.monotonic() - began) < seconds:
        if job.cancelled:
            raise RuntimeError(f"cancelled after {slept:.1f} of {seconds:g} s")
        job.progress(100 * slept / seconds, f"slept {slept:.1f} of {seconds:g} s")
        time.sleep(min(SLICE, seconds - slept))
    return {"slept": seconds}


@task("example.error")
def error(params: dict[str, Any]) -> None:
    """Raises RuntimeError, or PermanentError when `permanent` is true."""
    message = params.get("message", "this task always fails")
    if params.get("permanent", False):
        raise PermanentError(message)
    raise RuntimeError(message)


@task("files.digest")
def digest(params: dict[str, Any], job: Job) -> dict[str, Any]:
    """Gives `sha256`, `size` in bytes and `lines` (newline bytes, as `wc -l` counts) of a file."""
    path = file_path(params)
    try:
        # A pipe or a device would be waited for, or read, without end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise PermanentError(f"{os.fsdecode(path)} is not a regular file")
        with open(path, "rb") as file:
            return digest_of(file, job)
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError) as reason:
        raise PermanentError(f"{os.fsdecode(path)} cannot be read: {reason}") from reason


def file_path(params: dict[str, Any]) -> bytes:
    """The file's name as the operating system knows it; raises PermanentError."""
    if "path_base64" not in params:
        return os.fsencode(params["path"])
    try:
        return base64.b64decode(params["path_base64"], validate=True)
    except binascii.Error as reason:
        raise PermanentError(f"path_base64 is not base64: {reason}") from reason


def digest_of(file: Any, job: Job) -> dict[str, Any]:
    """Reads an open file to its end, a chunk at a time; RuntimeError when cancelled."""
    sha256 = hashlib.sha256()
    expected = os.fstat(file.fileno()).st_size
    size = lines = 0
    while chunk := file.read(CHUNK):
        if job.cancelled:
            raise RuntimeError(f"cancelled after {size} of {expected} bytes")
        sha256.update(chunk)
        size += len(chunk)
        lines += chunk.count(b"\n")
        job.progress(100 * size / max(expected, 1))
    return {"sha256": sha256.hexdigest(), "size": size, "lines": lines}


@task("http.check")
def check(params: dict[str, Any]) -> dict[str, Any]:
    """Gives `status`, `seconds` and `size` (bytes of the body) of what an address answers.

    An answer with an error status is a result too; no answer is an error, to be tried again.
    """
    import requests

    method, timeout = params.get("method", "GET"), params.get("timeout", 10)
    began = time.monotonic()
    try:
        with requests.request(
            method,
            params["url"],
            timeout=timeout,
            stream=True,
            headers={"Accept-Encoding": "identity", "User-Agent": "TaskManager http.check"},
        ) as response:
            size = 0
            for chunk in response.iter_content(8192):
                size += len(chunk)
                if time.monotonic() - began > timeout:
                    raise TimeoutError(f"no complete answer within {timeout:g} s")
            seconds = round(time.monotonic() - began, 3)
            return {"status": response.status_code, "seconds": seconds, "size": size}
    except (
        requests.exceptions.InvalidSchema,
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
    ) as reason:
        raise PermanentError(f"not an address that can be checked: {reason}") from reason
