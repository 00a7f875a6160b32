SELECT k.pool, t.sender AS a, t.receiver AS b
FROM changed k CROSS JOIN pools p ON p.pool = k.pool
CROSS JOIN transfers t ON t.token = p.token AND t.at <= p.created_at + 86400000000
UNION
SELECT k.pool, t.receiver AS a, t.sender AS b
FROM changed k CROSS JOIN pools p ON p.pool = k.pool
CROSS JOIN transfers t ON t.token = p.token AND t.at <= p.created_at + 86400000000
