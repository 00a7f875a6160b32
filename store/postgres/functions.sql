-- What a flow's SQL finds in PostgreSQL under the names it has in SQLite (store/sqlite/sql_functions.h). int256 is a
-- numeric without a fraction, of at most 256 bits of magnitude: every result is checked, so nothing rounds or grows unseen.
-- Functions that look at each argument once are single expressions without STRICT, so that PostgreSQL puts their bodies where
-- they are called; it does not do so when a costly argument would be worked out twice, and then a call costs microseconds.
-- Those that look twice are in PL/pgSQL.
--
-- Results are checked by casts to domains, which is a fifth of the price of a function. A domain's constraint has the message
-- for its name, and store/postgres/connection.c tells it. Bodies of the form RETURN are read once, when the function is made.
-- Wherever a check decides, it asks "is it wrong?": for NULL the answer is NULL, and NULL passes.

CREATE SCHEMA IF NOT EXISTS plumb;
GRANT USAGE ON SCHEMA plumb TO PUBLIC;

-- 2^256, the first magnitude that does not fit.
CREATE OR REPLACE FUNCTION plumb._plumb_int256_is_wrong(v numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT abs(v) >= 115792089237316195423570985008687907853269984665640564039457584007913129639936 OR scale(v) <> 0
$f$;

-- ---- domains: _plumb_i256_add is what i256_add() may give ----

DO $d$
DECLARE
    o text;
BEGIN
    FOREACH o IN ARRAY ARRAY['i256', 'i256_text', 'i256_hex', 'i256_to_real', 'i256_neg', 'i256_abs', 'i256_add', 'i256_sub', 'i256_mul', 'i256_div', 'i256_mod'] LOOP
        IF to_regtype('plumb._plumb_' || o) IS NULL THEN
            EXECUTE format('CREATE DOMAIN plumb.%I AS numeric CONSTRAINT %I CHECK (scale(VALUE) = 0) CONSTRAINT %I CHECK ('
                'VALUE < 115792089237316195423570985008687907853269984665640564039457584007913129639936 AND '
                'VALUE > -115792089237316195423570985008687907853269984665640564039457584007913129639936)', '_plumb_' || o,
                o || '(): an argument has a fraction, wanted an int256', o || '(): the result does not fit 256 bits');
        END IF;
    END LOOP;
    IF to_regtype('plumb._plumb_i256_to_int') IS NULL THEN
        CREATE DOMAIN plumb._plumb_i256_to_int AS numeric CONSTRAINT "i256_to_int(): an argument has a fraction, wanted an int256" CHECK (scale(VALUE) = 0)
            CONSTRAINT "i256_to_int(): the number does not fit 64 bits" CHECK (VALUE BETWEEN -9223372036854775808 AND 9223372036854775807);
    END IF;
END $d$;

-- ---- conversions ----

CREATE OR REPLACE FUNCTION plumb._plumb_hex_bits(digits text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT ('x0' || digits)::bit(64)::bigint::numeric
$f$;

CREATE OR REPLACE FUNCTION plumb.i256(v numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::plumb._plumb_i256;

CREATE OR REPLACE FUNCTION plumb.i256(v text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    digits text := ltrim(v, '-0');
    result numeric;
BEGIN
    IF v ~ '^-?[0-9]+$' AND length(digits) <= 78 THEN
        result := ('0' || digits)::numeric;
    ELSIF v ~ '^-?0x[0-9a-fA-F]+$' THEN
        digits := ltrim(substr(v, strpos(v, 'x') + 1), '0');
        IF length(digits) <= 64 THEN
            digits := lpad(digits, 75, '0');
            -- 15 digits at a time fit a bigint; 16^15 is 1152921504606846976
            result := plumb._plumb_hex_bits(substr(digits, 1, 15));
            FOR i IN 1..4 LOOP
                result := result * 1152921504606846976 + plumb._plumb_hex_bits(substr(digits, i * 15 + 1, 15));
            END LOOP;
        END IF;
    END IF;
    IF result IS NULL OR plumb._plumb_int256_is_wrong(result) THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'i256(): ''' || CASE WHEN length(v) > 76 THEN left(v, 76) || '...' ELSE v END
            || ''' is no decimal or 0x number of up to 256 bits';
    END IF;
    RETURN CASE WHEN v LIKE '-%' THEN -result ELSE result END;
END $f$;

CREATE OR REPLACE FUNCTION plumb.i256_text(v numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::plumb._plumb_i256_text::numeric::text;

CREATE OR REPLACE FUNCTION plumb.i256_hex(v numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    rest numeric := abs(v::plumb._plumb_i256_hex);
    digits text := '';
BEGIN
    WHILE rest <> 0 LOOP
        digits := lpad(to_hex(mod(rest, 1152921504606846976)::bigint), 15, '0') || digits;
        rest := div(rest, 1152921504606846976);
    END LOOP;
    digits := ltrim(digits, '0');
    RETURN CASE WHEN v < 0 THEN '-' ELSE '' END || '0x' || CASE WHEN digits = '' THEN '0' ELSE digits END;
END $f$;

CREATE OR REPLACE FUNCTION plumb.i256_to_real(v numeric) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::plumb._plumb_i256_to_real::double precision;

CREATE OR REPLACE FUNCTION plumb.i256_to_int(v numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::plumb._plumb_i256_to_int::bigint;

-- ---- arithmetic ----

CREATE OR REPLACE FUNCTION plumb.i256_neg(a numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (-a)::plumb._plumb_i256_neg;

CREATE OR REPLACE FUNCTION plumb.i256_abs(a numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN abs(a)::plumb._plumb_i256_abs;

CREATE OR REPLACE FUNCTION plumb.i256_add(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (a + b)::plumb._plumb_i256_add;

CREATE OR REPLACE FUNCTION plumb.i256_sub(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (a - b)::plumb._plumb_i256_sub;

CREATE OR REPLACE FUNCTION plumb.i256_mul(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (a * b)::plumb._plumb_i256_mul;

-- Toward zero; the remainder has the sign of a.
CREATE OR REPLACE FUNCTION plumb.i256_div(a numeric, b numeric) RETURNS numeric -- of NULL and 0 it is NULL, too
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    IF b = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'i256_div(): division by zero';
    END IF;
    RETURN div(a::plumb._plumb_i256_div, b::plumb._plumb_i256_div);
END $f$;

CREATE OR REPLACE FUNCTION plumb.i256_mod(a numeric, b numeric) RETURNS numeric -- of NULL and 0 it is NULL, too
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    IF b = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'i256_mod(): division by zero';
    END IF;
    RETURN mod(a::plumb._plumb_i256_mod, b::plumb._plumb_i256_mod);
END $f$;

DROP FUNCTION IF EXISTS plumb.i256_cmp(numeric, numeric); -- of version 1, which gave an integer
CREATE FUNCTION plumb.i256_cmp(a numeric, b numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sign(a - b)::bigint;

-- ---- sums: exact on the way, checked at the end; NULL is skipped and no rows give 0 ----

CREATE OR REPLACE FUNCTION plumb._plumb_i256_sum_end(total numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    IF plumb._plumb_int256_is_wrong(total) THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'i256_sum(): the sum does not fit 256 bits';
    END IF;
    RETURN total;
END $f$;

CREATE OR REPLACE AGGREGATE plumb.i256_sum(numeric) (
    SFUNC = pg_catalog.numeric_add, STYPE = numeric, INITCOND = '0', COMBINEFUNC = pg_catalog.numeric_add, FINALFUNC = plumb._plumb_i256_sum_end,
    MSFUNC = pg_catalog.numeric_add, MINVFUNC = pg_catalog.numeric_sub, MSTYPE = numeric, MINITCOND = '0', MFINALFUNC = plumb._plumb_i256_sum_end,
    PARALLEL = SAFE);

CREATE OR REPLACE FUNCTION plumb._plumb_isum_end(total numeric) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    IF total > 9223372036854775807 OR total < -9223372036854775808 THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = '_plumb_isum(): the sum does not fit 64 bits';
    END IF;
    RETURN total::bigint;
END $f$;

CREATE OR REPLACE AGGREGATE plumb._plumb_isum(bigint) (
    SFUNC = pg_catalog.int8_sum, STYPE = numeric, INITCOND = '0', COMBINEFUNC = pg_catalog.numeric_add, FINALFUNC = plumb._plumb_isum_end,
    PARALLEL = SAFE);

CREATE OR REPLACE FUNCTION plumb._plumb_isum_step(total numeric, v bigint, sign bigint) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE WHEN v IS NULL THEN total WHEN sign < 0 THEN total - v ELSE total + v END;
END $f$;

CREATE OR REPLACE AGGREGATE plumb._plumb_isum(bigint, bigint) (
    SFUNC = plumb._plumb_isum_step, STYPE = numeric, INITCOND = '0', COMBINEFUNC = pg_catalog.numeric_add, FINALFUNC = plumb._plumb_isum_end,
    PARALLEL = SAFE);

-- bigint's own addition raises when it overflows.
CREATE OR REPLACE FUNCTION plumb._plumb_iadd(a bigint, b bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT coalesce(a, 0) + coalesce(b, 0) $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_i256_sum_step(total numeric, v numeric, sign bigint) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE WHEN v IS NULL THEN total WHEN sign < 0 THEN total - v ELSE total + v END;
END $f$;

CREATE OR REPLACE AGGREGATE plumb._plumb_i256_sum(numeric, bigint) (
    SFUNC = plumb._plumb_i256_sum_step, STYPE = numeric, INITCOND = '0', COMBINEFUNC = pg_catalog.numeric_add,
    FINALFUNC = plumb._plumb_i256_sum_end, PARALLEL = SAFE);

-- ---- words that SQLite has and PostgreSQL has not ----

CREATE OR REPLACE FUNCTION plumb.ifnull(a anycompatible, b anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT coalesce(a, b) $f$;

CREATE OR REPLACE FUNCTION plumb.iif(condition boolean, a anycompatible, b anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT CASE WHEN condition THEN a ELSE b END $f$;

CREATE OR REPLACE FUNCTION plumb.instr(a text, b text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT strpos(a, b)::bigint $f$;

CREATE OR REPLACE FUNCTION plumb.hex(v bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT coalesce(upper(encode(v, 'hex')), '') $f$;

-- Of two values; NULL if either is, as in SQLite. Text is compared by its bytes.
CREATE OR REPLACE FUNCTION plumb.max(a anycompatible, b anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN a > b THEN a ELSE b END $f$;

CREATE OR REPLACE FUNCTION plumb.min(a anycompatible, b anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN a < b THEN a ELSE b END $f$;

CREATE OR REPLACE FUNCTION plumb.max(a text, b text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN a COLLATE "C" > b COLLATE "C" THEN a ELSE b END $f$;

CREATE OR REPLACE FUNCTION plumb.min(a text, b text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN a COLLATE "C" < b COLLATE "C" THEN a ELSE b END $f$;
