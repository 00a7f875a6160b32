-- A pool is judged at the end of a block in which its LP tokens moved, one event took a fifth of its quote reserve, or its
-- age passed one of these marks (seconds) since the event before. Which blocks these are, the past alone decides.
WITH ages(mark) AS (VALUES
  (120), (300), (600), (1200), (1800), (2700), (3540), (7200), (10800), (14400), (21540), (32400), (43200), (64800), (86340),
  (129600), (172800), (259200), (345600), (518400), (691200), (1036800), (1382400), (2073600), (2764800), (4147200), (5529600),
  (8294400), (11059200), (16588800), (31536000), (63072000), (126144000)
),
here AS (
  SELECT k.chain_id, k.pool, k.block_number, s.at, s.log_index, p.quote_side,
         CASE p.quote_side WHEN 0 THEN s.reserve0 ELSE s.reserve1 END AS quote, row_number() OVER w AS n,
         lag(CASE p.quote_side WHEN 0 THEN s.reserve0 ELSE s.reserve1 END) OVER w AS quote_lag
  FROM changed k
  CROSS JOIN pools p ON p.chain_id = k.chain_id AND p.pool = k.pool
  CROSS JOIN syncs s ON s.chain_id = k.chain_id AND s.pool = k.pool AND s.block_number = k.block_number
  WINDOW w AS (PARTITION BY k.chain_id, k.pool, k.block_number ORDER BY s.log_index)
),
steps AS (
  SELECT h.chain_id, h.pool, h.block_number, h.at, h.log_index, h.n, h.quote, b.at AS at_before,
         coalesce(h.quote_lag, CASE h.quote_side WHEN 0 THEN b.reserve0 ELSE b.reserve1 END) AS quote_before
  FROM here h
  LEFT JOIN syncs b ON h.n = 1 AND b.chain_id = h.chain_id
   AND (b.block_number, b.log_index) = (
         SELECT x.block_number, x.log_index FROM syncs x WHERE x.chain_id = h.chain_id AND x.pool = h.pool
           AND x.block_number < h.block_number
         ORDER BY x.block_number DESC, x.log_index DESC LIMIT 1)
),
drops AS (
  SELECT s.*, CASE WHEN s.quote < s.quote_before
                   THEN i256_to_int(i256_div(i256_mul(i256_sub(s.quote_before, s.quote), i256(1000000)), s.quote_before))
                   ELSE 0 END AS drop_ppm
  FROM steps s
),
ranked AS (
  SELECT d.*, row_number() OVER (PARTITION BY d.chain_id, d.pool, d.block_number ORDER BY d.drop_ppm DESC, d.n) AS place,
         first_value(d.at_before) OVER (PARTITION BY d.chain_id, d.pool, d.block_number ORDER BY d.n) AS event_before,
         first_value(d.quote) OVER (PARTITION BY d.chain_id, d.pool, d.block_number ORDER BY d.n DESC) AS quote_end
  FROM drops d
)
SELECT r.chain_id, r.pool, r.block_number, r.at, p.token, (r.at - p.created_at) / 1000000 AS age_s, r.quote_end AS quote, r.drop_ppm,
       CASE WHEN r.drop_ppm > 0 THEN r.log_index END AS drop_log,
       CASE WHEN r.drop_ppm > 0 THEN i256_sub(r.quote_before, r.quote) END AS lost,
       CASE WHEN r.drop_ppm > 0 THEN r.quote_before END AS lost_of
FROM ranked r
JOIN pools p ON p.chain_id = r.chain_id AND p.pool = r.pool
WHERE r.place = 1 AND (
      r.drop_ppm >= 200000
   OR EXISTS (SELECT 1 FROM ages a WHERE r.at >= p.created_at + a.mark * 1000000
                AND (r.event_before IS NULL OR r.event_before < p.created_at + a.mark * 1000000))
   OR EXISTS (SELECT 1 FROM lp l WHERE l.chain_id = r.chain_id AND l.pool = r.pool AND l.block_number = r.block_number))
UNION ALL
SELECT l.chain_id, l.pool, l.block_number, l.at, p.token, (l.at - p.created_at) / 1000000 AS age_s,
       CASE p.quote_side WHEN 0 THEN b.reserve0 ELSE b.reserve1 END AS quote, 0 AS drop_ppm, NULL AS drop_log, NULL AS lost, NULL AS lost_of
FROM changed k
JOIN pools p ON p.chain_id = k.chain_id AND p.pool = k.pool
JOIN lp l ON l.chain_id = k.chain_id AND l.pool = k.pool AND l.block_number = k.block_number
LEFT JOIN syncs b ON b.chain_id = l.chain_id
 AND (b.block_number, b.log_index) = (
       SELECT x.block_number, x.log_index FROM syncs x WHERE x.chain_id = l.chain_id AND x.pool = l.pool AND x.block_number < l.block_number
       ORDER BY x.block_number DESC, x.log_index DESC LIMIT 1)
WHERE NOT EXISTS (SELECT 1 FROM syncs s WHERE s.chain_id = l.chain_id AND s.pool = l.pool AND s.block_number = l.block_number)
