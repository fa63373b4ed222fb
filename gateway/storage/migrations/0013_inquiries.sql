-- compat: 11
-- Inquiries of citizens about their records: on an agency's server what came and what was answered, in the portal's database what is
-- to be delivered and what came back. Rows are added and never changed.

-- `id`: chosen by who delivers it, so that the same one delivered twice stays one. `content`: JSON as it was delivered.
CREATE TABLE inquiry (
    id       uuid PRIMARY KEY,
    receiver text NOT NULL,                 -- the client of this server that is asked
    sender   text NOT NULL,                 -- the client that delivered it; it gets the answer
    received timestamptz NOT NULL DEFAULT clock_timestamp(),
    due      timestamptz NOT NULL,
    content  text NOT NULL
);
CREATE INDEX inquiry_due ON inquiry (due);

-- Numbers grow in the order of commits (whoever adds a row holds an advisory lock): "after the last that I saw" misses none.
CREATE TABLE inquiry_answer (
    number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    inquiry uuid NOT NULL UNIQUE REFERENCES inquiry,
    time    timestamptz NOT NULL DEFAULT clock_timestamp(),
    words   text NOT NULL
);

-- `client`: whose server is to have it; `content`: what is sent, the same bytes each time.
CREATE TABLE citizen_outbox (
    inquiry uuid PRIMARY KEY REFERENCES citizen_inquiry,
    client  text NOT NULL,
    content text NOT NULL
);

-- `evidence`: X-Road-Id of the exchange, which stands in the message logs of both sides.
CREATE TABLE citizen_delivery (
    inquiry  uuid PRIMARY KEY REFERENCES citizen_inquiry,
    time     timestamptz NOT NULL,
    evidence text NOT NULL
);
CREATE TABLE citizen_answer (
    inquiry  uuid PRIMARY KEY REFERENCES citizen_inquiry,
    time     timestamptz NOT NULL,          -- as the agency signed it
    learnt   timestamptz NOT NULL,          -- when it came
    words    text NOT NULL,
    evidence text NOT NULL
);
CREATE TABLE citizen_answers_read (
    client text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (client, number)
);
CREATE INDEX citizen_inquiry_person ON citizen_inquiry (person, person_kind, filed DESC);

GRANT SELECT ON inquiry, inquiry_answer TO gateway_writer;
GRANT INSERT (id, receiver, sender, due, content) ON inquiry TO gateway_writer;
GRANT INSERT (inquiry, words) ON inquiry_answer TO gateway_writer;
GRANT SELECT, INSERT ON citizen_outbox, citizen_delivery, citizen_answer, citizen_answers_read TO gateway_writer;
