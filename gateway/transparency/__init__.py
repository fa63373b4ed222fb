"""The transparency log: takes leaves from security servers, sequences them, publishes tiles and checkpoints, answers for them.

    intake.py      submissions, durable and idempotent        sequencer.py   batches into the tree, one leader a shard
    publisher.py   witnesses, then the checkpoint             files.py       the public folder, as anything can serve it
    serving.py     that folder, and receipts, over HTTP       fsck.py        everything against everything

Rules: the commit of a batch is the only serialisation point; what a checkpoint needs is durable before it is published; recovery is
the code that runs normally; a log that finds two histories freezes itself and keeps the evidence.
"""
