"""The transparency log: takes leaves from security servers, sequences them, publishes tiles and checkpoints, answers for them.

    intake.py      submissions, durable and idempotent        sequencer.py   batches into the tree, one leader a shard
    publisher.py   witnesses, then the checkpoint             files.py       the public folder, as anything can serve it
    serving.py     that folder, and receipts, over HTTP       fsck.py        everything against everything

And, on a provider's server, the way of access records to that log:

    outbox.py      the exchange's DisclosureLog: room, promise, backlog policy, submission in the background
    waiting.py     its SQL: what waits, what the log has taken                delivery.py   leaves over HTTP

And, on a consumer's server, what became of providers' promises:

    keeper.py      rounds: kept, broken with proof, or nothing known        promised.py     its SQL
    logview.py     one public log, believed by policy and history           prooffolder.py  open cases, as files
    sources.py     public files of a log, from a folder or a URL

Rules: the commit of a batch is the only serialisation point; what a checkpoint needs is durable before it is published; recovery is
the code that runs normally; a log that finds two histories freezes itself and keeps the evidence. What waits for the log stands in
the provider's database, in the transaction of the message record; the outbox remembers no more than a count.
"""
