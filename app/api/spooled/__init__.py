"""Spooled's dialect, below ``/api/v1``: its workers and producers run with another address.

A queue is a task type and a job is a task; a lease id stands for a task and one attempt of it.
What is asked for is the same as everywhere, only said in other words.
"""
