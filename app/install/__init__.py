"""Installing, checking and upgrading a site. Loaded by deploy.py and by commands only."""
