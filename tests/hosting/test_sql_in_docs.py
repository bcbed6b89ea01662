"""The SQL that operators are shown counts what the API calls pending."""

from __future__ import annotations

import re

import pytest

from tests.support.mariadb import MariaDB
from tests.support.programs import run_cgi
from tests.support.server import PROJECT


def statements() -> list[str]:
    text = (PROJECT / "docs" / "operations.md").read_text("utf-8")
    blocks = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    return [each.strip() for block in blocks for each in block.split(";") if each.strip()]


@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_the_counts_are_those_of_the_api(database_url: str, mariadb: MariaDB) -> None:
    kind = {"name": "sql.job", "version": "1", "param_schema": {}}
    run_cgi(database_url, "POST", "/api/task-types/register", kind)
    tasks = [{"type": "sql.job", "params": {"n": n}, "delay": 500 * (n % 2)} for n in range(5)]
    run_cgi(database_url, "POST", "/api/tasks", {"tasks": tasks})
    claimed = run_cgi(database_url, "POST", "/api/tasks/claim", {"worker_id": "w"}).json["data"]
    end = {"error": "no luck", "retry": False}
    run_cgi(database_url, "POST", f"/api/tasks/{claimed['id']}/fail", end)
    listed = run_cgi(database_url, "GET", "/api/tasks", QUERY_STRING="status=pending")
    database = database_url.rpartition("/")[2].partition("?")[0]
    count, by_status, failed, oldest = [mariadb.client(each, database) for each in statements()]
    assert count.split()[-1] == str(listed.json["data"]["count"]) == "4"
    assert sorted(by_status.split("\n")[-3:-1]) == ["failed\t1", "pending\t4"]
    assert failed.split("\n")[-2] == f"{claimed['id']}\tsql.job\tno luck\t1"
    waiting = [task["id"] for task in listed.json["data"]["tasks"] if task["run_at"] is None]
    assert oldest.split("\n")[-2].split("\t")[0] == str(min(waiting))
