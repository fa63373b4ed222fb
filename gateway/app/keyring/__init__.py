"""`gateway keys …`: what an operator does with the keys of a security server.

  files       the folder in which new keys wait for their certificates
  requests    a new key and its certificate request
  importing   a certificate joins its key, if everybody else will accept it
  states      what the keys are worth now, and which end soon
  renewal     successors for those, by hand or by a timer
  cli         the verbs

Rule: settings are read and never written. A running server notices what the operator writes there (`app/keys.py`).
"""
