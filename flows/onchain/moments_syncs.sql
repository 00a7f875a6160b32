-- A changed reserve makes its own block, the pool's next event, and blocks between them in which only LP tokens moved.
SELECT c.chain_id, c.pool, c.block_number FROM change c
UNION ALL
SELECT c.chain_id, c.pool,
       (SELECT n.block_number FROM syncs n WHERE n.chain_id = c.chain_id AND n.pool = c.pool
          AND (n.block_number, n.log_index) > (c.block_number, c.log_index)
        ORDER BY n.block_number, n.log_index LIMIT 1) AS block_number
FROM change c
UNION ALL
SELECT c.chain_id, c.pool, l.block_number
FROM change c CROSS JOIN lp l ON l.chain_id = c.chain_id AND l.pool = c.pool AND l.block_number > c.block_number
 AND l.block_number < coalesce((SELECT min(n.block_number) FROM syncs n
       WHERE n.chain_id = c.chain_id AND n.pool = c.pool AND n.block_number > c.block_number), 9223372036854775807)
