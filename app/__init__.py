"""TaskManager: a task queue for hosting where nothing may keep running."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flask import Flask

    from app.site import Site


def create_app(site: Site | None = None) -> Flask:
    """The Flask application of a site, by default the configured one.

    Raises app.config.ConfigError when a setting has a value that cannot be used.
    """
    from flask import Flask

    from app.api.blueprint import blueprint
    from app.cli import COMMANDS
    from app.db.orm import engine_options
    from app.errors import register_errors
    from app.models import db
    from app.site import load

    site = site or load()
    app = Flask(__name__)
    app.url_map.merge_slashes = False
    app.extensions["taskmanager"] = site
    app.config["SQLALCHEMY_DATABASE_URI"] = site.settings.database.for_sqlalchemy()
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(
        site.settings.database, site.settings.call_deadline
    )
    db.init_app(app)
    app.register_blueprint(blueprint)
    register_errors(app)
    for command in COMMANDS:
        app.cli.add_command(command)
    return app
