"""Y tế: birth and death notices of health facilities, as signed XML. Facilities and notices are invented.

service.py    the endpoints: notices are taken in and given out     openapi.yaml   what callers are promised
notices.py    a notice as a value, its XML, and back                manifest.yaml  who owns it, whom each call is about
signing.py    XMLDSig of a facility over its notice                 schema.sql     tables, in numbered steps
openings.py   a notice with an application opens the linked procedure
invent.py     notices about people of `adapters/people`
emit.py       `python -m adapters.yte.emit`: what a hospital's software does, good and bad

Whether a notice is signed as it should be is the security server's question (`documents` in its settings); the adapter keeps what
it was given, byte for byte.
"""

from adapters.yte.service import build_adapter

__all__ = ["build_adapter"]
