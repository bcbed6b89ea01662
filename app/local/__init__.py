"""`deploy.py --local`: a queue in the project's own folder, for trying it and for tests.

bootstrap.py checks the machine and makes the virtual environment, with the standard library only.
program.py then runs in that environment: tables, server, tasks, worker, results.
"""
