"""The plans: which steps an installation, an upgrade and the way back are made of."""

from __future__ import annotations

from app.install.errors import EXIT_MISSING, EXIT_USAGE, InstallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from app.install.installation import Installation
    from installer.journal import Journal
    from installer.upload import Archive

PLANS: dict[str, list[str]] = {
    "install": [
        *("checks", "files", "dependencies", "compile", "database"),
        *("tables", "entry", "selftest", "finish"),
    ],
    "upgrade": [
        *("checks", "files", "dependencies", "compile"),
        *("upgrade", "entry", "selftest", "finish"),
    ],
    "back": ["back"],
}

STEP_TITLES = {
    "checks": "Checks",
    "files": "Files",
    "dependencies": "Dependencies",
    "compile": "Bytecode",
    "database": "Database",
    "tables": "Tables",
    "entry": "Entry",
    "selftest": "Self-test",
    "upgrade": "Switch and self-test",
    "back": "Switch back and self-test",
    "finish": "Finish",
}


def begin_installing(installation: Installation, archive: Archive | None, journal: Journal) -> None:
    """Plan to install the archive, or to upgrade to it. Raises InstallError."""
    if archive is None:
        raise InstallError(
            "There is nothing to install. Upload taskmanager-….zip into the folder of deploy.py, "
            "or the deploy.py with the archive inside, and try again.",
            exit_code=EXIT_MISSING,
        )
    if archive.is_older(installation):
        raise InstallError(archive.sentence_of_older(installation), exit_code=EXIT_USAGE)
    is_upgrade = installation.is_installed and archive.name != installation.current
    journal.begin("upgrade" if is_upgrade else "install", installation.current)


def begin_going_back(installation: Installation, journal: Journal) -> None:
    """Plan to let the build before serve again. Raises InstallError."""
    target = installation.previous
    if not installation.is_installed or not target:
        raise InstallError(
            "There is no earlier version to go back to: only the one before the last upgrade is "
            "kept.",
            exit_code=EXIT_USAGE,
        )
    journal.begin("back", installation.current)
    journal.note_build(installation.current)
    journal.note_target(target)
