SELECT s.chain_id, s.pool, s.block_number
FROM change c JOIN syncs s ON s.chain_id = c.chain_id AND s.pool = c.pool
UNION ALL
SELECT l.chain_id, l.pool, l.block_number
FROM change c JOIN lp l ON l.chain_id = c.chain_id AND l.pool = c.pool
