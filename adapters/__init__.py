"""Adapters: what stands between a security server and a source of data. `README.md` shows how to write one.

Arrows: `adapters.sdk` may import `gateway.core`; an adapter may import `adapters.sdk` and nothing else of this project.
"""
