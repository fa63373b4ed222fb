-- compat: 11
-- Citizens are told that access records existed whose data key was destroyed: how many, of which days, by which rule.

-- `rule`: in words for everybody, naming nobody; NULL when none was stated. `accesses`: how many access records the key sealed,
-- counted as it is destroyed. `destroyed_by` and `reason` are the operator's and stay unseen.
ALTER TABLE data_key ADD COLUMN rule text, ADD COLUMN accesses bigint CHECK (accesses >= 0);
UPDATE data_key AS k SET accesses = coalesce(sealed.n, 0)
FROM data_key AS d LEFT JOIN (SELECT sealed_by, count(*) AS n FROM access_record GROUP BY 1) AS sealed ON sealed.sealed_by = d.id
WHERE k.id = d.id AND k.destroyed IS NOT NULL;
ALTER TABLE data_key ADD CHECK ((accesses IS NULL) = (destroyed IS NULL) AND (rule IS NULL OR destroyed IS NOT NULL));

GRANT SELECT (destroyed, rule, accesses) ON data_key TO gateway_citizen;
