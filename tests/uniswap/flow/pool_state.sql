-- One row a pool, from all its reserves so far.
-- Shares lost are compared as floor(2^160 * lost / previous). Reserves of WETH stay under 2^80, so two different
-- shares differ by more than 2^-160 and their floors differ too: the comparison is exact, and fits in 256 bits.
WITH weth AS (
  SELECT s.pool, s.block, s.log_index, s.reserve0, s.reserve1,
         CASE p.weth_side WHEN 0 THEN s.reserve0 ELSE s.reserve1 END AS amount
  FROM changed k JOIN pools p ON p.pool = k.pool JOIN syncs s ON s.pool = k.pool
), steps AS (
  SELECT *, lag(amount) OVER (PARTITION BY pool ORDER BY block, log_index) AS previous,
         row_number() OVER (PARTITION BY pool ORDER BY block DESC, log_index DESC) AS back
  FROM weth
), losses AS (
  SELECT pool, block, log_index, i256_sub(previous, amount) AS lost, previous,
         i256_div(i256_mul(i256_sub(previous, amount),
                           i256('1461501637330902918203684832716283019655932542976')), previous) AS share
  FROM steps WHERE amount < previous
), worst AS (
  SELECT *, row_number() OVER (PARTITION BY pool ORDER BY share DESC, block, log_index) AS place
  FROM losses
), totals AS (
  SELECT pool, count(*) AS syncs, max(amount) AS weth_max FROM steps GROUP BY pool
)
SELECT t.pool,
       (SELECT count(*) FROM balances b WHERE b.pool = t.pool AND b.balance > i256(0)) AS holders,
       t.syncs, l.reserve0, l.reserve1, t.weth_max,
       w.lost AS lost, w.previous AS lost_of, w.block AS lost_block, w.log_index AS lost_log_index
FROM totals t
JOIN steps l ON l.pool = t.pool AND l.back = 1
LEFT JOIN worst w ON w.pool = t.pool AND w.place = 1
