"""What a service contract demands of a message's content, beyond whom it is about.

finding.py    what was found, for records, metrics and reports
returns.py    a dossier that goes back: only with a reason of the controlled list and its legal reference
document.py   a business document that must carry a signature: the rule of one endpoint, and its verdict
rules.py      which rules an endpoint has; all of them against one message
notice.py     the header by which a consumer is warned
statistics.py a month of findings as a report

Rule: what cannot be looked at is refused, or counted as bad where the policy only observes. No text repeats what stood in a
message.
"""
