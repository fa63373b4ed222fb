"""What operators see: metrics, health, one log line per exchange. Nothing of a person in any of them.

`metrics.py` implements the Observer port; `readings.py` is what `/metrics` asks the other rooms at the moment of a scrape;
`health.py` puts problems into words and `checks.py` holds the words; `logs.py` sets up structlog; `admin.py` serves it all
on loopback.
"""
