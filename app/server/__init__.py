"""What a web server runs, and how its requests reach the API."""
