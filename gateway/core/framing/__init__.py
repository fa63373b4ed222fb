"""The multipart message between security servers: bytes in any pieces in, events out (reference 3.7)."""
