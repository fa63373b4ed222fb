"""What citizens are told of an exchange, decided and encoded: contracts, purposes, access records, leaves, promises.

contract   what a service declares: whom each endpoint is about, which data, for which purposes
purpose    what a consumer states, against what contract and right allow
"""
