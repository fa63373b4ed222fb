"""Pure decisions: plain functions over frozen values.

No asyncio, files, sockets, clock, randomness or logging in here; `now` and nonces are arguments. Third-party imports are
`cryptography`, `lxml` (only to parse received XML) and `jwt`. `tests/architecture` holds the line.
"""
