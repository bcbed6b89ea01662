"""What the machine's calls are made of: few values, so that they meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

TYPE_NAMES = ("mail", "mail.bulk", "m_il", "Mail", "100%")
PATTERNS = ("mail%", "m_il", "m\\_il", "%", "MAIL%", "%\\%", "nothing")
LIST_TYPES = ("mail", "m_il", "mail%", "%a%", "%", "m\\_%", "100%", "nothing")
KEYS = ("first", "First")
CONCURRENCY_KEYS = ("a", "a", "A", "100%")
TAGS = ("red", "blue", "Blue", "100%")
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
WORKER_IDS = ("w1", "w1", "w1", "w2", "w2", "W1", "ä")
"""Two of them are most of the time at work."""
ERRORS = ("refused", "", "lease expired", "released", "two\nlines")

known_types = st.sampled_from([TYPE_NAMES[0], TYPE_NAMES[0], *TYPE_NAMES[:3]])
type_names = st.sampled_from(TYPE_NAMES)
worker_ids = st.sampled_from(WORKER_IDS)
priorities = st.sampled_from([-1, 0, 5, 1_000_000])
leases = st.sampled_from([0.5, 5, 60, 4000])
delays = st.sampled_from([0, 0.001, 3, 100])
attempts = st.sampled_from([1, 2, 5])


def some(required: dict[str, Strategy] | None = None, **optional: Strategy) -> Strategy:
    """An object that has the required fields and any of the others."""
    return st.fixed_dictionaries(required or {}, optional=optional)


dedupe = st.sampled_from(["active", "active", "active", "forever", 7.3, False])

type_settings = some(
    max_attempts=st.none() | attempts,
    timeout=st.none() | leases,
    retry_delay=st.none() | st.sampled_from([0, 4, 1000]),
    retry_max_delay=st.none() | st.sampled_from([0, 10, 5000]),
    priority=st.none() | priorities,
    max_running=st.none() | st.sampled_from([1, 2]),
    max_per_key=st.none() | st.sampled_from([1, 2]),
    rate=st.none() | st.sampled_from([{"tasks": 1, "seconds": 4.0}, {"tasks": 3, "seconds": 60.0}]),
    dedupe=st.none() | dedupe,
    description=st.none() | st.just("what it does"),
    retention=st.none()
    | some(
        completed=st.sampled_from([None, 0, 2]),
        failed=st.sampled_from([None, 0, 2]),
        cancelled=st.sampled_from([None, 0, 2]),
        result=st.sampled_from([None, 0, 1]),
    ),
    retention_days=st.none() | st.sampled_from([0, 1]),
)

tasks = some(
    {
        "type": known_types,
        "params": st.sampled_from([{}, {"n": 2, "a": ["ä", None]}]),
    },
    priority=priorities,
    delay=delays,
    max_attempts=attempts,
    timeout=leases,
    dedupe=dedupe,
    dedupe_key=st.sampled_from(KEYS),
    concurrency_key=st.sampled_from(CONCURRENCY_KEYS),
    tags=st.lists(st.sampled_from(TAGS), max_size=3, unique=True),
    parent_id=st.integers(1, 9),
    traceparent=st.just(TRACEPARENT),
).filter(lambda task: task.get("dedupe") is not False or "dedupe_key" not in task)

claim_options = some(
    limit=st.integers(1, 5),
    task_types=st.lists(known_types, min_size=1, max_size=2, unique=True),
    type_pattern=st.sampled_from(PATTERNS),
    lease=leases,
    sort_by=st.sampled_from(["priority", "created_at", "id", "attempts", "fair"]),
    sort_order=st.sampled_from(["asc", "desc"]),
    claim_key=st.sampled_from(["k1", "k1", "k1", "k2"]),
    again=st.booleans(),
).filter(lambda options: options.get("sort_by") != "fair" or "sort_order" not in options)
"""Mostly without a filter, for claims that find nothing lead nowhere."""
fair_claims = some({"sort_by": st.just("fair")}, limit=st.integers(1, 5))
plain_claims = some(limit=st.integers(1, 5), lease=leases)
claims = plain_claims | claim_options
schedule_names = st.sampled_from(["nightly", "often"])
_often = some({"every": st.just(30)}, missed=st.sampled_from(["skip", "once"]))
_seldom = some({"every": st.just(864_000)}, missed=st.sampled_from(["skip", "once", "all"]))
schedules = st.tuples(
    _often | _seldom,
    some(
        {"type": known_types},
        dedupe=st.sampled_from(["active", False]),
        priority=priorities,
        paused=st.booleans(),
    ),
).map(lambda parts: {**parts[0], **parts[1]})
"""Whose times are all made up for has few of them."""
pause_patterns = st.none() | st.sampled_from(PATTERNS)
edits = some(
    {},
    params=st.sampled_from([{}, {"n": 3}, {"n": 4, "a": ["ä", None]}]),
    priority=priorities,
    max_attempts=attempts,
)

small_tasks = some({"type": known_types, "params": st.just({"n": 1})}, priority=priorities)
folded_claims = st.none() | claims

picks = st.tuples(
    st.sampled_from(["claimed"] * 4 + ["released before", "waiting", "ended", "any", "gone"]),
    st.integers(0, 20),
)
"""Which task a call is about, by its state. Workers mostly speak of what is held."""
any_picks = st.tuples(
    st.sampled_from(["claimed", "waiting", "ended", "replaced", "any", "gone"]),
    st.integers(0, 20),
)
equal_picks = st.tuples(st.sampled_from(["ended", "gone"]), st.integers(0, 20))
"""Of which task another is made that is equal."""

holders = st.tuples(
    st.sampled_from(["its"] * 4 + ["none", "w1", "w2"]),
    st.sampled_from(["its"] * 4 + ["none", "before", "next"]),
)
"""Who a call says it is, and of which attempt it speaks."""

results = st.sampled_from([{"sent": True}, [1, 2], "text", 0, None])
successes = some(result=results)
failures = some(
    error=st.sampled_from(ERRORS),
    traceback=st.just("line 1\nline 2"),
    retry=st.booleans(),
    delay=delays,
)
outcomes = st.one_of(
    successes,
    failures.map(lambda fields: {**fields, "success": False}),
    some({"release": st.just(True)}, delay=delays),
)
progress = some({"progress": st.sampled_from([0, 33.5, 100])}, message=st.just("half way"))
heartbeats = some(lease=leases)

list_filters = some(
    status=st.sampled_from(
        ["pending", "claimed", "processing", "completed", "failed", "cancelled"]
    ),
    type=st.sampled_from(LIST_TYPES),
    tag=st.sampled_from(TAGS),
    worker_id=worker_ids,
)

told_by_workers = some(
    host=st.just("web1"),
    version=st.just("1.0"),
    metadata=st.just({"rack": 7}),
    task_types=st.just(["mail"]),
    concurrency=st.just(4),
)

keys = some(
    {
        "scopes": st.lists(
            st.sampled_from(["read", "produce", "work", "admin"]),
            min_size=1,
            max_size=2,
            unique=True,
        )
    },
    type_patterns=st.sampled_from([["mail%"], ["m\\_il", "nothing"]]),
    expires_in=st.sampled_from([50, 100_000]),
)
"""``expires_in`` in milliseconds."""

spans = st.sampled_from([1, 999, 4_000, 11_000, 61_000, 301_000, 3_700_000])
"""Milliseconds that pass."""


class Anything:
    """Equals whatever a response has."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANYTHING = Anything()


class Having:
    """Equals an object with these fields, whatever else it has."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, dict) and all(
            other.get(name) == value for name, value in self._fields.items()
        )

    def __repr__(self) -> str:
        return f"{self._fields} and more"

    __hash__ = None  # type: ignore[assignment]


class Hint:
    """Equals the beginning of a key."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and bool(other) and self._key.startswith(other)

    __hash__ = None  # type: ignore[assignment]
