WITH w AS (SELECT master_id,
arg_max_null("id_type", ((greatest(CASE WHEN "id_type" IS NOT NULL THEN rank_id_type END,
CASE WHEN "id_number" IS NOT NULL THEN rank_id_number END))::BIGINT << 44) + ordinal) FILTER (WHERE "id_type" IS NOT NULL OR "id_number" IS NOT NULL) AS "id_type",
arg_max_null("id_number", ((greatest(CASE WHEN "id_type" IS NOT NULL THEN rank_id_type END,
CASE WHEN "id_number" IS NOT NULL THEN rank_id_number END))::BIGINT << 44) + ordinal) FILTER (WHERE "id_type" IS NOT NULL OR "id_number" IS NOT NULL) AS "id_number",
arg_max(ref, ((greatest(CASE WHEN "id_type" IS NOT NULL THEN rank_id_type END,
CASE WHEN "id_number" IS NOT NULL THEN rank_id_number END))::BIGINT << 44) + ordinal) FILTER (WHERE "id_type" IS NOT NULL OR "id_number" IS NOT NULL) AS ref_id_type,
arg_max("phone", ((rank_phone)::BIGINT << 44) + ordinal) FILTER (WHERE "phone" IS NOT NULL) AS "phone",
arg_max(ref, ((rank_phone)::BIGINT << 44) + ordinal) FILTER (WHERE "phone" IS NOT NULL) AS ref_phone,
arg_max("residence_address", ((CASE WHEN rank_residence_address = 0 THEN 0 ELSE (coalesce(depth_residence_address, 0) << 8) + rank_residence_address END)::BIGINT << 44) + ordinal) FILTER (WHERE "residence_address" IS NOT NULL) AS "residence_address",
arg_max(ref, ((CASE WHEN rank_residence_address = 0 THEN 0 ELSE (coalesce(depth_residence_address, 0) << 8) + rank_residence_address END)::BIGINT << 44) + ordinal) FILTER (WHERE "residence_address" IS NOT NULL) AS ref_residence_address
FROM claim
GROUP BY master_id)
SELECT master_id, "id_type", "id_number", "phone", "residence_address", '{' || concat_ws(',', NULL,
CASE WHEN "id_type" IS NOT NULL THEN '"id_type":' || to_json(ref_id_type)::VARCHAR END,
CASE WHEN "id_number" IS NOT NULL THEN '"id_number":' || to_json(ref_id_type)::VARCHAR END,
CASE WHEN "phone" IS NOT NULL THEN '"phone":' || to_json(ref_phone)::VARCHAR END,
CASE WHEN "residence_address" IS NOT NULL THEN '"residence_address":' || to_json(ref_residence_address)::VARCHAR END) || '}' AS provenance
FROM w
