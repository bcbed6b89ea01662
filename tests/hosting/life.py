"""What every hosted site must do, whatever runs it."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from tests.hosting.conftest import Hosted
from tests.support.server import API_KEY


def register(hosted: Hosted, name: str) -> None:
    body = {"name": name, "version": "1", "param_schema": {"type": "object"}}
    response = hosted.api("POST", "/task-types/register", body)
    assert response.status in (200, 201), response


def live_a_whole_life(hosted: Hosted, name: str) -> None:
    """Register, create, claim, heartbeat, progress, fail, retry, complete, look, list, delete."""
    register(hosted, name)
    params = {"text": "Grüße, 世界"}
    created = hosted.api("POST", "/tasks", {"type": name, "params": params, "max_attempts": 1})
    assert created.status == 201, created
    task = f"/tasks/{created.json['data']['id']}"
    claim = {"worker_id": "w", "type_pattern": name}
    claimed = hosted.api("POST", "/tasks/claim", claim)
    assert (claimed.status, claimed.json["data"]["params"]) == (200, params)
    hold = {"worker_id": "w", "attempt": 1}
    assert hosted.api("POST", f"{task}/heartbeat", hold).status == 200
    assert hosted.api("POST", f"{task}/progress", {**hold, "progress": 50}).status == 200
    failed = hosted.api("POST", f"{task}/fail", {**hold, "error": "no luck", "retry": False})
    assert failed.json["data"]["status"] == "failed"
    assert hosted.api("POST", f"{task}/retry", {}).status == 200
    again = hosted.api("POST", "/tasks/claim", claim).json["data"]
    end = {"worker_id": "w", "attempt": again["attempts"], "result": {"said": "ümläut"}}
    assert hosted.api("POST", f"{task}/complete", end).status == 200
    assert hosted.api("GET", task).json["data"]["result"] == {"said": "ümläut"}
    assert hosted.api("GET", f"{task}/history").json["data"]["count"] >= 5
    listed = hosted.api("GET", f"/tasks?status=completed&type={quote(name)}&limit=5")
    assert [each["id"] for each in listed.json["data"]["tasks"]] == [created.json["data"]["id"]]
    assert hosted.api("POST", f"{task}/delete", {}).status == 200
    assert hosted.api("GET", task).status == 404


def know_the_caller(hosted: Hosted) -> None:
    """Both headers carry the key; nothing, or another key, is refused."""
    for path in ("/task-types", "/tasks?limit=1"):
        assert hosted.api("GET", path, Authorization=f"Bearer {API_KEY}").status == 200
        assert hosted.api("GET", path, X_API_Key=API_KEY).status == 200
        assert hosted.api("GET", path, Authorization="Bearer wrong").status == 401
        assert hosted.api("GET", path, Accept="*/*").json["code"] == "unauthorized"


def take_only_an_address(hosted: Hosted) -> None:
    """A client that is given an address with the key in it, and drops its path."""
    basic = f"Basic {b64encode(f'x:{API_KEY}'.encode()).decode()}"
    base, send = hosted.site.base, hosted.apache.request
    assert send("GET", f"{base}/health").json["status"] == "healthy"
    claim, headers = b'{"worker_id": "w", "limit": 1}', {"Authorization": basic}
    for path in ("/tasks/claim", "/api/tasks/claim"):
        assert send("POST", base + path, claim, headers).status == 200
        assert send("POST", base + path, claim).status == 401
    assert send("POST", f"{base}/nothing", claim, headers).status == 404
    assert send("POST", f"{base}/nothing", claim).status == 401
    assert send("GET", f"{base}/api/tasks", None, headers).status == 200


def read_names(hosted: Hosted) -> None:
    """Names in an address arrive decoded, once."""
    for name in ("größe.ümlaut", "50%", "50%25", "a b+c", "semi;colon&and=more"):
        register(hosted, name)
        found = hosted.api("GET", f"/task-types/{quote(name)}")
        assert found.json["data"]["name"] == name, found
        listed = hosted.api("GET", f"/tasks?type={quote(name)}")
        assert listed.status == 200, listed


def take_two_megabytes(hosted: Hosted) -> None:
    register(hosted, "large.task")
    params = {"text": "ä" * 1024 * 1024}
    created = hosted.api("POST", "/tasks", {"type": "large.task", "params": params})
    assert created.status == 201, created
    shown = hosted.api("GET", f"/tasks/{created.json['data']['id']}")
    assert shown.json["data"]["params"] == params
    more = {"type": "large.task", "params": {"text": "x" * 5 * 1024 * 1024}}
    refused = hosted.api("POST", "/tasks", more)
    assert (refused.status, refused.json["code"]) == (413, "too_large")


def respond_to_head(hosted: Hosted) -> None:
    for path in ("/health", "/tasks"):
        response = hosted.api("HEAD", path)
        assert (response.status, response.raw) == (200, b"")
        assert response.headers["content-type"] == "application/json; charset=utf-8"


def serve_eight_at_once(hosted: Hosted, name: str) -> None:
    """Nobody gets an error, and each task goes to one of them."""
    register(hosted, name)
    rounds = range(2)

    def work(number: int) -> list[int]:
        done = []
        for each in rounds:
            params = {"worker": number, "round": each}
            made = hosted.api("POST", "/tasks", {"type": name, "params": params})
            assert made.status == 201, made
            claim = {"worker_id": f"w{number}", "type_pattern": name}
            claimed = hosted.api("POST", "/tasks/claim", claim)
            assert claimed.status == 200, claimed
            task = claimed.json["data"]
            end = {"worker_id": f"w{number}", "attempt": task["attempts"]}
            ended = hosted.api("POST", f"/tasks/{task['id']}/complete", end)
            assert ended.status == 200, ended
            done.append(task["id"])
        return done

    with ThreadPoolExecutor(8) as pool:
        ids = [task_id for done in pool.map(work, range(8)) for task_id in done]
    assert len(set(ids)) == len(ids) == 8 * len(rounds)
