"""The Flask application: what the short way does not answer, and the ``flask`` commands."""

from __future__ import annotations

from flask import Flask

from app.cli import SiteCommands
from app.db.orm import engine_options
from app.db.tables import db
from app.server.blueprint import blueprint, dashboard
from app.server.flask_errors import register_errors
from app.site import Site, load


def create_app(site: Site | None = None) -> Flask:
    """The Flask application of a site, by default the configured one.

    Raises app.errors.ConfigError when a setting has a value that cannot be used.
    """
    site = site or load()
    app = Flask("app")
    app.cli = SiteCommands(app.name)
    app.url_map.merge_slashes = False
    app.extensions["taskmanager"] = site
    app.config["SQLALCHEMY_DATABASE_URI"] = site.settings.database.for_sqlalchemy()
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(
        site.settings.database, site.settings.call_deadline
    )
    db.init_app(app)
    app.register_blueprint(blueprint)
    app.register_blueprint(dashboard)
    register_errors(app)
    return app
