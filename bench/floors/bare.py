"""A floor: Flask as a CGI program, the short way that its documentation shows."""

from wsgiref.handlers import CGIHandler

from flask import Flask

app = Flask(__name__)


@app.route("/")
def index() -> str:
    return "hello"


CGIHandler().run(app)
