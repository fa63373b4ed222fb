"""The only place that knows the order of one exchange.

`client_side.py` and `server_side.py` are straight-line numbered procedures over the ports of `ports.py`; `states.py` holds the
types a message passes through, one for each guarantee, so that a skipped step does not type-check; `blame.py` turns an error
into a fault with the X-Road prefix of the guilty side. Imports core only.
"""
