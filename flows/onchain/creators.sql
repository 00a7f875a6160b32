-- Who brought the first liquidity, and the block at which nine tenths of the quote reserve went at once, if it did.
SELECT k.chain_id, k.pool, l.creator, l.block_number,
       (SELECT m.block_number FROM moments m WHERE m.chain_id = k.chain_id AND m.pool = k.pool AND m.drop_ppm >= 900000
        ORDER BY m.block_number LIMIT 1) AS gone_block
FROM changed k
JOIN lp l ON l.chain_id = k.chain_id AND l.pool = k.pool
 AND l.block_number = (SELECT min(x.block_number) FROM lp x WHERE x.chain_id = k.chain_id AND x.pool = k.pool AND x.creator IS NOT NULL)
