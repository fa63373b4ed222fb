"""Listens to other security servers: port 5500 (mutual TLS) and the OCSP look-up port 5577. Names the peer by its certificate,
takes its message apart and hands it to `exchange/server_side.py`; answers for the metaservices."""
