"""The fixed text of our signatures (reference 4.2), cut where values stand. The writer fills it, the fast reader cuts along it.

The order of elements and their Ids are X-Road's. Everything from SignedInfo to SignedProperties is canonical XML as it stands here:
no white space, end tags on empty elements, attributes in canonical order; only the four namespace declarations, which
canonicalisation repeats on the two signed elements, are written once, on the root.
"""

from __future__ import annotations

NAMESPACES = (
    b' xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
    b' xmlns:xades="http://uri.etsi.org/01903/v1.3.2#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
SIGNED_INFO_TAG = b"<ds:SignedInfo>"
SIGNED_INFO_APEX = b"<ds:SignedInfo" + NAMESPACES + b">"
SIGNED_PROPERTIES_TAG = b'<xades:SignedProperties Id="signed-properties">'
SIGNED_PROPERTIES_APEX = b"<xades:SignedProperties" + NAMESPACES + b' Id="signed-properties">'

_SHA512 = b'<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"></ds:DigestMethod><ds:DigestValue>'
_POLICY = (
    b"<xades:SignaturePolicyIdentifier><xades:SignaturePolicyId><xades:SigPolicyId>"
    b'<xades:Identifier Qualifier="OIDAsURN">urn:oid:1.3.6.1.4.1.3516.16.2</xades:Identifier>'
    b"<xades:Description>Profile for High Performance Digital Signatures (version 1.2)</xades:Description>"
    b"</xades:SigPolicyId><xades:SigPolicyHash>" + _SHA512 + b"BuO0EDNfkxSVlUbxCzmQPzX1AUF1/xx9ytWHk3/6SAOePxQiniEfDYk"
    b"+90QeYb3lWpV3Izhuz9fKaYyE+lTcXw==</ds:DigestValue></xades:SigPolicyHash><xades:SigPolicyQualifiers>"
    b"<xades:SigPolicyQualifier><xades:SPURI>https://repo.cyber.ee/dsig-profile-1.2.pdf</xades:SPURI>"
    b"</xades:SigPolicyQualifier></xades:SigPolicyQualifiers></xades:SignaturePolicyId></xades:SignaturePolicyIdentifier>"
)

HEAD = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="no"?><asic:XAdESSignatures'
    + NAMESPACES
    + b'><ds:Signature Id="signature">'
)

# Content of SignedInfo: what stands before each value, and what stands after the last.
BEFORE_ALGORITHM = (
    b'<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></ds:CanonicalizationMethod>'
    b'<ds:SignatureMethod Algorithm="'
)
BEFORE_URI = b'"></ds:SignatureMethod><ds:Reference Id="signature-reference-0" URI="'
BEFORE_DIGEST = b'">' + _SHA512
BEFORE_PROPERTIES_DIGEST = (
    b'</ds:DigestValue></ds:Reference><ds:Reference Id="signature-reference-1"'
    b' Type="http://uri.etsi.org/01903#SignedProperties" URI="#signed-properties">' + _SHA512
)
AFTER_SIGNED_INFO = b"</ds:DigestValue></ds:Reference></ds:SignedInfo>"

BEFORE_VALUE = b'<ds:SignatureValue Id="signature-value">'
BEFORE_CERTIFICATE = b"</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>"
AFTER_CERTIFICATE = (
    b'</ds:X509Certificate></ds:X509Data></ds:KeyInfo><ds:Object><xades:QualifyingProperties Target="#signature">'
)

# Content of SignedProperties.
BEFORE_TIME = b"<xades:SignedSignatureProperties><xades:SigningTime>"
BEFORE_CERTIFICATE_DIGEST = b"</xades:SigningTime><xades:SigningCertificate><xades:Cert><xades:CertDigest>" + _SHA512
BEFORE_ISSUER = b"</ds:DigestValue></xades:CertDigest><xades:IssuerSerial><ds:X509IssuerName>"
BEFORE_SERIAL = b"</ds:X509IssuerName><ds:X509SerialNumber>"
AFTER_SERIAL = b"</ds:X509SerialNumber></xades:IssuerSerial></xades:Cert>"
BEFORE_MIME_TYPE = (
    AFTER_SERIAL
    + b"</xades:SigningCertificate>"
    + _POLICY
    + b"</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>"
    b'<xades:DataObjectFormat ObjectReference="#signature-reference-0"><xades:MimeType>'
)
AFTER_SIGNED_PROPERTIES = (
    b"</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties>"
)

UNSIGNED_PROPERTIES_TAG = b"<xades:UnsignedProperties>"
UNSIGNED_PROPERTIES_APEX = b"<xades:UnsignedProperties" + NAMESPACES + b">"
BEFORE_UNSIGNED = UNSIGNED_PROPERTIES_TAG + b"<xades:UnsignedSignatureProperties>"
CERTIFICATE_REF = b'<xades:Cert URI="#encapsulated-cert-%d"><xades:CertDigest>' + _SHA512
CERTIFICATE_REFS = (
    b'<xades:CompleteCertificateRefs Id="complete-certificate-refs"><xades:CertRefs>%s</xades:CertRefs>'
    b"</xades:CompleteCertificateRefs><xades:CertificateValues>%s</xades:CertificateValues>"
)
CERTIFICATE_VALUE = (
    b'<xades:EncapsulatedX509Certificate Id="encapsulated-cert-%d">%s</xades:EncapsulatedX509Certificate>'
)
OCSP_VALUES = b"<xades:RevocationValues><xades:OCSPValues>%s</xades:OCSPValues></xades:RevocationValues>"
OCSP_VALUE = b'<xades:EncapsulatedOCSPValue Id="ocsp-response-%d">%s</xades:EncapsulatedOCSPValue>'
AFTER_UNSIGNED = b"</xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
TAIL = b"</xades:QualifyingProperties></ds:Object></ds:Signature></asic:XAdESSignatures>"

# The whole signature as fixed pieces; between two neighbours stands exactly one value, after the last the unsigned properties.
PIECES = (
    HEAD + SIGNED_INFO_TAG + BEFORE_ALGORITHM,
    BEFORE_URI,
    BEFORE_DIGEST,
    BEFORE_PROPERTIES_DIGEST,
    AFTER_SIGNED_INFO + BEFORE_VALUE,
    BEFORE_CERTIFICATE,
    AFTER_CERTIFICATE + SIGNED_PROPERTIES_TAG + BEFORE_TIME,
    BEFORE_CERTIFICATE_DIGEST,
    BEFORE_ISSUER,
    BEFORE_SERIAL,
    BEFORE_MIME_TYPE,
    AFTER_SIGNED_PROPERTIES,
)
