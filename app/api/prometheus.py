"""Metrics in Prometheus' text format, version 0.0.4.

The client library was looked at: it keeps numbers in the process, and these are in the database.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Labels = Mapping[str, str]
    Sample = tuple[Labels, float]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metric(name: str, kind: str, help: str, samples: Iterable[Sample]) -> str:
    """One metric; ``kind`` is gauge or counter."""
    lines = [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def summary(name: str, help: str, samples: Iterable[tuple[Labels, int, float]]) -> str:
    """Durations without quantiles: labels, how many, how many seconds in all."""
    lines = [f"# HELP {name} {help}", f"# TYPE {name} summary"]
    for labels, count, total in samples:
        lines.append(f"{name}_count{_labels(labels)} {_number(count)}")
        lines.append(f"{name}_sum{_labels(labels)} {_number(total)}")
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}" if value < 1e5 else repr(value)
