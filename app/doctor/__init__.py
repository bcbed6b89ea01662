"""Checks of a site, one module a subject: what is wrong, and what to do about it.

Each check is a function from a site to its findings. One that needs the database raises a
DatabaseError where that cannot be used; the check of the database says so.
"""
