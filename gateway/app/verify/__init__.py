"""`python -m gateway verify …`, one module a family of verbs. Each gives verdicts; `verdicts.py` prints them."""
