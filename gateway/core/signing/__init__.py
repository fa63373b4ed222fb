"""Signatures: XAdES as X-Road makes it, hash chains, certificates, OCSP, and the numbered verification."""
