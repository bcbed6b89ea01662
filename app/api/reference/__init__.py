"""What the API says about itself: ``/api/openapi.json``, ``/api/docs`` and docs/api.md.

One source for all three. What a call takes comes from the ``Fields`` that check it, the scope and
the address from the table of routes, what it returns from ``schemas.py``. A chapter is two files of
one name: ``workers.md`` is the text with examples and errors, ``workers.py`` lists the fields and
the responses of each call in it. Only what is about the API itself loads any of this.
"""
