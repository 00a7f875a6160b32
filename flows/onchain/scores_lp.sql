-- A score looks at the last LP row up to its block: this one, until the next.
SELECT m.chain_id, m.pool, m.block_number
FROM change c CROSS JOIN moments m ON m.chain_id = c.chain_id AND m.pool = c.pool AND m.block_number >= c.block_number
 AND m.block_number < coalesce((SELECT min(n.block_number) FROM lp n
       WHERE n.chain_id = c.chain_id AND n.pool = c.pool AND n.block_number > c.block_number), 9223372036854775807)
