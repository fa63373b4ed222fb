"""The transparency log as values: hashes, proofs, tiles, signed notes, checkpoints, cosignatures, receipts, policies.

Formats: RFC 6962 section 2.1 and the C2SP specifications signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof,
tlog-policy and tlog-witness. Rule: signatures are checked over the bytes received, never over bytes printed again; every hash that
comes in has its length checked; a proof is verified or ProofRejected is raised, there is no third answer.
"""
