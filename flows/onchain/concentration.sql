-- The Herfindahl index: the chance, in millionths, that two coins taken by lot belong to one holder.
SELECT k.chain_id, k.token, h.holders, h.supply,
       CASE WHEN h.supply > i256(1000000000) AND h.supply < i256('5192296858534827628530496329220096')
            THEN i256_to_int(i256_div(h.squares, i256_div(i256_mul(h.supply, h.supply), i256(1000000)))) END AS hhi_ppm
FROM changed k
JOIN holders h ON h.chain_id = k.chain_id AND h.token = k.token
WHERE EXISTS (SELECT 1 FROM pools p WHERE p.chain_id = k.chain_id AND p.token = k.token)
