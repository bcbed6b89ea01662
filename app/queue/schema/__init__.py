"""JSON Schema, draft 2020-12, in bounded time and memory.

Written here and not taken from a library because a schema and what it checks may come from
anybody: each step of the work is counted, wherever a schema leads, and a create under CGI loads
nothing large. The verdicts are those of the reference implementation, `jsonschema`
(tests/queue/test_schema_verdicts.py).
"""
