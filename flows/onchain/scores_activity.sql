-- A score looks at the whole tens of minutes of the day before it.
SELECT m.chain_id, m.pool, m.block_number
FROM change c CROSS JOIN moments m ON m.chain_id = c.chain_id AND m.pool = c.pool
 AND m.at >= (c.slot + 1) * 600000000 AND m.at < (c.slot + 145) * 600000000
