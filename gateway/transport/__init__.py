"""Outgoing: TLS contexts, links to peers and the choice of an address, calls to services; and the spooling of bodies."""
