-- compat: 1
-- What was found in the content of requests: signatures of documents, reasons of returns. Written with the message record, kept
-- when that goes into an archive: reports need the counts, and nothing here is about a person.

-- `subject`: the facility that a document names, the code of a return's reason; empty when it cannot be told.
CREATE TABLE content_finding (
    message_number bigint NOT NULL,
    time           timestamptz NOT NULL,
    client         text NOT NULL,
    service        text NOT NULL,
    rule           text NOT NULL CHECK (rule IN ('document', 'return')),
    policy         text NOT NULL CHECK (policy IN ('observe', 'warn', 'block')),
    cause          text NOT NULL,
    subject        text NOT NULL,
    refused        boolean NOT NULL,
    PRIMARY KEY (message_number, rule)
);
CREATE INDEX content_finding_time ON content_finding (rule, time);

GRANT SELECT, INSERT ON content_finding TO gateway_writer;
