"""Runs a program and prints what it took: milliseconds of processor time, and MB at its peak.

A process of its own, and a small one: the peak that a system notes for a program begins with that
of the process which started it.
"""

import os
import sys

program, given, printed = sys.argv[1:]
actions = [
    (os.POSIX_SPAWN_OPEN, 0, given, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
]
process = os.posix_spawn(program, [program], os.environ, file_actions=actions)
_, status, used = os.wait4(process, 0)
print(status, (used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024)
