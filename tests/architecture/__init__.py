"""The house rules as tests: arrows between rooms, what core may touch, who may make which evidence, and what never gets in.

`source.py` reads the project as text and syntax trees; no test here runs the gateway.
"""
