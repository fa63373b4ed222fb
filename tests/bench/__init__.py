"""`make bench`: what an exchange costs, against a pair of aiohttp processes over mutual TLS that do nothing. No verdict."""
