"""Builds the objects, starts and stops them in order, and the command line. Imports everything; nobody imports it."""
