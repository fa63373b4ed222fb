"""Cổng Dịch vụ công quốc gia: what people filed, how it goes, what was given out, and their inbox. Agencies tell; people read.

catalogue.py  procedures, and the words of notifications     openapi.yaml   what callers are promised
dossiers.py   dossiers, their states and results              manifest.yaml  who owns it, whom each call is about
inbox.py      notifications                                   schema.sql     tables, in numbered steps
service.py    the adapter                                     seed.py        invented accounts and dossiers
web/          pages on which people read all of it

Rule: the portal decides nothing. Only the agency that entered a dossier goes on with it, and what it tells comes as a message that
arrives once (`adapters.sdk.delivery`).
"""

from adapters.dvc.service import build_adapter

__all__ = ["build_adapter"]
