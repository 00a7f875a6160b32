-- A pool is what a factory first said of its address; what a well-known factory says counts more than what anybody else
-- does, who may announce an address before there is anything. A pool of two quote tokens has no token to judge.
WITH known(chain_id, token) AS (VALUES
  (1, X'c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2'), (1, X'a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48'),
  (1, X'dac17f958d2ee523a2206206994597c13d831ec7'), (1, X'6b175474e89094c44da98b954eedeac495271d0f'),
  (10, X'4200000000000000000000000000000000000006'), (8453, X'4200000000000000000000000000000000000006'),
  (56, X'bb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c'), (56, X'e9e7cea3dedca5984780bafc599bd69add087d56'),
  (56, X'55d398326f99059ff775485246999027b3197955'),
  (137, X'0d500b1d8e8ef31e21c99d1db9a6444d3adf1270'), (137, X'2791bca1f2de4661ed88a30c99a7a9449aa84174'),
  (137, X'c2132d05d31c914a87c6611c10748aeb04b58e8f'), (137, X'7ceb23fd6bc0add59e62ac25578270cff1b9f619'),
  (137, X'8f3cf7ad23cd3cadbd9735aff958023239c6a063'), (42161, X'82af49447d8a07e3bd95bd0d56f35241523fbab1')
),
factories(chain_id, factory) AS (VALUES
  (1, X'5c69bee701ef814a2b6a3edd4b1652cb9cc5aa6f'), (1, X'c0aee478e3658e2610c5f7a4a2e1777ce9e4f2ac'),
  (56, X'ca143ce32fe78f1f7019d7d551a6402fc5350c73'), (137, X'5757371414417b8c6caad45baef941abc7d3ab32')
),
said AS (
  SELECT p.chain_id, p.pool, p.factory, p.token0, p.token1, p.block_number, p.log_index, p.at,
         row_number() OVER (PARTITION BY k.chain_id, k.pool ORDER BY
           CASE WHEN EXISTS (SELECT 1 FROM factories f WHERE f.chain_id = p.chain_id AND f.factory = p.factory) THEN 0 ELSE 1 END,
           p.block_number, p.log_index) AS place,
         CASE WHEN EXISTS (SELECT 1 FROM known q WHERE q.chain_id = p.chain_id AND q.token = p.token0)
                OR EXISTS (SELECT 1 FROM quote_tokens q WHERE q.chain_id = p.chain_id AND q.token = p.token0)
              THEN 1 ELSE 0 END AS known0,
         CASE WHEN EXISTS (SELECT 1 FROM known q WHERE q.chain_id = p.chain_id AND q.token = p.token1)
                OR EXISTS (SELECT 1 FROM quote_tokens q WHERE q.chain_id = p.chain_id AND q.token = p.token1)
              THEN 1 ELSE 0 END AS known1
  FROM changed k JOIN pair_created p ON p.chain_id = k.chain_id AND p.pool = k.pool
)
SELECT chain_id, pool, factory,
       CASE WHEN known0 = 1 AND known1 = 1 THEN NULL WHEN known0 = 1 THEN token1 ELSE token0 END AS token,
       CASE WHEN known0 = 1 THEN token0 ELSE token1 END AS quote,
       CASE WHEN known0 = 1 THEN 0 ELSE 1 END AS quote_side,
       CASE WHEN known0 = 1 OR known1 = 1 THEN 1 ELSE 0 END AS quote_known,
       block_number AS created_block, log_index AS created_log, at AS created_at
FROM said WHERE place = 1
