INSERT INTO plan
WITH d AS (SELECT g.master_id, list_filter([CASE WHEN g."name" IS NOT NULL THEN {'field': 'name', 'old': NULL::VARCHAR, 'new': g."name"} END,
CASE WHEN g."id_number" IS NOT NULL THEN {'field': 'id_number', 'old': NULL::VARCHAR, 'new': g."id_number"} END,
CASE WHEN g."phone" IS NOT NULL THEN {'field': 'phone', 'old': NULL::VARCHAR, 'new': g."phone"} END,
CASE WHEN g."residence_address" IS NOT NULL THEN {'field': 'residence_address', 'old': NULL::VARCHAR, 'new': g."residence_address"} END,
CASE WHEN f_ethnicity.held IS NOT NULL THEN {'field': 'ethnicity', 'old': NULL::VARCHAR, 'new': f_ethnicity.held} END], lambda c: c IS NOT NULL) AS changes
FROM fresh_person g
JOIN touched t ON t.entity_type = 'person' AND t.master_id = g.master_id
LEFT
JOIN fold f_ethnicity ON f_ethnicity.target = 'volunteer/members/person/person' AND f_ethnicity.field = 'ethnicity' AND f_ethnicity.golden = g."ethnicity"
WHERE (date_sub('year', CAST(g."birth_date" AS DATE), DATE '2026-11-01') >= 14) AND g."name" IS NOT NULL AND g."phone" IS NOT NULL AND g."id_number" IS NOT NULL AND NOT EXISTS (SELECT 1
FROM crosswalk_now x
WHERE x.master_id = g.master_id AND x.entity_type = 'person' AND x.system_id = 'volunteer'))
SELECT 'volunteer', 'members', 'person', 'person', master_id, NULL, 'create', to_json(changes)::VARCHAR, NULL, concat_ws(':', 'volunteer', 'new', 'members', master_id::VARCHAR, 'person')
FROM d
WHERE len(changes) > 0
