SELECT s.chain_id, s.pool, s.at / 600000000 AS slot
FROM change c JOIN syncs s ON s.chain_id = c.chain_id AND s.pool = c.pool
