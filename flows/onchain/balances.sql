-- An amount of 2^200 or more is no money, and two of them would not add up: a hostile token cannot stop the sum.
SELECT chain_id, token, receiver AS holder, amount AS balance FROM change
WHERE amount < i256('1606938044258990275541962092341162602522202993782792835301376')
UNION ALL
SELECT chain_id, token, sender AS holder, i256_neg(amount) AS balance FROM change
WHERE amount < i256('1606938044258990275541962092341162602522202993782792835301376')
