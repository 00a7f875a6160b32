-- A moment has a score, and the loss of half the reserve counts from then on.
SELECT c.chain_id, c.pool, c.block_number FROM change c
UNION ALL
SELECT m.chain_id, m.pool, m.block_number
FROM change c CROSS JOIN moments m ON m.chain_id = c.chain_id AND m.pool = c.pool AND m.block_number > c.block_number
WHERE c.drop_ppm >= 500000
