"""How many tasks there are and how they do, without a counter that any claim or settle touches.

All of it follows from the history, which has a row for each change of a task. Upkeep adds up the
rows by ranges of their ids (``roll_up``); whoever reads adds the rows that are not in it yet.
"""
