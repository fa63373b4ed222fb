"""Listens to the information systems of this server's members (ports 8080 and 8443): who is calling, how large may it be, then
hands the call to `exchange/client_side.py`. Also `/listClients` and `/verificationconf`, which need no exchange."""
