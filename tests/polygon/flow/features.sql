-- Nothing later than 24 hours after the pool's creation has a part in it. README.md says what each feature is.
WITH window_of AS (
  SELECT k.pool, t.sender, t.receiver, t.amount, t.at, p.created_at
  FROM changed k CROSS JOIN pools p ON p.pool = k.pool
  CROSS JOIN transfers t ON t.token = p.token AND t.at <= p.created_at + 86400000000
),
moved AS (
  SELECT pool, count(*) AS transfers, i256_sum(amount) AS amount, (min(created_at) - min(at)) / 1000000 AS age
  FROM window_of GROUP BY pool
),
balances AS (
  SELECT pool, holder, i256_sum(amount) AS balance
  FROM (SELECT pool, receiver AS holder, amount FROM window_of
        UNION ALL SELECT pool, sender AS holder, i256_neg(amount) AS amount FROM window_of) AS both_sides
  GROUP BY pool, holder
),
supplies AS (
  SELECT pool, -i256_to_real(i256_sum(balance)) AS supply FROM balances
  WHERE holder = X'0000000000000000000000000000000000000000' GROUP BY pool
),
shares AS (
  SELECT b.pool, sum((i256_to_real(b.balance) / s.supply) * (i256_to_real(b.balance) / s.supply)) AS curve
  FROM balances b JOIN supplies s ON s.pool = b.pool
  WHERE s.supply <> 0 AND b.holder NOT IN (X'0000000000000000000000000000000000000000', X'000000000000000000000000000000000000dead')
  GROUP BY b.pool
),
degrees AS (
  SELECT l.pool, l.a AS node, count(CASE WHEN l.a <> l.b THEN 1 END) AS degree
  FROM changed k CROSS JOIN links l ON l.pool = k.pool GROUP BY l.pool, l.a
),
triangles AS MATERIALIZED (
  SELECT e.pool, e.a, e.b, f.b AS c
  FROM changed k CROSS JOIN links e ON e.pool = k.pool AND e.b > e.a
  CROSS JOIN links f ON f.pool = e.pool AND f.a = e.b AND f.b > e.b
  CROSS JOIN links g ON g.pool = e.pool AND g.a = e.a AND g.b = f.b
),
corners AS (
  SELECT pool, node, count(*) AS found
  FROM (SELECT pool, a AS node FROM triangles UNION ALL SELECT pool, b AS node FROM triangles
        UNION ALL SELECT pool, c AS node FROM triangles) AS ends
  GROUP BY pool, node
),
clusters AS (
  SELECT d.pool, count(*) AS nodes, sum(coalesce(2.0 * c.found / (d.degree * (d.degree - 1)), 0.0)) / count(*) AS coefficient
  FROM degrees d LEFT JOIN corners c ON c.pool = d.pool AND c.node = d.node
  GROUP BY d.pool
)
SELECT k.pool,
       (SELECT count(*) FROM events e WHERE e.pool = k.pool AND e.event = 'mint' AND e.at <= p.created_at + 86400000000) AS num_mints,
       (SELECT count(*) FROM events e WHERE e.pool = k.pool AND e.event = 'burn' AND e.at <= p.created_at + 86400000000) AS num_burns,
       (SELECT count(*) FROM events e WHERE e.pool = k.pool AND e.event = 'swap' AND e.at <= p.created_at + 86400000000) AS num_swaps,
       coalesce(m.transfers, 0) AS num_transactions, coalesce(c.nodes, 0) AS n_unique_addresses, h.curve AS tx_curve,
       c.coefficient AS avg_cluster_coeff,
       CASE WHEN s.supply <> 0 THEN i256_to_real(m.amount) / m.transfers / s.supply END AS avg_transaction_value,
       m.age AS difference_token_pool
FROM changed k
JOIN pools p ON p.pool = k.pool
LEFT JOIN moved m ON m.pool = k.pool
LEFT JOIN supplies s ON s.pool = k.pool
LEFT JOIN shares h ON h.pool = k.pool
LEFT JOIN clusters c ON c.pool = k.pool
