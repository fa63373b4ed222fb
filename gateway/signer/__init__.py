"""Keys: the only room that holds private keys of members and of the security server.

  tokens/       one file for each kind of key token, found by its URI scheme
  newkeys       keys made anew, with the signature their certificate requests need
  signer        the exchange's Signer port
  authkeys      the authentication keys for TLS, and which of them is shown
  ocsp_client   fresh OCSP answers for our own certificates; the look-up of a peer's answers on 5577
  multipart     what that look-up answers, parsed

Rule: bytes to be signed go in, a signature comes out, and nothing that is not a canonical SignedInfo is signed.
"""
