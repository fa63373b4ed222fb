"""Turns `config/registry/*.yaml` into a signed global configuration and publishes it as a Central Server does.

builder.py     settings and certificate files -> documents of every version
publisher.py   documents -> signed directories, renewed every minute, over HTTP

The rule: what is published was complete and readable as a whole; a bad file never replaces a good one.
"""
