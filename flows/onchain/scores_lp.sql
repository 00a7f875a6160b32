SELECT m.chain_id, m.pool, m.block_number
FROM change c JOIN moments m ON m.chain_id = c.chain_id AND m.pool = c.pool AND m.block_number >= c.block_number
