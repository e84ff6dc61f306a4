SELECT master_id, (max(((greatest(CASE WHEN "id_type" IS NOT NULL THEN rank_id_type END,
CASE WHEN "id_number" IS NOT NULL THEN rank_id_number END))::BIGINT << 44) + ordinal) FILTER (WHERE "id_type" IS NOT NULL OR "id_number" IS NOT NULL)) & 17592186044415 AS won_id_type, (max(((rank_phone)::BIGINT << 44) + ordinal) FILTER (WHERE "phone" IS NOT NULL)) & 17592186044415 AS won_phone, (max(((CASE WHEN rank_residence_address = 0 THEN 0 ELSE (coalesce(depth_residence_address, 0) << 8) + rank_residence_address END)::BIGINT << 44) + ordinal) FILTER (WHERE "residence_address" IS NOT NULL)) & 17592186044415 AS won_residence_address
FROM claim
GROUP BY master_id
