"""A data-exchange gateway that speaks X-Road 7 on the wire. The map of the rooms is `gateway/README.md`."""

VERSION = "0.1.0"
XROAD_VERSION = "7.8.0"  # what we tell peers in `x-proxy-version`; the wire we implement (X-Road 7.8)
