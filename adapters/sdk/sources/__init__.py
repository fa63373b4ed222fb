"""Where an adapter's records are, when they are not in a database of its own: one question, five kinds of answerers.

port.py     RecordSource: the record of a key, or None
table.py    a table or view of a PostgreSQL database      rest.py   an HTTP service that answers JSON
csvfile.py  a CSV file that somebody puts there anew      soap.py   a SOAP 1.1 service
road.py     another agency's service, through one's own security server

A source gives text: what a value means is said by the adapter, which parses it as it parses what callers send. `tests/contract/
test_record_source.py` holds every kind against the same promises; a new kind is a module here and a row there.
"""

from adapters.sdk.sources.csvfile import CsvSource
from adapters.sdk.sources.port import Record, RecordSource
from adapters.sdk.sources.rest import RestSource
from adapters.sdk.sources.road import RoadSource
from adapters.sdk.sources.soap import SoapSource
from adapters.sdk.sources.table import TableSource

__all__ = ["CsvSource", "Record", "RecordSource", "RestSource", "RoadSource", "SoapSource", "TableSource"]
