-- The supply is what holders have; squares are what the Herfindahl index needs. Balances of 2^112 and more (a pool cannot
-- hold so much) are left out of the squares.
SELECT chain_id, token, 1 AS holders, balance AS supply,
       CASE WHEN balance < i256('5192296858534827628530496329220096') THEN i256_mul(balance, balance) ELSE i256(0) END AS squares
FROM change
WHERE balance > i256(0) AND holder <> X'0000000000000000000000000000000000000000'
