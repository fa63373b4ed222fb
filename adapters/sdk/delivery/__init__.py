"""Guaranteed delivery: asynchronous messages between information systems, on top of ordinary X-Road exchanges.

Rule: a message is written in the transaction of the effect that it tells of, and its receipt in the transaction of the effect that
it causes: the receiver's endpoint is an `Effect` and the message id its idempotency key (`adapters/sdk/effects.py`). Whatever stops
in between, the message is sent again, and the receiver answers a repeat as it answered the first time.

messages.py    what is sent, and the receipt for it: values, and the parser of the receipt
judging.py     an answer -> delivered, worth trying again, or a matter for a person
outbox.py      the sender's table: post, claim, settle; what a person can do with a dead letter
road.py        one attempt: an exchange through the client proxy of the sender's own security server
worker.py      takes what is due out of the outbox until cancelled
legs.py        an agency's part in linked procedures: a leg comes as a message, its outcome leaves as one
agency.py      the same beside an adapter: listener of the service `legs` (`leg_service/`), worker that sends outcomes
cli.py         `python -m adapters.sdk.delivery`: dead letters, sending again, evidence

Order: messages with the same key arrive in the order of their commits; the next one waits until the one before it was delivered or
was set aside by a person. Every attempt has an id of its own, durable before the attempt begins: it is the X-Road-Id under which
the sender's and the receiver's security servers keep the signed request and the signed receipt.
"""

from adapters.sdk.delivery.messages import Message, Receipt
from adapters.sdk.delivery.outbox import Outbox, bootstrap_delivery, post, post_again
from adapters.sdk.delivery.road import Road, open_road
from adapters.sdk.delivery.worker import DeliveryWorker

__all__ = [
    "DeliveryWorker",
    "Message",
    "Outbox",
    "Receipt",
    "Road",
    "bootstrap_delivery",
    "open_road",
    "post",
    "post_again",
]
