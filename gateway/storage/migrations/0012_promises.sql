-- compat: 1
-- What providers promised us: leaves that will be in the public log. Found in recorded responses once these are time-stamped: an
-- exchange pays nothing for it, and the stamp is what says when a promise was made.

-- What the stamping of one batch handed on, in its transaction: keys of records that nobody has looked through yet.
CREATE SEQUENCE stamped_commit_number AS bigint;
CREATE TABLE stamped_commit (
    number bigint PRIMARY KEY DEFAULT nextval('stamped_commit_number'),
    times  timestamptz[] NOT NULL,
    uids   uuid[] NOT NULL
);

CREATE SEQUENCE promise_number AS bigint;
CREATE TABLE promise (
    number  bigint PRIMARY KEY DEFAULT nextval('promise_number'),
    time    timestamptz NOT NULL,               -- with `uid`: the response's message record
    uid     uuid NOT NULL,
    service text NOT NULL,                      -- whose provider promised
    origin  text NOT NULL,
    leaf    bytea NOT NULL CHECK (octet_length(leaf) = 32),
    noted   timestamptz NOT NULL DEFAULT clock_timestamp(),
    due     timestamptz NOT NULL DEFAULT clock_timestamp(),     -- when to look next
    state   text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'kept', 'broken')),
    decided timestamptz,
    index   bigint,                             -- of one that was kept: its leaf's place in the log
    CHECK ((state = 'open') = (decided IS NULL) AND (index IS NOT NULL) = (state = 'kept'))
);
CREATE INDEX promise_due ON promise (due) WHERE state = 'open';
CREATE INDEX promise_kept ON promise (decided) WHERE state = 'kept';
CREATE INDEX promise_broken ON promise (leaf) WHERE state = 'broken';

-- The largest tree of each log that this server believed: every later one has to continue it.
CREATE TABLE log_seen (
    origin text PRIMARY KEY,
    size   bigint NOT NULL CHECK (size >= 0),
    note   bytea NOT NULL,
    seen   timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT SELECT, INSERT (times, uids), DELETE ON stamped_commit TO gateway_writer;
GRANT SELECT, INSERT (time, uid, service, origin, leaf), UPDATE (due, state, decided, index), DELETE ON promise TO gateway_writer;
GRANT SELECT, INSERT (origin, size, note), UPDATE (size, note, seen) ON log_seen TO gateway_writer;
GRANT USAGE ON SEQUENCE stamped_commit_number, promise_number TO gateway_writer;
