"""Keys and certificates of the demo instance: `topology.yaml` says which, `generate.py` makes them."""
