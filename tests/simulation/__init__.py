"""Linked procedures at scale: what the users' documents count, on invented dossiers. `make simulate`.

plan.py        what befalls each dossier and facility, from a seed: lost returns, bad reasons, documents not signed well
parties.py     coordinator and agencies over databases of their own; both roads lose what the plan says
inside.py      the road of the bulk: a call from database to database inside the process
instance.py    the road of the others: four real security servers with message logs, and the agencies' services behind them
workers.py     the processes that do the work and are killed meanwhile
killing.py     kill -9 of one after the other: workers, security servers, PostgreSQL
course.py      what the people in it do, on either road
notices.py     one notice of every facility, through the signature gate of a security server
checks.py      what is held against the plan, and the table of it
progress.py    what is told while it runs
__main__.py    the whole course
"""
