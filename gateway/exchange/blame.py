"""Error -> fault with the X-Road prefix of the guilty side. The only place that adds prefixes (reference 1.6, 10)."""

from __future__ import annotations

from gateway.core.errors import GatewayError, PeerFault
from gateway.core.messages.fault import Fault
from gateway.exchange.ports import Side

_PREFIX = {"client": "server.clientproxy", "server": "server.serverproxy"}


def fault_of(error: BaseException, side: Side, correlation: str) -> Fault:
    """What the caller is told.

    `correlation` goes into the fault's detail and into our log, so that an operator finds the one by the other. A peer's own
    fault passes unchanged. Anything outside the error family says nothing of itself.
    """
    if isinstance(error, PeerFault):
        return Fault(error.code, error.safe_detail, error.fault_detail)
    prefix = _PREFIX[side]
    if not isinstance(error, GatewayError):
        return Fault(f"{prefix}.internal_error", "Internal error", correlation)
    return Fault(f"{prefix}.{error.code}", error.safe_detail, correlation)


def within(category: str, error: GatewayError) -> GatewayError:
    """The same error with X-Road's intermediate category in front of its code, e.g. `service_failed.invalid_message`."""
    if error.code == category or error.code.startswith(f"{category}."):
        return error
    error.code = f"{category}.{error.code}"
    return error
