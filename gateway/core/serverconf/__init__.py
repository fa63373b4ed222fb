"""Server configuration: what this security server's members offer, and to whom."""
