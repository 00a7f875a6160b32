-- One row a pool. Every part is one look into an index, however long the pool's history is.
SELECT c.pool,
       (SELECT count(*) FROM balances b WHERE b.pool = c.pool AND b.balance > i256(0)) AS holders,
       c.syncs, l.reserve0, l.reserve1,
       (SELECT max(m.weth) FROM steps m WHERE m.pool = c.pool) AS weth_max,
       w.lost, w.lost_of, w.block AS lost_block, w.log_index AS lost_log_index
FROM changed k
JOIN sync_counts c ON c.pool = k.pool
JOIN syncs l ON (l.block, l.log_index) = (SELECT x.block, x.log_index FROM syncs x WHERE x.pool = k.pool
                                          ORDER BY x.block DESC, x.log_index DESC LIMIT 1)
LEFT JOIN steps w ON (w.block, w.log_index) = (SELECT x.block, x.log_index FROM steps x
                                               WHERE x.pool = k.pool AND x.share IS NOT NULL
                                               ORDER BY x.share DESC, x.block, x.log_index LIMIT 1)
