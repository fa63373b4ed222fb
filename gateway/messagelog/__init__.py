"""The durable message log: every message that leaves or is believed, before it leaves or is believed (reference 6.1).

`writer.py` implements the exchange's two log ports and alone builds the states that stand for "recorded"; `groupcommit.py` lets
concurrent exchanges share a commit; `batch.py` and `rows.py` are the SQL; `records.py` turns states into records; `bodies.py`
stores large bodies in pieces. `stamper.py` gets time-stamps for them, which `tsaclient.py` asks for and `stamps.py` keeps.
`reader.py` finds records again, `verification.py` proves them from the log alone. `containers.py` and `exporting.py` write signed
containers. `archiver.py`, with `archivetables.py` and `archivefolder.py`, moves records into archives; it and `maintenance.py` do
what only the tables' owner may.
`promises.py` finds providers' promises in stamped responses.
`sealing.py` chooses the data key under which a record is sealed, `datakeys.py` keeps them, `keysource.py` has the operator's keys
around them, `keyadmin.py` rotates and destroys.
"""
