WITH ranks AS (SELECT system_id, role, max(rank) FILTER (WHERE field = 'id_type') AS rank_id_type, max(rank) FILTER (WHERE field = 'id_number') AS rank_id_number, max(rank) FILTER (WHERE field = 'phone') AS rank_phone, max(rank) FILTER (WHERE field = 'residence_address') AS rank_residence_address
FROM authority
WHERE entity_type = 'person'
GROUP BY system_id, role)
SELECT s.master_id, row_number() OVER (ORDER BY s.observed_at, s.system_id, s.record_key, s.role) AS ordinal, concat_ws('|', s.system_id, s.record_key, s.role, s.observed_at) AS ref,
CASE WHEN coalesce(a.rank_id_type, 20) >= 0 AND NOT coalesce(list_contains(o.fields, 'id_type'), false) AND NOT (s.system_id = 'entry' AND contains(s.record_key, '/')) THEN s."id_type" END AS "id_type",
CASE WHEN list_contains(e.fields, 'id_type') THEN 0 ELSE coalesce(a.rank_id_type, 20) + 1 END AS rank_id_type,
CASE WHEN coalesce(a.rank_id_number, 20) >= 0 AND NOT coalesce(list_contains(o.fields, 'id_number'), false) AND NOT (s.system_id = 'entry' AND contains(s.record_key, '/')) THEN s."id_number" END AS "id_number",
CASE WHEN list_contains(e.fields, 'id_number') THEN 0 ELSE coalesce(a.rank_id_number, 20) + 1 END AS rank_id_number,
CASE WHEN coalesce(a.rank_phone, 20) >= 0 AND NOT coalesce(list_contains(o.fields, 'phone'), false) THEN s."phone" END AS "phone",
CASE WHEN list_contains(e.fields, 'phone') THEN 0 ELSE coalesce(a.rank_phone, 20) + 1 END AS rank_phone,
CASE WHEN coalesce(a.rank_residence_address, 20) >= 0 AND NOT coalesce(list_contains(o.fields, 'residence_address'), false) THEN s."residence_address" END AS "residence_address",
CASE WHEN list_contains(e.fields, 'residence_address') THEN 0 ELSE coalesce(a.rank_residence_address, 20) + 1 END AS rank_residence_address, d_residence_address.depth AS depth_residence_address
FROM claim_source s
LEFT
JOIN ranks a ON a.system_id = s.system_id AND a.role = s.role
LEFT
JOIN echo e ON e.entity_type = 'person' AND e.system_id = s.system_id AND e.record_key = s.record_key AND e.role = s.role
LEFT
JOIN foreign_person o ON o.system_id = s.system_id AND o.record_key = s.record_key AND o.role = s.role
LEFT
JOIN claim_text d_residence_address ON d_residence_address.text = s."residence_address"
