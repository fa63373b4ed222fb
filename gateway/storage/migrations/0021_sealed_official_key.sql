-- compat: 21
-- The key of officials' pseudonyms stands in `data_key` when the log is sealed, for no day (9999-01-01) and for a server instead of a
-- member. A program that does not know this would make another one, and officials would have two pseudonyms.

COMMENT ON TABLE official_key IS 'Only of servers whose log is not sealed; otherwise data_key of 9999-01-01';
