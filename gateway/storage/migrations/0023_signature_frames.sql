-- compat: 23
-- What all signatures of one signer have in common until its next OCSP answer stands once a day, and not in each record: a record of
-- usual size takes less than half a page. A program that does not know this finds no signature in such a record, never a shorter one.

-- A frame is needed as long as its day (UTC) has records, and goes with the last of them.
CREATE TABLE signature_frame (
    day    date NOT NULL,
    digest bytea NOT NULL CHECK (digest = sha256(frame)),
    frame  bytea NOT NULL,
    PRIMARY KEY (day, digest)
) WITH (toast_tuple_target = 8160);
ALTER TABLE signature_frame ALTER COLUMN frame SET STORAGE EXTERNAL;

-- Either the signature is whole, as in all records of before, or its values stand here and its frame in the table above.
ALTER TABLE message_record
    ALTER COLUMN signature DROP NOT NULL,
    ADD COLUMN signature_values bytea,
    ADD COLUMN frame_digest bytea;
ALTER TABLE message_record ALTER COLUMN signature_values SET STORAGE EXTERNAL;
ALTER TABLE message_record ADD CONSTRAINT message_record_signature CHECK (
    (signature IS NULL) = (signature_values IS NOT NULL) AND (signature IS NULL) = (frame_digest IS NOT NULL)
) NOT VALID;    -- rows of before are not read for it: the column was NOT NULL

GRANT SELECT, INSERT ON signature_frame TO gateway_writer;
GRANT INSERT (signature_values, frame_digest) ON message_record TO gateway_writer;
