"""Your handlers. The cron line runs the tasks in the queue with this file.

Replace the example by functions of your own: each @task(NAME) runs the tasks of one type, and
TASK_TYPES says what their params look like. More examples are in the installed version's folder,
examples/handlers.py; some of those read files and call web addresses for whoever adds a task.
"""

from worker import task

TASK_TYPES = [
    {
        "name": "example.echo",
        "version": "1",
        "param_schema": {
            "type": "object",
            "properties": {"message": {"type": "string"}},
            "required": ["message"],
        },
    },
]


@task("example.echo")
def echo(params):  # type: ignore[no-untyped-def]
    return {"echoed": params["message"]}
