"""Linked procedures at scale: what the users' documents count, on invented dossiers. `make simulate`.

plan.py      what befalls each dossier, from a seed: lost returns, bad reasons, facilities that do not sign
parties.py   coordinator and agencies over databases of their own; between them a road that loses what the plan says
gate.py      the notices of facilities, examined by the gateway's rule
workers.py   the processes that do the work and are killed meanwhile
__main__.py  the whole course, and what is held against the plan

The road of the bulk is inside the processes: every message goes through outbox, worker, effect, engine and receipts, and through no
security server. The same messages through real security servers are `python -m adapters.lienthong demo` and its test.
"""
