-- A pool as it is now. Every part is one look into an index, however long the pool's history is.
SELECT k.chain_id, k.pool, p.token, c.creator, e.reserve0, e.reserve1, e.block_number AS last_block, e.log_index AS last_log,
       CASE p.quote_side WHEN 0 THEN b.reserve0 ELSE b.reserve1 END AS first_quote, b.block_number AS first_block, b.log_index AS first_log,
       (SELECT max(a.quote_max) FROM activity a WHERE a.chain_id = k.chain_id AND a.pool = k.pool) AS quote_max,
       d.drop_ppm, d.lost, d.lost_of, d.block_number AS drop_block, d.drop_log,
       t.syncs, t.buys, t.sells, (e.at - p.created_at) / 1000000 AS age_s
FROM changed k
JOIN pools p ON p.chain_id = k.chain_id AND p.pool = k.pool
JOIN totals t ON t.chain_id = k.chain_id AND t.pool = k.pool
JOIN syncs b ON b.chain_id = k.chain_id AND (b.block_number, b.log_index) = (
       SELECT x.block_number, x.log_index FROM syncs x WHERE x.chain_id = k.chain_id AND x.pool = k.pool AND x.block_number >= p.created_block
       ORDER BY x.block_number, x.log_index LIMIT 1)
JOIN syncs e ON e.chain_id = k.chain_id AND (e.block_number, e.log_index) = (
       SELECT x.block_number, x.log_index FROM syncs x WHERE x.chain_id = k.chain_id AND x.pool = k.pool AND x.block_number >= p.created_block
       ORDER BY x.block_number DESC, x.log_index DESC LIMIT 1)
LEFT JOIN creators c ON c.chain_id = k.chain_id AND c.pool = k.pool
LEFT JOIN moments d ON d.chain_id = k.chain_id AND d.pool = k.pool AND d.block_number = (
       SELECT x.block_number FROM moments x WHERE x.chain_id = k.chain_id AND x.pool = k.pool AND x.drop_ppm > 0
       ORDER BY x.drop_ppm DESC, x.block_number LIMIT 1)
