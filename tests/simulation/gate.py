"""Notices of facilities, one a dossier, examined by the rule of a provider's server with the policy `warn`."""

from __future__ import annotations

import re
from collections import Counter

from gateway.core.content.document import DocumentRule, FacilityPlace
from gateway.core.content.finding import Policy
from gateway.core.subjects.xpath import FromXPath
from tests.simulation.plan import Plan
from tests.support.documents import OLDEST, Documents, notice

_LARGEST = 1 << 20


def examined(plan: Plan) -> Counter[tuple[int, str]]:
    """How often each facility had which finding."""
    world = Documents()
    place = FacilityPlace(
        FromXPath("/n:notice/n:facility/@code", (("n", "urn:example:notice"),)), re.compile("[0-9]{5}")
    )
    rule = DocumentRule(Policy.WARN, None, world.trust, _LARGEST, OLDEST, place)
    written: dict[int, bytes] = {}
    found: Counter[tuple[int, str]] = Counter()
    for fate in plan.fates:
        facility = fate.facility
        if facility not in written:
            text = notice(f"{facility:05}")
            written[facility] = text.encode() if facility in plan.unsigned else world.signed(text)
        finding = rule.examine(written[facility], world.now)
        found[int(finding.subject), finding.cause] += 1
    return found
