"""Hộ tịch: the civil-status register: births, marriages, deaths, and certified electronic copies, of the invented population.

births.py, marriages.py, deaths.py   entries of the book      openapi.yaml   what callers are promised
book.py        numbers of entries, their look-up              manifest.yaml  who owns it, whom each call is about
copies.py      certified copies                               schema.sql     tables, in numbered steps
notices.py     the hospital's notice behind each entry        legs.py        the register's part in linked procedures
signing.py     the registrar's signature and its check        seed.py        invented entries
verify.py      `python -m adapters.hotich.verify`             service.py     the adapter
"""

from adapters.hotich.service import build_adapter

__all__ = ["build_adapter"]
