SELECT c.chain_id, c.pool, c.block_number FROM change c
UNION ALL
SELECT c.chain_id, c.pool,
       (SELECT n.block_number FROM syncs n WHERE n.chain_id = c.chain_id AND n.pool = c.pool
          AND (n.block_number, n.log_index) > (c.block_number, c.log_index)
        ORDER BY n.block_number, n.log_index LIMIT 1) AS block_number
FROM change c
