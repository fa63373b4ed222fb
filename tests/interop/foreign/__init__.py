"""A stand-in for a real X-Road 7.8 instance, written from the protocol alone: it imports nothing of `gateway/`.

pki.py       authorities, FiVRK and EJBCA subjects, OCSP answers
central.py   what a Central Server publishes, versions 2 to 6, and the instance's OCSP responder
message.py   multipart, REST parts, hash chains, signatures: made as X-Road's libraries do, judged by the recommendation
peer.py      a security server of that instance, in both roles: TLS 1.2 with CBC suites, answers framed by the end of connection
"""
