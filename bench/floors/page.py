"""A floor: a list page by Flask-SQLAlchemy as a CGI program, the newest 50 tasks."""

import os
from typing import Any
from wsgiref.handlers import CGIHandler

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["BENCH_URL"]
db = SQLAlchemy(app)


class Task(db.Model):  # type: ignore[name-defined, misc]
    __tablename__ = "tasks"
    id = db.Column(db.Integer, primary_key=True)
    status = db.Column(db.String(16))
    params_json = db.Column(db.Text)
    created_at = db.Column(db.DateTime)


@app.route("/")
def index() -> dict[str, Any]:
    tasks = db.session.query(Task).order_by(Task.id.desc()).limit(50)
    names = ("id", "status", "params_json", "created_at")
    return {"tasks": [{name: getattr(task, name) for name in names} for task in tasks]}


CGIHandler().run(app)
