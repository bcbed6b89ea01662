"""HTTP for people: pages as plain functions from a request to a response, without Flask."""
