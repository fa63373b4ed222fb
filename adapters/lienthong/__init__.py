"""Điều phối liên thông: one dossier over several agencies, from the first notice to the last benefit.

Rule: a dossier is always at one leg, that leg is somebody's, and it has a time. Nothing moves by silence.

definition.py    procedures as data (`definitions/*.yaml`): legs, limits, the law's clock, whose consent
model.py         a dossier as a value; what can happen to it, what follows
engine.py        what follows from an event: one pure function
desk.py          the same in the database, in one transaction with what follows
portal.py        what the applicant and those who are asked find at the national portal
service.py       what agencies and portals may tell; every call is a message (`adapters.sdk.delivery`)
ticker.py        lets time pass
reasons.py       the controlled list of reasons for which a dossier may be returned

The coordinator never decides what an agency decides. It asks, waits, asks again and shows who has the dossier.
"""
