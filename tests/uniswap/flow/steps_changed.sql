-- A changed update has a step of its own, and is what the pool's next update starts from.
SELECT c.block, c.log_index FROM change c
UNION ALL
SELECT n.block, n.log_index
FROM change c JOIN syncs n ON n.pool = c.pool
 AND (n.block, n.log_index) = (SELECT x.block, x.log_index FROM syncs x
                               WHERE x.pool = c.pool AND (x.block, x.log_index) > (c.block, c.log_index)
                               ORDER BY x.block, x.log_index LIMIT 1)
