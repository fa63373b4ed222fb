"""Whose certificates were revoked, of those who sign documents: found out ahead of time, so no exchange waits for an authority.

sources.py    what a service's settings name: revocation lists, OCSP responders
fetching.py   HTTP: one list, one answer
keeper.py     keeps what is known current, on disk as well, and swaps it as a whole

The rule: addresses come from the settings, never from a certificate that a message brought. Whatever comes is verified by core
before it is believed, and again when it is read back from disk.
"""
