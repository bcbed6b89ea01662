"""The installer: what deploy.py hands over to, out of a verified archive. Standard library only."""
