-- A pool's LP tokens after each block in which some moved, by running sums over its own transfers only.
-- Insiders are the creator and whoever the creator gave LP tokens to, from that transfer on: handing them to a second
-- wallet hides nothing. What others brought in and still hold is supply minus the three.
WITH safe(holder, kind) AS (
  SELECT X'663a5c229c09b049e36dcc11a9b0d4a8eb9db214', 1 UNION ALL SELECT X'e2fe530c047f2d85298b07d9333c05737f1435fb', 1
  UNION ALL SELECT X'000000000000000000000000000000000000dead', 2
  UNION ALL SELECT X'0000000000000000000000000000000000000001', 2
),
moves AS MATERIALIZED (
  SELECT k.chain_id, k.pool, t.block_number, t.at, t.sender, t.receiver, t.amount,
         (SELECT f.receiver FROM transfers f WHERE f.chain_id = k.chain_id AND f.token = k.pool AND f.block_number >= p.created_block
            AND f.sender = X'0000000000000000000000000000000000000000'
            AND f.receiver <> X'0000000000000000000000000000000000000000'
          ORDER BY f.block_number, f.log_index LIMIT 1) AS creator,
         coalesce((SELECT s.kind FROM safe s WHERE s.holder = t.sender),
                  (SELECT 1 FROM lockers l WHERE l.chain_id = t.chain_id AND l.holder = t.sender), 0) AS from_safe,
         coalesce((SELECT s.kind FROM safe s WHERE s.holder = t.receiver),
                  (SELECT 1 FROM lockers l WHERE l.chain_id = t.chain_id AND l.holder = t.receiver), 0) AS to_safe,
         row_number() OVER (PARTITION BY k.chain_id, k.pool ORDER BY t.block_number, t.log_index) AS n
  FROM changed k
  CROSS JOIN pools p ON p.chain_id = k.chain_id AND p.pool = k.pool
  CROSS JOIN transfers t ON t.chain_id = k.chain_id AND t.token = k.pool
  WHERE t.amount < i256('340282366920938463463374607431768211456')
),
insiders AS MATERIALIZED (
  SELECT m.chain_id, m.pool, m.receiver AS holder, min(m.n) AS since
  FROM moves m
  WHERE (m.sender = m.creator OR m.receiver = m.creator) AND m.to_safe = 0 AND m.receiver <> m.pool
    AND m.receiver <> X'0000000000000000000000000000000000000000'
  GROUP BY m.chain_id, m.pool, m.receiver
),
signed AS (
  SELECT m.chain_id, m.pool, m.block_number, m.at, m.creator, m.n,
         CASE WHEN m.sender = X'0000000000000000000000000000000000000000' THEN m.amount ELSE i256(0) END AS made,
         CASE WHEN m.receiver = X'0000000000000000000000000000000000000000' THEN m.amount ELSE i256(0) END AS unmade,
         CASE WHEN r.holder IS NOT NULL THEN m.amount ELSE i256(0) END AS came,
         CASE WHEN s.holder IS NOT NULL THEN m.amount ELSE i256(0) END AS went,
         CASE WHEN m.to_safe = 1 THEN m.amount ELSE i256(0) END AS put, CASE WHEN m.from_safe = 1 THEN m.amount ELSE i256(0) END AS taken,
         CASE WHEN m.to_safe = 2 THEN m.amount ELSE i256(0) END AS burned,
         row_number() OVER (PARTITION BY m.chain_id, m.pool, m.block_number ORDER BY m.n DESC) AS back
  FROM moves m
  LEFT JOIN insiders r ON r.chain_id = m.chain_id AND r.pool = m.pool AND r.holder = m.receiver AND r.since <= m.n
  LEFT JOIN insiders s ON s.chain_id = m.chain_id AND s.pool = m.pool AND s.holder = m.sender AND s.since < m.n
),
sums AS (
  SELECT chain_id, pool, block_number, at, creator, n, back,
         i256_sum(i256_sub(made, unmade)) OVER so_far AS supply, i256_sum(i256_sub(came, went)) OVER so_far AS insiders,
         i256_sum(i256_sub(put, taken)) OVER so_far AS locked, i256_sum(burned) OVER so_far AS burned
  FROM signed
  WINDOW so_far AS (PARTITION BY chain_id, pool ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
SELECT chain_id, pool, block_number, at, creator, supply, insiders, locked, burned, n AS moves
FROM sums WHERE back = 1
