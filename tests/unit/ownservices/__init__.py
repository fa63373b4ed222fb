"""Tests of the services that a server answers itself."""
