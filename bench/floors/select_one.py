"""A floor: Flask and PyMySQL as a CGI program, one connection with defaults, one SELECT 1."""

import os
from wsgiref.handlers import CGIHandler

import pymysql
from flask import Flask

app = Flask(__name__)


@app.route("/")
def index() -> dict[str, object]:
    connection = pymysql.connect(
        host=os.environ["BENCH_HOST"],
        port=int(os.environ["BENCH_PORT"]),
        user=os.environ["BENCH_USER"],
        password=os.environ["BENCH_PASSWORD"],
        database=os.environ["BENCH_NAME"],
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return {"row": cursor.fetchone()}


CGIHandler().run(app)
