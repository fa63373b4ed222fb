"""PostgreSQL: an embedded server (`embedded.py`) or one run by somebody else, opened the same way (`database.py`).

`schema.py` applies the numbered files of `migrations/`; `failures.py` says what a failed statement means; `partitions.py` keeps
tables that grow with time in pieces. SQL stays plain (decision 0011): rows for locks, no extension, retry 40001 and 40P01.
The rule of this room: a log table is only ever added to by those who serve. Sessions run as `gateway_writer`, which may INSERT
and SELECT and nothing else, those of the citizens' portal as `gateway_citizen`; migrations and maintenance run as the owner.
"""
