"""Where everything is."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

VENV = PROJECT / ".venv"
PYTHON = str(VENV / "bin" / "python")

FOLDER = PROJECT / "local"
CONFIG = FOLDER / "config.py"
SERVER_LOG = FOLDER / "server.log"
WORKER_LOG = FOLDER / "worker.log"
WORKER_STATUS = FOLDER / "worker-status.json"
CHECKSUMS = FOLDER / "SHA256SUMS"
