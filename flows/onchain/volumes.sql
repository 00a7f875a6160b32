SELECT chain_id, pool, at / 3600000000 AS hour, 1 AS swaps,
       i256_add(amount0_in, amount0_out) AS volume0, i256_add(amount1_in, amount1_out) AS volume1
FROM change
WHERE amount0_in < i256('5192296858534827628530496329220096') AND amount0_out < i256('5192296858534827628530496329220096')
  AND amount1_in < i256('5192296858534827628530496329220096') AND amount1_out < i256('5192296858534827628530496329220096')
