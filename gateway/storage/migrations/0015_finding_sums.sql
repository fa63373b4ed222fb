-- compat: 11
-- Findings whose time is up, as sums of a month: what the reports of that month need, and no single message.

-- `month`: its first day, in Vietnam's time (UTC+7), by which reports are made.
CREATE TABLE content_finding_sum (
    month    date NOT NULL CHECK (extract(day FROM month) = 1),
    client   text NOT NULL,
    service  text NOT NULL,
    rule     text NOT NULL CHECK (rule IN ('document', 'return')),
    cause    text NOT NULL,
    subject  text NOT NULL,
    messages bigint NOT NULL CHECK (messages > 0),
    refused  bigint NOT NULL CHECK (refused BETWEEN 0 AND messages),
    PRIMARY KEY (month, rule, client, service, subject, cause)
);

GRANT SELECT ON content_finding_sum TO gateway_writer;
