-- The worst of the token's pools by their last score. known_at_block: no later block had a part in it.
WITH last AS (
  SELECT s.chain_id, s.token, s.pool, s.score, s.block_number, s.at, s.reasons,
         row_number() OVER (PARTITION BY k.chain_id, k.token ORDER BY s.score DESC, s.pool) AS place
  FROM changed k
  JOIN pools p ON p.chain_id = k.chain_id AND p.token = k.token
  JOIN scores s ON s.chain_id = p.chain_id AND s.pool = p.pool AND s.block_number = (
        SELECT max(x.block_number) FROM scores x WHERE x.chain_id = p.chain_id AND x.pool = p.pool)
)
SELECT chain_id, token, pool, score, block_number AS known_at_block, at AS known_at, reasons FROM last WHERE place = 1
