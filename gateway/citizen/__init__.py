"""The citizens' portal: each person reads who asked for data about them, and checks it in their own browser.

    idtoken.py, oidc.py, sessions.py    who is there: OpenID Connect, then a session of our own
    records.py, lookups.py              what stands in the providers' databases, and in ours
    proofs.py                           receipts, checkpoints and tiles of the public log, passed on as they are
    inquiries.py, delivery.py           what people ask of agencies, over the exchange; answers.py comes back
    representation.py                   a parent reads a child's ledger, on evidence of the register
    views.py, chart.py, words/          from stored values to what people read; how pages look is `gateway/pages`
    api.py, pages.py, guard.py          HTTP: JSON, HTML, and what protects both; forms.py reads what comes in
    watching.py                         what the operator is told: counts, and what is away

Rules: whoever is not signed in learns nothing; a record of somebody else is no record; nothing here vouches for a record: the
browser checks it (`static/proof.js`), so everything it needs is passed on unchanged.
"""
