"""Services that a security server answers itself, for any of its providers: over the ordinary exchange, so with access rights,
signed and recorded like every other.

    port.py                          which calls are for us; everything else goes on to the information system
    usagequery.py, usage.py          findUsage: the data tracker protocol of X-Road countries, out of our own access records
    inquiry.py, inquiries.py         inquiries: citizens' questions and complaints about their records, and the agency's answers

Rules: whom a call is about is what the exchange has already recorded, never read a second time here; an answer is written into a
spool, row by row, whatever its length.
"""
