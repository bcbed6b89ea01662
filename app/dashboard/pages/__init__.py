"""The pages, a module a subject: functions from a visit to a response."""
