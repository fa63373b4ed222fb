"""From digests to a signed message: the only maker of SignedRequest and SignedResponse.

The signer is given the canonical SignedInfo, in which bodies appear as digests, and returns a signature and nothing else.
"""

from __future__ import annotations

from gateway.core.digest import sha512
from gateway.core.identifiers import MemberId
from gateway.core.messages.rest import RestResponse
from gateway.core.signing.xades import draft_signature
from gateway.exchange.batching import SigningBatches
from gateway.exchange.ports import Signer
from gateway.exchange.states import (
    Body,
    DisclosedReply,
    Moment,
    RoutedRequest,
    SignedParts,
    SignedRequest,
    SignedResponse,
)


async def sign_request(routed: RoutedRequest, signer: Signer, batches: SigningBatches) -> SignedRequest:
    """Signed by the client's member over request part and body."""
    received = routed.received
    member = received.request.client.member
    parts = await _sign(received.request.raw, received.body, member, received.moment, signer, batches)
    return SignedRequest(routed, parts)


async def sign_response(
    disclosed: DisclosedReply, response: RestResponse, moment: Moment, signer: Signer, batches: SigningBatches
) -> SignedResponse:
    """Signed by the provider's member over response part and body; the part carries the request hash and the promise."""
    member = disclosed.request.incoming.request.service.client.member
    parts = await _sign(response.raw, disclosed.reply.body, member, moment, signer, batches)
    return SignedResponse(disclosed, response, parts, moment)


async def _sign(
    part: bytes, body: Body | None, member: MemberId, moment: Moment, signer: Signer, batches: SigningBatches
) -> SignedParts:
    credential = signer.credential(member, moment.now)
    message, attachments = sha512(part), () if body is None else (body.digest,)
    if credential.batch:
        signed = await batches.sign(message, attachments, credential, moment.now, signer)
        draft, value = signed.draft, signed.value
    else:
        draft = draft_signature(message, attachments, credential, moment.now)
        value = await signer.sign(credential, draft.signed_info)
    return SignedParts(part, body, draft.complete(value), draft.hash_chain_result, draft.hash_chain)
