-- compat: 19
-- Which records a token stamps is written as runs of their numbers: a row for most tokens, instead of one for each record.

LOCK TABLE time_stamp, stamped_record IN ACCESS EXCLUSIVE MODE;

-- `records`: how many of those it stamps retention has not removed; a token goes with the last of them.
ALTER TABLE time_stamp ADD COLUMN records integer NOT NULL DEFAULT 0 CHECK (records >= 0);
ALTER TABLE time_stamp ALTER COLUMN records DROP DEFAULT;
UPDATE time_stamp AS t SET records = s.n
FROM (SELECT time_stamp, count(*) AS n FROM stamped_record GROUP BY time_stamp) AS s WHERE s.time_stamp = t.number;

-- Records `first` to `last` without a gap; no two rows have a number in common. `position`: of the first in the tree of the token.
CREATE TABLE stamped_run (
    first      bigint PRIMARY KEY,
    last       bigint NOT NULL,
    time_stamp bigint NOT NULL REFERENCES time_stamp ON DELETE CASCADE,
    position   integer NOT NULL CHECK (position >= 0),
    CHECK (first <= last)
);
INSERT INTO stamped_run (first, last, time_stamp, position)
SELECT min(record_number), max(record_number), time_stamp, min(position)
FROM (
    SELECT *, record_number - row_number() OVER (PARTITION BY time_stamp, record_number - position ORDER BY record_number) AS run
    FROM stamped_record JOIN time_stamp AS t ON t.number = time_stamp
) AS r
GROUP BY time_stamp, record_number - position, run;
CREATE INDEX stamped_run_time_stamp ON stamped_run (time_stamp);
DROP TABLE stamped_record;

GRANT SELECT, INSERT ON stamped_run TO gateway_writer;
GRANT INSERT (records) ON time_stamp TO gateway_writer;
