"""Dân cư: the population register (Cơ sở dữ liệu quốc gia về dân cư) with invented citizens.

service.py        the endpoints            openapi.yaml   what callers are promised
verification.py   yes/no comparison        manifest.yaml  who owns it, whom each call is about, for which purposes
newborns.py       numbers for newborns     schema.sql     tables, in numbered steps
changes.py        residence, deaths        source.py      SQL of the look-ups
load.py           the invented population (`adapters/people`) into the database
"""

from adapters.dancu.service import build_adapter

__all__ = ["build_adapter"]
