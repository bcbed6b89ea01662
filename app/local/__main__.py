"""Runs program.py from any folder: `.venv/bin/python app/local --port 8000`."""

import os
import sys

# `app` and `worker` are found in the project's folder; Python put this file's folder here.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from app.local.program import main  # noqa: E402

sys.exit(main())
