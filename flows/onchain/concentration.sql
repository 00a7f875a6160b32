-- The Herfindahl index: the chance, in millionths, that two coins taken by lot belong to one holder.
SELECT k.chain_id, k.token, h.holders, s.supply,
       CASE WHEN s.supply > i256(1000000000) AND s.supply < i256('5192296858534827628530496329220096')
            THEN i256_to_int(i256_div(h.squares, i256_div(i256_mul(s.supply, s.supply), i256(1000000)))) END AS hhi_ppm
FROM changed k
JOIN holders h ON h.chain_id = k.chain_id AND h.token = k.token
JOIN (SELECT b.chain_id, b.token, i256_neg(b.balance) AS supply FROM balances b
      WHERE b.holder = X'0000000000000000000000000000000000000000') s ON s.chain_id = k.chain_id AND s.token = k.token
WHERE EXISTS (SELECT 1 FROM pools p WHERE p.chain_id = k.chain_id AND p.token = k.token)
