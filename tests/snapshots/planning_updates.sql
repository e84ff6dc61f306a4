INSERT INTO plan
WITH d AS (SELECT s.record_key, x.master_id, list_filter([CASE WHEN g."name" IS NOT NULL AND s."name" IS DISTINCT
FROM g."name" AND (NOT coalesce(list_contains(o.fields, 'name'), false) OR ((list_contains(o.fields, 'id_number') AND g."id_number" IS NOT NULL))) THEN {'field': 'name', 'old': s."name", 'new': g."name"} END,
CASE WHEN g."id_number" IS NOT NULL AND s."id_number" IS DISTINCT
FROM g."id_number" AND (s."id_number" IS NULL OR list_contains(o.fields, 'id_number')) THEN {'field': 'id_number', 'old': s."id_number", 'new': g."id_number"} END,
CASE WHEN g."phone" IS NOT NULL AND s."phone" IS DISTINCT
FROM g."phone" AND (NOT coalesce(list_contains(o.fields, 'phone'), false) OR ((list_contains(o.fields, 'id_number') AND g."id_number" IS NOT NULL))) THEN {'field': 'phone', 'old': s."phone", 'new': g."phone"} END,
CASE WHEN g."residence_address" IS NOT NULL AND s."residence_address" IS DISTINCT
FROM g."residence_address" AND NOT coalesce(as_residence_address.normal_key = ag_residence_address.normal_key, false) THEN {'field': 'residence_address', 'old': s."residence_address", 'new': g."residence_address"} END,
CASE WHEN f_ethnicity.held IS NOT NULL AND s."ethnicity" IS DISTINCT
FROM f_ethnicity.held AND (NOT coalesce(list_contains(o.fields, 'ethnicity'), false) OR ((list_contains(o.fields, 'id_number') AND g."id_number" IS NOT NULL))) THEN {'field': 'ethnicity', 'old': s."ethnicity", 'new': f_ethnicity.held} END], lambda c: c IS NOT NULL) AS changed, list_filter([CASE WHEN (map_contains(l.held, 'name') AND s."name" = g."name" AND l.held['name'] IS DISTINCT
FROM g."name") THEN {'field': 'name', 'old': l.held['name'], 'new': g."name"} END,
CASE WHEN (map_contains(l.held, 'id_number') AND s."id_number" = g."id_number" AND l.held['id_number'] IS DISTINCT
FROM g."id_number") THEN {'field': 'id_number', 'old': l.held['id_number'], 'new': g."id_number"} END,
CASE WHEN (map_contains(l.held, 'phone') AND s."phone" = g."phone" AND l.held['phone'] IS DISTINCT
FROM g."phone") THEN {'field': 'phone', 'old': l.held['phone'], 'new': g."phone"} END,
CASE WHEN (map_contains(l.held, 'residence_address') AND s."residence_address" = g."residence_address" AND l.held['residence_address'] IS DISTINCT
FROM g."residence_address") THEN {'field': 'residence_address', 'old': l.held['residence_address'], 'new': g."residence_address"} END,
CASE WHEN (map_contains(l.held, 'ethnicity') AND s."ethnicity" = f_ethnicity.held AND l.held['ethnicity'] IS DISTINCT
FROM f_ethnicity.held) THEN {'field': 'ethnicity', 'old': l.held['ethnicity'], 'new': f_ethnicity.held} END], lambda c: c IS NOT NULL) AS returned, concat_ws('|', s.observed_at, coalesce(s."name", ''), coalesce(s."id_number", ''), coalesce(s."phone", ''), coalesce(s."residence_address", ''), coalesce(s."ethnicity", '')) AS base, l.written_at
FROM std_person s
JOIN crosswalk_now x ON x.entity_type = 'person' AND x.system_id = s.system_id AND x.record_key = s.record_key AND x.role = s.role
JOIN touched t ON t.entity_type = 'person' AND t.master_id = x.master_id
JOIN fresh_person g ON g.master_id = x.master_id
LEFT
JOIN late_write l ON l.system_id = s.system_id AND l.record_key = s.record_key AND l.role = s.role AND l.entity_type = 'person'
LEFT
JOIN foreign_person o ON o.system_id = s.system_id AND o.record_key = s.record_key AND o.role = s.role
LEFT
JOIN fold f_ethnicity ON f_ethnicity.target = 'volunteer/members/person/person' AND f_ethnicity.field = 'ethnicity' AND f_ethnicity.golden = g."ethnicity"
LEFT
JOIN address_text as_residence_address ON as_residence_address.text = s."residence_address"
LEFT
JOIN address_text ag_residence_address ON ag_residence_address.text = g."residence_address" 
WHERE s.system_id = 'volunteer' AND s.dataset = 'members' AND s.role = 'person'), e AS (SELECT record_key, master_id, changed || returned AS changes, md5(concat_ws('|', base,
CASE WHEN len(returned) > 0 THEN written_at::VARCHAR END)) AS base
FROM d)
SELECT 'volunteer', 'members', 'person', 'person', master_id, record_key, 'update', to_json(changes)::VARCHAR, base, concat_ws(':', 'volunteer', record_key, 'person', md5(to_json(changes)::VARCHAR), base)
FROM e
WHERE len(changes) > 0
