-- Each score against the one before it: what a pool's history says, whenever and in whatever batches it came.
WITH steps AS (
  SELECT s.chain_id, s.pool, s.block_number, s.at, s.token, s.reasons, s.score AS new_score,
         coalesce((SELECT b.score FROM scores b WHERE b.chain_id = s.chain_id AND b.pool = s.pool AND b.block_number < s.block_number
                   ORDER BY b.block_number DESC LIMIT 1), 0) AS old_score
  FROM changed k JOIN scores s ON s.chain_id = k.chain_id AND s.pool = k.pool AND s.block_number = k.block_number
)
SELECT chain_id, pool, block_number, at, token,
       CASE WHEN new_score >= 100 THEN 'gone' WHEN new_score >= 65 THEN 'warning' ELSE 'calm' END AS level, old_score, new_score, reasons
FROM steps
WHERE (new_score >= 100) <> (old_score >= 100) OR (new_score >= 65) <> (old_score >= 65)
