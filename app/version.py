"""The version of TaskManager."""

VERSION = "0.1.0"
