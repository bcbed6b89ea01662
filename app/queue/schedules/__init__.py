"""Schedules: tasks that are made at their times, by whichever claim comes first after each."""
