"""Bảo hiểm xã hội: participation and contributions, health-insurance cards, benefits after a death, of the invented population.

service.py     look-ups             openapi.yaml   what callers are promised
cards.py       issuing of cards     manifest.yaml  who owns it, whom each call is about, for which purposes
benefits.py    claims               schema.sql     tables, in numbered steps
numbers.py     insurance numbers, cards, cursors   seed.py   invented records
"""

from adapters.bhxh.service import build_adapter

__all__ = ["build_adapter"]
