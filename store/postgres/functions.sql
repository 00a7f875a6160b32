-- What a flow's SQL finds in PostgreSQL under the names it has in SQLite (store/sqlite/sql_functions.h). int256 is a
-- numeric without a fraction, of at most 256 bits of magnitude: every result is checked, so nothing rounds or grows unseen.
-- Simple functions are single SELECTs without STRICT, so that PostgreSQL puts their bodies where they are called.
-- Wherever a check decides, it asks "is it wrong?": for NULL the answer is NULL, and NULL passes.

CREATE SCHEMA IF NOT EXISTS plumb;
GRANT USAGE ON SCHEMA plumb TO PUBLIC;

-- Raised by all others; of the type of `example`, so that it stands where a value would. PostgreSQL works out calls whose
-- arguments are all constant while it plans, also those that are never reached: `culprit` depends on what is wrong, and so
-- the call does.
CREATE OR REPLACE FUNCTION plumb._plumb_fail(problem text, culprit numeric, example anyelement) RETURNS anyelement
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = problem;
END $f$;

-- 2^256, the first magnitude that does not fit.
CREATE OR REPLACE FUNCTION plumb._plumb_int256_is_wrong(v numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT abs(v) >= 115792089237316195423570985008687907853269984665640564039457584007913129639936 OR scale(v) <> 0
$f$;

CREATE OR REPLACE FUNCTION plumb._plumb_int256_check(v numeric, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT CASE
        WHEN abs(v) >= 115792089237316195423570985008687907853269984665640564039457584007913129639936
            THEN plumb._plumb_fail(name || '(): the result does not fit 256 bits', v, v)
        WHEN scale(v) <> 0 THEN plumb._plumb_fail(name || '(): an argument has a fraction, wanted an int256 (see i256()) or an integer', v, v)
        ELSE v END
$f$;

-- ---- conversions ----

CREATE OR REPLACE FUNCTION plumb._plumb_hex_bits(digits text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT ('x0' || digits)::bit(64)::bigint::numeric
$f$;

CREATE OR REPLACE FUNCTION plumb.i256(v numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT plumb._plumb_int256_check(v, 'i256')
$f$;

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
        RETURN plumb._plumb_fail('i256(): ''' || CASE WHEN length(v) > 76 THEN left(v, 76) || '...' ELSE v END
                                 || ''' is no decimal or 0x number of up to 256 bits', 0, 0::numeric);
    END IF;
    RETURN CASE WHEN v LIKE '-%' THEN -result ELSE result END;
END $f$;

CREATE OR REPLACE FUNCTION plumb.i256_text(v numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT plumb._plumb_int256_check(v, 'i256_text')::text
$f$;

CREATE OR REPLACE FUNCTION plumb.i256_hex(v numeric) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    rest numeric := abs(plumb._plumb_int256_check(v, 'i256_hex'));
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
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT plumb._plumb_int256_check(v, 'i256_to_real')::double precision
$f$;

CREATE OR REPLACE FUNCTION plumb.i256_to_int(v numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT CASE WHEN v > 9223372036854775807 OR v < -9223372036854775808
        THEN plumb._plumb_fail('i256_to_int(): the number does not fit 64 bits', v, 0::bigint)
        ELSE plumb._plumb_int256_check(v, 'i256_to_int')::bigint END
$f$;

-- ---- arithmetic ----

CREATE OR REPLACE FUNCTION plumb.i256_neg(a numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb._plumb_int256_check(-a, 'i256_neg') $f$;

CREATE OR REPLACE FUNCTION plumb.i256_abs(a numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb._plumb_int256_check(abs(a), 'i256_abs') $f$;

CREATE OR REPLACE FUNCTION plumb.i256_add(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb._plumb_int256_check(a + b, 'i256_add') $f$;

CREATE OR REPLACE FUNCTION plumb.i256_sub(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb._plumb_int256_check(a - b, 'i256_sub') $f$;

CREATE OR REPLACE FUNCTION plumb.i256_mul(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb._plumb_int256_check(a * b, 'i256_mul') $f$;

-- Toward zero; the remainder has the sign of a.
CREATE OR REPLACE FUNCTION plumb.i256_div(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL
        WHEN b = 0 THEN plumb._plumb_fail('i256_div(): division by zero', a + b, 0::numeric)
        WHEN scale(a) <> 0 OR scale(b) <> 0 THEN plumb._plumb_int256_check(a / b + 0.5, 'i256_div')
        ELSE plumb._plumb_int256_check(div(a, b), 'i256_div') END
$f$;

CREATE OR REPLACE FUNCTION plumb.i256_mod(a numeric, b numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL
        WHEN b = 0 THEN plumb._plumb_fail('i256_mod(): division by zero', a + b, 0::numeric)
        ELSE plumb._plumb_int256_check(mod(a, b), 'i256_mod') END
$f$;

DROP FUNCTION IF EXISTS plumb.i256_cmp(numeric, numeric); -- of version 1, which gave an integer
CREATE FUNCTION plumb.i256_cmp(a numeric, b numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$
    SELECT CASE WHEN a > b THEN 1::bigint WHEN a < b THEN -1 WHEN a = b THEN 0 END
$f$;

-- ---- sums: exact on the way, checked at the end; NULL is skipped and no rows give 0 ----

CREATE OR REPLACE FUNCTION plumb._plumb_i256_sum_end(total numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    IF plumb._plumb_int256_is_wrong(total) THEN
        RETURN plumb._plumb_fail('i256_sum(): the sum does not fit 256 bits', total, total);
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
        RETURN plumb._plumb_fail('_plumb_isum(): the sum does not fit 64 bits', total, 0::bigint);
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
