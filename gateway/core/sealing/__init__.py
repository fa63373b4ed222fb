"""Sealing: what stands encrypted in the message log, as pure values. Nonces and keys are arguments.

`envelope.py` is the form of sealed bytes; `keys.py` has the two kinds of keys: a *data key* seals what one member exchanged on one
day, a *key-encryption key* of the operator wraps data keys; `records.py` says what of a message record is sealed, and to what place
each envelope is bound.
"""
