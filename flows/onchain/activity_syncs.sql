-- A changed reserve belongs to its ten minutes, and the pool's next one starts from it.
SELECT c.chain_id, c.pool, c.at / 600000000 AS slot FROM change c
UNION ALL
SELECT c.chain_id, c.pool, n.at / 600000000 AS slot
FROM change c CROSS JOIN syncs n ON n.chain_id = c.chain_id
 AND (n.block_number, n.log_index) = (
       SELECT x.block_number, x.log_index FROM syncs x
       WHERE x.chain_id = c.chain_id AND x.pool = c.pool AND (x.block_number, x.log_index) > (c.block_number, c.log_index)
       ORDER BY x.block_number, x.log_index LIMIT 1)
