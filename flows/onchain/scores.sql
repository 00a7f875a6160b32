-- What is known of a pool at the end of a block, and how bad that looks: points in tenths, added up, at most 100.
-- Nothing here looks at a later block: losses and LP rows up to this block, whole tens of minutes of the day before it, and
-- what the creator's other pools had come to before it. flows/onchain/README.md says where the weights come from.
WITH known AS MATERIALIZED (
  SELECT m.chain_id, m.pool, m.block_number, m.at, m.token, m.age_s, m.quote, l.supply, l.insiders, l.moves,
         i256_add(l.locked, l.burned) AS safe,
         coalesce((SELECT max(x.drop_ppm) FROM moments x WHERE x.chain_id = k.chain_id AND x.pool = k.pool
            AND x.block_number <= k.block_number AND x.drop_ppm >= 500000), 0) AS drop_ppm,
         (SELECT max(a.quote_max) FROM activity a WHERE a.chain_id = k.chain_id AND a.pool = k.pool
            AND a.slot < m.at / 600000000 AND a.slot >= m.at / 600000000 - 144) AS quote_max,
         coalesce((SELECT sum(a.buys) FROM activity a WHERE a.chain_id = k.chain_id AND a.pool = k.pool
            AND a.slot < m.at / 600000000 AND a.slot >= m.at / 600000000 - 144), 0) AS buys,
         coalesce((SELECT sum(a.sells) FROM activity a WHERE a.chain_id = k.chain_id AND a.pool = k.pool
            AND a.slot < m.at / 600000000 AND a.slot >= m.at / 600000000 - 144), 0) AS sells,
         (SELECT i256_sum(a.quote_in) FROM activity a WHERE a.chain_id = k.chain_id AND a.pool = k.pool
            AND a.slot < m.at / 600000000 AND a.slot >= m.at / 600000000 - 144) AS quote_in,
         (SELECT i256_sum(a.quote_out) FROM activity a WHERE a.chain_id = k.chain_id AND a.pool = k.pool
            AND a.slot < m.at / 600000000 AND a.slot >= m.at / 600000000 - 144) AS quote_out,
         (SELECT count(*) FROM (SELECT 1 FROM creators o WHERE o.chain_id = k.chain_id AND o.creator = l.creator
            AND o.gone_block < k.block_number AND o.pool <> k.pool LIMIT 100) AS others) AS gone_before
  FROM changed k
  JOIN moments m ON m.chain_id = k.chain_id AND m.pool = k.pool AND m.block_number = k.block_number
  LEFT JOIN lp l ON l.chain_id = k.chain_id AND l.pool = k.pool AND l.block_number = (
        SELECT x.block_number FROM lp x WHERE x.chain_id = k.chain_id AND x.pool = k.pool AND x.block_number <= k.block_number
        ORDER BY x.block_number DESC LIMIT 1)
),
shares AS (
  SELECT n.*,
         CASE WHEN n.supply > i256(0) AND n.insiders > i256(0) THEN CASE WHEN n.insiders >= n.supply THEN 1000000
              ELSE i256_to_int(i256_div(i256_mul(n.insiders, i256(1000000)), n.supply)) END ELSE 0 END AS insider_ppm,
         CASE WHEN n.supply > i256(0) AND n.safe > i256(0) THEN CASE WHEN n.safe >= n.supply THEN 1000000
              ELSE i256_to_int(i256_div(i256_mul(n.safe, i256(1000000)), n.supply)) END ELSE 0 END AS safe_ppm,
         CASE WHEN n.quote < n.quote_max THEN i256_to_int(i256_div(i256_mul(n.quote, i256(1000000)), n.quote_max))
              ELSE 1000000 END AS left_ppm
  FROM known n
),
points AS (
  SELECT s.*,
         CASE WHEN drop_ppm >= 990000 THEN 100 WHEN drop_ppm >= 900000 THEN 80 WHEN drop_ppm >= 500000 THEN 10 ELSE 0 END AS liquidity_gone,
         CASE WHEN left_ppm < 100000 THEN 25 WHEN left_ppm < 500000 THEN 10 ELSE 0 END AS liquidity_lower,
         CASE WHEN insider_ppm >= 900000 THEN 4 ELSE 0 END AS lp_unlocked,
         CASE WHEN supply > i256(0) AND insider_ppm + safe_ppm > 990000 THEN 15 ELSE 0 END
         + CASE WHEN moves <= 4 THEN 13 ELSE 0 END AS lone_provider,
         CASE WHEN sells < 20 THEN 25 WHEN sells < 60 THEN 15 ELSE 0 END AS few_sales,
         CASE WHEN buys >= 10 AND i256_mul(quote_out, i256(10)) < i256_mul(quote_in, i256(3)) THEN 13 ELSE 0 END
         + CASE WHEN buys >= 5 AND sells = 0 THEN 13 ELSE 0 END AS one_way,
         CASE WHEN age_s < 86400 THEN 5 ELSE 0 END AS young,
         CASE WHEN gone_before >= 3 THEN 30 WHEN gone_before >= 1 THEN 15 ELSE 0 END AS creator_before
  FROM shares s
),
sums AS (
  SELECT p.*, liquidity_gone + liquidity_lower + lp_unlocked + lone_provider + few_sales + one_way + young + creator_before AS points
  FROM points p
)
SELECT chain_id, pool, block_number, at, token, age_s, insider_ppm, safe_ppm, drop_ppm, left_ppm, moves, buys, sells, gone_before,
       CASE WHEN points > 100 THEN 100 ELSE points END AS score,
       liquidity_gone, liquidity_lower, lp_unlocked, lone_provider, few_sales, one_way, young, creator_before,
       CASE WHEN liquidity_gone > 0 THEN 'One event took ' || (drop_ppm / 10000) || ' % of the liquidity. ' ELSE '' END
       || CASE WHEN liquidity_lower > 0 THEN (left_ppm / 10000) || ' % of the day''s highest liquidity is left. ' ELSE '' END
       || CASE WHEN creator_before > 0 THEN 'Its creator''s pools were emptied before: ' || gone_before || '. ' ELSE '' END
       || CASE WHEN lp_unlocked > 0 THEN 'The creator''s side can withdraw ' || (insider_ppm / 10000) || ' % of the liquidity. ' ELSE '' END
       || CASE WHEN lone_provider > 0 THEN 'Hardly anybody else provides liquidity (' || moves || ' moves of it so far, '
                                           || (safe_ppm / 10000) || ' % locked or burned). ' ELSE '' END
       || CASE WHEN one_way > 0 THEN 'Money goes in and hardly comes out: ' ELSE '' END
       || CASE WHEN few_sales > 0 OR one_way > 0 THEN buys || ' buys and ' || sells || ' sales within a day. ' ELSE '' END
       || CASE WHEN young > 0 THEN 'The pool is ' || (age_s / 60) || ' minutes old. ' ELSE '' END AS reasons
FROM sums
