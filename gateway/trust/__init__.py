"""Certification authority, OCSP responder and time-stamping authority for development, tests and closed networks.

  authority   keys and certificates as X-Road wants them (reference 4.5); no files, no network
  issuing     certificate requests answered
  status      which certificates were issued and which were revoked: one small file
  responder   answers OCSP requests from that file (reference 4.6)
  listing     revocation lists from it (RFC 5280), for those who ask ahead of time
  timestamping, serials   time-stamps (RFC 3161; reference 4.7), numbered durably
  service     all of it over HTTP

Rule: a certificate leaves the authority only after its serial number is recorded, so the responder can say `unknown` of
everything else.
"""
