"""Signed XML documents that come from another agency are judged as the gateway's gate judges them. Never judge them otherwise."""

from gateway.core.documents.causes import DocumentRejected
from gateway.core.documents.verify import VerifiedDocument, trust_list, verify_document
from gateway.core.signing.trust import InstanceTrust as TrustList

__all__ = ["DocumentRejected", "TrustList", "VerifiedDocument", "trust_list", "verify_document"]
