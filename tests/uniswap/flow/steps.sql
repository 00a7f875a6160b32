-- The share lost is compared as floor(2^160 * lost / previous). Reserves of WETH stay under 2^80, so two different
-- shares differ by more than 2^-160 and their floors differ too: the comparison is exact, and fits in 256 bits.
WITH here AS (
  SELECT s.block, s.log_index, s.pool, CASE p.weth_side WHEN 0 THEN s.reserve0 ELSE s.reserve1 END AS weth,
         (SELECT CASE p.weth_side WHEN 0 THEN b.reserve0 ELSE b.reserve1 END FROM syncs b
          WHERE b.pool = s.pool AND (b.block, b.log_index) < (s.block, s.log_index)
          ORDER BY b.block DESC, b.log_index DESC LIMIT 1) AS previous
  FROM changed k
  JOIN syncs s ON s.block = k.block AND s.log_index = k.log_index
  JOIN pools p ON p.pool = s.pool
)
SELECT block, log_index, pool, weth,
       CASE WHEN weth < previous THEN i256_sub(previous, weth) END AS lost,
       CASE WHEN weth < previous THEN previous END AS lost_of,
       CASE WHEN weth < previous THEN
         i256_div(i256_mul(i256_sub(previous, weth), i256('1461501637330902918203684832716283019655932542976')), previous)
       END AS share
FROM here
