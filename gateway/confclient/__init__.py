"""Keeps the global configuration current: downloads or reads it, lets `core/globalconf` judge it, swaps it as a whole.

locations.py   where to ask, in which order (reference 7.1)
download.py    HTTP: one directory, one file
store.py       what must survive a restart, on disk
client.py      the refresh loop, and the GlobalConf port of `exchange/`

The rule: a refresh that fails at any step changes nothing; what was believed stays until it expires.
"""
