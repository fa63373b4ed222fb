"""A stand-in for the national identity provider: OpenID Connect with invented citizens, for the demonstration and tests.

Not for real people: whoever reaches it signs in as any of its citizens, without password. A real provider is named in
`config/citizen.yaml`; nothing else changes.
"""
