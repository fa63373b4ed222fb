"""Business documents that carry a signature of their own: XML with an enveloped XMLDSig, as health facilities send it.

causes.py     why a document is not good, a closed list, and the one error
reading.py    bytes -> one element tree, or the error
canonical.py  canonical octets of parts of it
signature.py  the one signature in it: what it covers, and with whose certificate
revocation.py was the signer's certificate revoked, by lists and answers that were fetched ahead of time
verify.py     is it good? the document is the one that was signed, by somebody on the trust list, at a time that can be

Rule: what is verified is what is delivered. Exactly one signature, which covers the document element and nothing else of the
document. Nothing is fetched, no entity expanded, no transform run that is not on a short list.
"""
