"""Adapters: what stands between a security server and a source of data. `README.md` shows how to write one.

Arrows: `adapters.sdk` may import `gateway.core`, `adapters.people` may import `adapters.sdk`; an adapter may import these two and
nothing else of this project.
"""
