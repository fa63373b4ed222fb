"""HTTP/1.1 as the ports of a security server speak it: bytes to requests, answers to bytes, one exchange at a time on a connection.

Parsing is llhttp's (`httptools`); what is ours is order, limits and back-pressure (decision 0046). Knows nothing of messages.
"""
