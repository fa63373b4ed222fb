"""Whose certificates were revoked, of those who sign documents and of other servers and members: found out beside the exchanges, so
no exchange waits for an authority.

sources.py    what a service's settings name: revocation lists, OCSP responders
fetching.py   HTTP: one list, one answer
kept.py       answers on disk, over a restart
keeper.py     of document signers: keeps what is known current, on disk as well, and swaps it as a whole
watch.py      of servers and members: whatever an exchange has a verdict on

The rule: addresses come from the settings, the global configuration, or a certificate that a listed authority issued and an
exchange has verified; never from one that a document brought. Whatever comes is verified by core before it is believed, and again
when it is read back from disk.
"""
