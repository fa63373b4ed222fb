-- compat: 9
-- Archives encrypted to recipients. A program that does not know this would finish one of them in clear.

-- SHA-512 of the encrypted file, whose name is `file` and `.age` behind; NULL: the archive is in clear.
ALTER TABLE archive ADD COLUMN sealed bytea CHECK (octet_length(sealed) = 64);
ALTER TABLE archive ADD CHECK (sealed IS NULL OR state <> 'planned');
