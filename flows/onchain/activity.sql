-- What ten minutes did to a pool's reserves: each event against the one before it.
-- (chain_id + 0 keeps a planner without statistics from walking the whole chain in its order.)
WITH here AS (
  SELECT k.chain_id, k.pool, k.slot, s.at, s.block_number, s.log_index, p.quote_side,
         CASE p.quote_side WHEN 0 THEN s.reserve0 ELSE s.reserve1 END AS quote,
         CASE p.quote_side WHEN 0 THEN s.reserve1 ELSE s.reserve0 END AS base,
         row_number() OVER w AS n,
         lag(CASE p.quote_side WHEN 0 THEN s.reserve0 ELSE s.reserve1 END) OVER w AS quote_lag,
         lag(CASE p.quote_side WHEN 0 THEN s.reserve1 ELSE s.reserve0 END) OVER w AS base_lag
  FROM changed k
  CROSS JOIN pools p ON p.chain_id = k.chain_id AND p.pool = k.pool
  CROSS JOIN syncs s ON s.chain_id + 0 = k.chain_id AND s.pool = k.pool AND s.at >= k.slot * 600000000 AND s.at < (k.slot + 1) * 600000000
  WINDOW w AS (PARTITION BY k.chain_id, k.pool, k.slot ORDER BY s.block_number, s.log_index)
),
steps AS (
  SELECT h.chain_id, h.pool, h.slot, h.n, h.quote, h.base,
         row_number() OVER (PARTITION BY h.chain_id, h.pool, h.slot ORDER BY h.n DESC) AS back,
         coalesce(h.quote_lag, CASE h.quote_side WHEN 0 THEN b.reserve0 ELSE b.reserve1 END) AS quote_before,
         coalesce(h.base_lag, CASE h.quote_side WHEN 0 THEN b.reserve1 ELSE b.reserve0 END) AS base_before
  FROM here h
  LEFT JOIN syncs b ON h.n = 1 AND b.chain_id = h.chain_id
   AND (b.block_number, b.log_index) = (
         SELECT x.block_number, x.log_index FROM syncs x WHERE x.chain_id = h.chain_id AND x.pool = h.pool
           AND (x.block_number, x.log_index) < (h.block_number, h.log_index)
         ORDER BY x.block_number DESC, x.log_index DESC LIMIT 1)
)
SELECT chain_id, pool, slot, count(*) AS syncs,
       count(CASE WHEN quote > quote_before AND base < base_before THEN 1 END) AS buys,
       count(CASE WHEN quote < quote_before AND base > base_before THEN 1 END) AS sells,
       i256_sum(CASE WHEN quote > quote_before AND base < base_before THEN i256_sub(quote, quote_before) ELSE i256(0) END) AS quote_in,
       i256_sum(CASE WHEN quote < quote_before AND base > base_before THEN i256_sub(quote_before, quote) ELSE i256(0) END) AS quote_out,
       max(CASE WHEN back = 1 THEN quote END) AS quote_last,
       max(quote) AS quote_max
FROM steps GROUP BY chain_id, pool, slot
