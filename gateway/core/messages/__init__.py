"""The messages themselves, as exact bytes and as values. No framing, no signatures, no transport."""
