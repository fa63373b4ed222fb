-- compat: 22
-- The keys of an access record's leaf come from its seed in another way from here on; its record id says in which (core/disclosure/leaf.py).
-- A program that does not know this would give citizens salts that do not open what they are shown.

COMMENT ON COLUMN access_record.seed IS 'Opens the leaf, together with record_id; destroying it makes the leaf mean nothing';
