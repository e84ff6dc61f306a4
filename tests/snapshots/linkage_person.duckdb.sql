-- (result)
SELECT DISTINCT
  text
FROM (
  SELECT
    name AS text
  FROM std_person
  WHERE
    NOT name IS NULL
  UNION
  SELECT
    used_name AS text
  FROM std_person
  WHERE
    NOT used_name IS NULL
) AS t;

-- (result)
SELECT DISTINCT
  text
FROM (
  SELECT
    residence_address AS text
  FROM std_person
  WHERE
    NOT residence_address IS NULL
  UNION
  SELECT
    registered_address AS text
  FROM std_person
  WHERE
    NOT registered_address IS NULL
) AS t;

-- place
SELECT
  text,
  CASE
    WHEN NOT room IS NULL AND NOT normal_key IS NULL
    THEN HASH(normal_key, '~' || normal_key)
  END AS flat,
  CASE
    WHEN NOT building IS NULL AND NOT COALESCE(road || road_no, compound) IS NULL
    THEN HASH(COALESCE(road || road_no, compound), building)
  END AS building,
  CASE
    WHEN NOT COALESCE(road || road_no, compound) IS NULL
    THEN HASH(COALESCE(road || road_no, compound))
  END AS site
FROM address_text;

-- said
SELECT
  HASH(s.system_id, s.record_key, s.role) AS rid,
  s.system_id,
  s.record_key,
  s.role,
  CASE WHEN NOT s.id_number IS NULL THEN HASH(s.id_number) END AS number,
  CASE WHEN NOT s.name IS NULL THEN HASH(s.name) END AS name,
  CASE WHEN NOT n_name.folded IS NULL THEN HASH(n_name.folded) END AS name_folded,
  CASE WHEN NOT n_name.pinyin IS NULL THEN HASH(n_name.pinyin) END AS name_pinyin,
  CASE WHEN NOT n_name.pinyin_fuzzy IS NULL THEN HASH(n_name.pinyin_fuzzy) END AS name_sound,
  CASE WHEN NOT n_name.surname IS NULL THEN HASH(n_name.surname) END AS name_surname,
  CASE WHEN NOT n_used_name.folded IS NULL THEN HASH(n_used_name.folded) END AS name_used,
  s.name AS name_text,
  CASE
    WHEN NOT COALESCE(s.birth_date, CAST(NULL AS TEXT)) IS NULL
    THEN HASH(COALESCE(s.birth_date, CAST(NULL AS TEXT)))
  END AS birth,
  CAST(SUBSTRING(COALESCE(s.birth_date, CAST(NULL AS TEXT)), 1, 4) AS SMALLINT) AS birth_y,
  CAST(SUBSTRING(COALESCE(s.birth_date, CAST(NULL AS TEXT)), 6, 2) AS SMALLINT) AS birth_m,
  CAST(SUBSTRING(COALESCE(s.birth_date, CAST(NULL AS TEXT)), 9, 2) AS SMALLINT) AS birth_d,
  CASE WHEN s.sex IN ('1', '2') THEN CAST(s.sex AS SMALLINT) END AS sex,
  CASE WHEN NOT s.phone IS NULL THEN HASH(s.phone) END AS phone,
  p_residence_address.flat AS residence_flat,
  p_residence_address.building AS residence_building,
  p_residence_address.site AS residence_site,
  p_registered_address.flat AS registered_flat,
  p_registered_address.building AS registered_building,
  p_registered_address.site AS registered_site,
  CASE WHEN NOT s.household_no IS NULL THEN HASH(s.household_no) END AS household,
  COALESCE(q.rarity, 2.0) AS name_rarity,
  CAST(CASE
    WHEN NOT CAST(NULL AS TEXT) IS NULL
    THEN 0
    WHEN NOT CAST(NULL AS TEXT) IS NULL
    THEN 1
  END AS SMALLINT) AS number_hint,
  COALESCE(CAST(NULL AS TEXT), CAST(NULL AS TEXT)) AS number_text,
  CASE
    WHEN NOT COALESCE(
      CASE
        WHEN LENGTH(CAST(NULL AS TEXT)) = 18
        THEN SUBSTRING(CAST(NULL AS TEXT), 1, 14)
      END,
      CAST(NULL AS TEXT)
    ) IS NULL
    THEN HASH(
      COALESCE(
        CASE
          WHEN LENGTH(CAST(NULL AS TEXT)) = 18
          THEN SUBSTRING(CAST(NULL AS TEXT), 1, 14)
        END,
        CAST(NULL AS TEXT)
      )
    )
  END AS number_head,
  CASE
    WHEN NOT COALESCE(
      CASE
        WHEN LENGTH(CAST(NULL AS TEXT)) = 18
        THEN SUBSTRING(CAST(NULL AS TEXT), 15, 4)
      END,
      CAST(NULL AS TEXT)
    ) IS NULL
    THEN HASH(
      COALESCE(
        CASE
          WHEN LENGTH(CAST(NULL AS TEXT)) = 18
          THEN SUBSTRING(CAST(NULL AS TEXT), 15, 4)
        END,
        CAST(NULL AS TEXT)
      )
    )
  END AS number_tail
FROM std_person AS s
LEFT JOIN name_form AS n_name
  ON n_name.text = s.name
LEFT JOIN name_form AS n_used_name
  ON n_used_name.text = s.used_name
LEFT JOIN place AS p_residence_address
  ON p_residence_address.text = s.residence_address
LEFT JOIN place AS p_registered_address
  ON p_registered_address.text = s.registered_address
LEFT JOIN name_rarity AS q
  ON q.folded = n_name.folded
  AND q.sex = COALESCE(CASE WHEN s.sex IN ('1', '2') THEN s.sex END, '')
  AND q.decade = COALESCE(SUBSTRING(s.birth_date, 1, 3), '');

-- numbered
SELECT
  rid,
  number,
  name_folded AS name,
  name_sound AS sound,
  name_surname AS surname,
  name_used AS used,
  phone,
  residence_flat AS flat,
  name_text
FROM said
WHERE
  NOT number IS NULL;

-- disputed
SELECT
  number
FROM numbered
WHERE
  NOT name IS NULL
GROUP BY
  number
HAVING
  MIN(name) <> MAX(name);

-- vote
SELECT
  v.number,
  v.name,
  COUNT(*) AS n,
  MIN(v.name_text) AS name_text,
  MIN(v.surname) AS surname
FROM numbered AS v
JOIN disputed AS d
  ON d.number = v.number
WHERE
  NOT v.name IS NULL
  AND NOT EXISTS(
    SELECT
      1
    FROM numbered AS u
    WHERE
      u.number = v.number AND u.used = v.name
  )
GROUP BY
  v.number,
  v.name;

-- ranked
SELECT
  number,
  name,
  name_text,
  surname,
  n,
  ROW_NUMBER() OVER (PARTITION BY number ORDER BY n DESC, name_text DESC) AS place
FROM vote;

-- doubt
SELECT
  v.*
FROM numbered AS v
JOIN ranked AS k
  ON k.number = v.number AND k.name = v.name;

-- elsewhere
WITH own AS (
  SELECT DISTINCT
    d.number,
    d.name
  FROM doubt AS d
  JOIN (
    SELECT
      e.*
    FROM numbered AS e
    WHERE
      e.sound IN (
        SELECT
          sound
        FROM doubt
      )
  ) AS o
    ON o.sound = d.sound
    AND o.number <> d.number
    AND (
      o.phone = d.phone OR o.flat = d.flat
    )
  LEFT JOIN ranked AS k
    ON k.number = o.number AND k.name = o.name
  WHERE
    k.place IS NULL OR k.place = 1
), left_over AS (
  SELECT
    k.number,
    COUNT(*) AS n
  FROM ranked AS k
  LEFT JOIN own AS w
    ON w.number = k.number AND w.name = k.name
  WHERE
    w.name IS NULL
  GROUP BY
    k.number
)
SELECT
  w.number,
  w.name
FROM own AS w
JOIN ranked AS k
  ON k.number = w.number AND k.name = w.name
LEFT JOIN left_over AS l
  ON l.number = w.number
WHERE
  NOT l.n IS NULL OR k.place > 1;

-- outvoted
SELECT
  v.number,
  v.name,
  t.name AS top,
  v.name_text,
  t.name_text AS top_text
FROM ranked AS v
JOIN ranked AS t
  ON t.number = v.number AND t.place = 1
WHERE
  v.name <> t.name
  AND t.n > 2 * v.n
  AND (
    v.surname <> t.surname
    OR NOT EXISTS(
      SELECT
        1
      FROM doubt AS a
      JOIN doubt AS b
        ON b.number = a.number AND (
          b.phone = a.phone OR b.flat = a.flat
        )
      WHERE
        a.number = v.number AND a.name = v.name AND b.name = t.name
    )
  );

-- (result)
SELECT DISTINCT
  name_text,
  top_text
FROM outvoted;

-- foreign_rid
SELECT
  r.rid
FROM numbered AS r
JOIN elsewhere AS e
  ON e.number = r.number AND e.name = r.name
UNION
SELECT
  r.rid
FROM numbered AS r
JOIN outvoted AS o
  ON o.number = r.number AND o.name = r.name
JOIN stranger AS x
  ON x.name_text = o.name_text AND x.top_text = o.top_text
WHERE
  r.used IS NULL OR r.used <> o.top;

-- busy
SELECT
  phone AS phone
FROM said
WHERE
  NOT phone IS NULL
GROUP BY
  phone
HAVING
  COUNT(*) > 4;

-- many_phone
SELECT
  s.phone AS phone
FROM said AS s
JOIN busy AS b
  ON b.phone = s.phone
GROUP BY
  s.phone
HAVING
  COUNT(DISTINCT s.name_folded) > 4;

-- comparable
SELECT
  c.*,
  CASE
    WHEN NOT name_folded IS NULL AND NOT birth IS NULL
    THEN HASH(name_folded, birth)
  END AS k_name_birth,
  CASE WHEN NOT phone IS NULL THEN HASH(phone) END AS k_phone
FROM (
  SELECT
    r.rid,
    r.system_id,
    r.record_key,
    r.role,
    r.number,
    r.name,
    r.name_folded,
    r.name_pinyin,
    r.name_sound,
    r.name_surname,
    r.name_used,
    r.name_text,
    CASE WHEN f.rid IS NULL THEN r.birth END AS birth,
    CASE WHEN f.rid IS NULL THEN r.birth_y END AS birth_y,
    CASE WHEN f.rid IS NULL THEN r.birth_m END AS birth_m,
    CASE WHEN f.rid IS NULL THEN r.birth_d END AS birth_d,
    CASE WHEN f.rid IS NULL THEN r.sex END AS sex,
    r.phone,
    r.residence_flat,
    r.residence_building,
    r.residence_site,
    r.registered_flat,
    r.registered_building,
    r.registered_site,
    r.household,
    r.name_rarity,
    CASE WHEN f.rid IS NULL THEN r.number_hint END AS number_hint,
    CASE WHEN f.rid IS NULL THEN r.number_text END AS number_text,
    CASE WHEN f.rid IS NULL THEN r.number_head END AS number_head,
    CASE WHEN f.rid IS NULL THEN r.number_tail END AS number_tail,
    CASE WHEN f.rid IS NULL THEN r.number END AS label,
    NOT m_phone.phone IS NULL AS phone_shared
  FROM said AS r
  LEFT JOIN foreign_rid AS f
    ON f.rid = r.rid
  LEFT JOIN many_phone AS m_phone
    ON m_phone.phone = r.phone
) AS c;

-- unlabelled
SELECT
  *
FROM comparable
WHERE
  label IS NULL;

-- hub
SELECT
  'name_birth' AS rule,
  k_name_birth AS k,
  COUNT(*) AS n
FROM comparable
WHERE
  k_name_birth IN (
    SELECT
      k_name_birth
    FROM unlabelled
    WHERE
      NOT k_name_birth IS NULL
  )
GROUP BY
  k_name_birth
HAVING
  COUNT(*) > 200
UNION ALL
SELECT
  'phone' AS rule,
  k_phone AS k,
  COUNT(*) AS n
FROM comparable
WHERE
  k_phone IN (
    SELECT
      k_phone
    FROM unlabelled
    WHERE
      NOT k_phone IS NULL
  )
GROUP BY
  k_phone
HAVING
  COUNT(*) > 60;

-- proposer
SELECT
  p.*,
  CASE WHEN h_name_birth.k IS NULL THEN p.k_name_birth END AS e_name_birth,
  CASE WHEN h_phone.k IS NULL THEN p.k_phone END AS e_phone
FROM unlabelled AS p
LEFT JOIN hub AS h_name_birth
  ON h_name_birth.rule = 'name_birth' AND h_name_birth.k = p.k_name_birth
LEFT JOIN hub AS h_phone
  ON h_phone.rule = 'phone' AND h_phone.k = p.k_phone;

-- scored
SELECT
  *
FROM (
  SELECT
    l.rid AS l,
    r.rid AS r,
    CASE
      WHEN NOT (
        NOT l.name IS NULL AND NOT r.name IS NULL
      )
      THEN 0
      WHEN l.name = r.name
      THEN 1
      WHEN l.name_folded = r.name_folded
      THEN 2
      WHEN (
        l.name_folded = r.name_used OR l.name_used = r.name_folded
      )
      THEN 3
      WHEN l.name_pinyin = r.name_pinyin
      THEN 4
      WHEN l.name_sound = r.name_sound
      THEN 5
      ELSE 99
    END AS g_name,
    CASE
      WHEN NOT (
        NOT l.birth_y IS NULL AND NOT r.birth_y IS NULL
      )
      THEN 0
      WHEN l.birth_y = r.birth_y AND l.birth_m = r.birth_m AND l.birth_d = r.birth_d
      THEN 1
      WHEN l.birth_y = r.birth_y AND l.birth_m = r.birth_d AND l.birth_d = r.birth_m
      THEN 2
      WHEN l.birth_y = r.birth_y
      AND (
        (
          l.birth_m = 1 AND l.birth_d = 1
        ) OR (
          r.birth_m = 1 AND r.birth_d = 1
        )
      )
      THEN 3
      WHEN (
        l.birth_y = r.birth_y AND (
          l.birth_m = r.birth_m OR l.birth_d = r.birth_d
        )
      )
      OR (
        l.birth_m = r.birth_m
        AND l.birth_d = r.birth_d
        AND NOT (
          l.birth_m = 1 AND l.birth_d = 1
        )
      )
      THEN 4
      WHEN l.birth_y = r.birth_y
      THEN 5
      ELSE 6
    END AS g_birth,
    CASE
      WHEN NOT (
        NOT l.phone IS NULL AND NOT r.phone IS NULL
      )
      THEN 0
      WHEN l.phone = r.phone AND NOT l.phone_shared
      THEN 1
      WHEN l.phone = r.phone
      THEN 2
      ELSE 3
    END AS g_phone,
    LEAST(l.name_rarity, r.name_rarity) AS rarity_name
  FROM proposer AS l
  JOIN comparable AS r
    ON l.e_name_birth = r.k_name_birth
  WHERE
    l.rid <> r.rid
    AND (
      l.label IS NULL OR r.label IS NULL
    )
    AND (
      NOT r.label IS NULL OR l.rid < r.rid
    )
  UNION ALL
  SELECT
    l.rid AS l,
    r.rid AS r,
    CASE
      WHEN NOT (
        NOT l.name IS NULL AND NOT r.name IS NULL
      )
      THEN 0
      WHEN l.name = r.name
      THEN 1
      WHEN l.name_folded = r.name_folded
      THEN 2
      WHEN (
        l.name_folded = r.name_used OR l.name_used = r.name_folded
      )
      THEN 3
      WHEN l.name_pinyin = r.name_pinyin
      THEN 4
      WHEN l.name_sound = r.name_sound
      THEN 5
      ELSE 99
    END AS g_name,
    CASE
      WHEN NOT (
        NOT l.birth_y IS NULL AND NOT r.birth_y IS NULL
      )
      THEN 0
      WHEN l.birth_y = r.birth_y AND l.birth_m = r.birth_m AND l.birth_d = r.birth_d
      THEN 1
      WHEN l.birth_y = r.birth_y AND l.birth_m = r.birth_d AND l.birth_d = r.birth_m
      THEN 2
      WHEN l.birth_y = r.birth_y
      AND (
        (
          l.birth_m = 1 AND l.birth_d = 1
        ) OR (
          r.birth_m = 1 AND r.birth_d = 1
        )
      )
      THEN 3
      WHEN (
        l.birth_y = r.birth_y AND (
          l.birth_m = r.birth_m OR l.birth_d = r.birth_d
        )
      )
      OR (
        l.birth_m = r.birth_m
        AND l.birth_d = r.birth_d
        AND NOT (
          l.birth_m = 1 AND l.birth_d = 1
        )
      )
      THEN 4
      WHEN l.birth_y = r.birth_y
      THEN 5
      ELSE 6
    END AS g_birth,
    CASE
      WHEN NOT (
        NOT l.phone IS NULL AND NOT r.phone IS NULL
      )
      THEN 0
      WHEN l.phone = r.phone AND NOT l.phone_shared
      THEN 1
      WHEN l.phone = r.phone
      THEN 2
      ELSE 3
    END AS g_phone,
    LEAST(l.name_rarity, r.name_rarity) AS rarity_name
  FROM proposer AS l
  JOIN comparable AS r
    ON l.e_phone = r.k_phone
  WHERE
    l.rid <> r.rid
    AND (
      l.label IS NULL OR r.label IS NULL
    )
    AND (
      NOT r.label IS NULL OR l.rid < r.rid
    )
    AND NOT COALESCE(l.e_name_birth = r.k_name_birth, FALSE)
) AS p
WHERE
  -17.0e0 + CASE
    WHEN (
      g_phone = 1
    )
    THEN CASE g_name
      WHEN 1
      THEN 14.0e0 + rarity_name
      WHEN 6
      THEN -4.0e0
      WHEN 10
      THEN -9.0e0
      WHEN 99
      THEN 0.0e0
      ELSE 0
    END
    ELSE CASE g_name
      WHEN 1
      THEN 14.0e0 + rarity_name
      WHEN 6
      THEN 2.0e0
      WHEN 10
      THEN -9.0e0
      WHEN 99
      THEN 2.0e0
      ELSE 0
    END
  END + CASE g_birth WHEN 1 THEN 14.0e0 WHEN 6 THEN -8.0e0 ELSE 0 END + CASE g_phone WHEN 1 THEN 17.5e0 WHEN 3 THEN -1.5e0 ELSE 0 END >= 3.0;

-- open_pair
SELECT
  p.l,
  p.r,
  LEAST(a.name_text, b.name_text) AS one,
  GREATEST(a.name_text, b.name_text) AS other,
  CASE WHEN a.name_surname = b.name_surname THEN 9 ELSE 10 END AS worse
FROM scored AS p
JOIN comparable AS a
  ON a.rid = p.l
JOIN comparable AS b
  ON b.rid = p.r
WHERE
  p.g_name = 99;

-- (result)
SELECT DISTINCT
  one,
  other
FROM open_pair;

-- told_pair
SELECT
  o.l,
  o.r,
  CASE WHEN t.level IS NULL THEN o.worse ELSE t.level END AS level
FROM open_pair AS o
LEFT JOIN told AS t
  ON t.one = o.one AND t.other = o.other;

-- scored
SELECT
  p.l,
  p.r,
  CASE WHEN p.g_name = 99 THEN t.level ELSE p.g_name END AS g_name,
  p.g_birth,
  p.g_phone,
  p.rarity_name
FROM scored AS p
LEFT JOIN told_pair AS t
  ON t.l = p.l AND t.r = p.r;

-- scored
SELECT
  *
FROM (
  SELECT
    p.*,
    -17.0e0 + CASE
      WHEN (
        g_phone = 1
      )
      THEN CASE g_name
        WHEN 1
        THEN 14.0e0 + rarity_name
        WHEN 6
        THEN -4.0e0
        WHEN 10
        THEN -9.0e0
        WHEN 99
        THEN 0.0e0
        ELSE 0
      END
      ELSE CASE g_name
        WHEN 1
        THEN 14.0e0 + rarity_name
        WHEN 6
        THEN 2.0e0
        WHEN 10
        THEN -9.0e0
        WHEN 99
        THEN 2.0e0
        ELSE 0
      END
    END + CASE g_birth WHEN 1 THEN 14.0e0 WHEN 6 THEN -8.0e0 ELSE 0 END + CASE g_phone WHEN 1 THEN 17.5e0 WHEN 3 THEN -1.5e0 ELSE 0 END AS weight
  FROM scored AS p
) AS w
WHERE
  weight >= 3.0;

-- node_edge
SELECT
  LEAST(l, r) AS l,
  GREATEST(l, r) AS r,
  MAX(weight) AS weight
FROM (
  SELECT
    COALESCE(a.label, a.rid) AS l,
    COALESCE(b.label, b.rid) AS r,
    s.weight
  FROM scored AS s
  JOIN comparable AS a
    ON a.rid = s.l
  JOIN comparable AS b
    ON b.rid = s.r
  WHERE
    s.weight >= 9.5
) AS e
WHERE
  l <> r
GROUP BY
  LEAST(l, r),
  GREATEST(l, r);

-- node
SELECT
  COALESCE(label, rid) AS node,
  MIN(system_id || '/' || role || '/' || record_key) AS first,
  COUNT(*) AS size,
  MAX(CASE WHEN label IS NULL THEN 0 ELSE 1 END) AS labelled,
  MIN(birth_y) AS birth_y,
  MIN(birth_m) AS birth_m,
  MIN(birth_d) AS birth_d
FROM comparable
WHERE
  COALESCE(label, rid) IN (
    SELECT
      l
    FROM node_edge
    UNION
    SELECT
      r
    FROM node_edge
  )
GROUP BY
  COALESCE(label, rid);

-- (result)
SELECT
  *
FROM node;

-- (result)
SELECT
  *
FROM node_edge;

-- clustered
SELECT
  c.rid,
  COALESCE(n.component, COALESCE(label, rid)) AS component,
  COALESCE(n.cluster, COALESCE(label, rid)) AS cluster,
  CASE
    WHEN NOT c.label IS NULL
    THEN 'anchor'
    WHEN n.joined
    THEN 'match'
    ELSE 'single'
  END AS rule
FROM (
  SELECT
    rid,
    label
  FROM comparable
) AS c
LEFT JOIN node_cluster AS n
  ON n.node = COALESCE(label, rid);
