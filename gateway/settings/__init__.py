"""The YAML that administrators write, as checked and frozen values.

  loader      strict YAML 1.2 with positions; every problem of a file at once
  common      the small types: durations, sizes, addresses, files, references to secrets
  names       identifiers as they are written in YAML
  server      one security server (clients: its clients and services)
  registry   the instance: members, servers, groups, trust, publication
  trust       CA and OCSP responder          demo       which roles `make run` starts
  openapi     the endpoints of an OpenAPI document
  serverconf  server settings -> the server configuration that core decides by
  check       all files against each other   schema     JSON schemas for editors

Rule: nothing is guessed. An unknown key, a missing file, a right to nobody is an error with file, line and column; a bad file
never replaces a good one. Secrets are references, never values, and no message repeats what stands at such a place.
Relative paths start at the current directory of the process.
"""
