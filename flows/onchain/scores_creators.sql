-- What became of a pool counts for its creator's other pools, too.
SELECT m.chain_id, m.pool, m.block_number
FROM change c
CROSS JOIN creators o ON o.chain_id = c.chain_id AND o.creator = c.creator
CROSS JOIN moments m ON m.chain_id = o.chain_id AND m.pool = o.pool
