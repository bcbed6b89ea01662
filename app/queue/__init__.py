"""What a queue does. Knows SQL and time; knows no HTTP."""
