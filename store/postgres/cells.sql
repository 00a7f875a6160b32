-- What the columns of a table take, and what CAST makes: as SQLite's STRICT tables and its CAST do it, with their words.
-- functions.sql goes before this file, dialect.sql after it.
--
-- Text is searched by its bytes: COLLATE "C" wherever it matters.

-- ---- what a value is as text ----

-- 15 digits, as numeric gets them from a float; with an exponent as of 1e15 and below 1e-4.
CREATE OR REPLACE FUNCTION plumb._plumb_real_text(v double precision) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    n numeric;
    digits text;
    exponent integer;
BEGIN
    IF v = 'Infinity' THEN RETURN 'Inf'; ELSIF v = '-Infinity' THEN RETURN '-Inf'; ELSIF v = 'NaN' THEN RETURN NULL; END IF;
    IF v = 0 THEN RETURN '0.0'; END IF;
    n := abs(v)::numeric;
    exponent := CASE WHEN n >= 1 THEN length(trunc(n)::text) - 1 ELSE -length(substring(n::text from '^0\.(0*)')) - 1 END;
    IF exponent < -4 OR exponent >= 15 THEN
        digits := trim_scale(CASE WHEN exponent < 0 THEN n * 10::numeric ^ -exponent ELSE n / 10::numeric ^ exponent END)::text;
        RETURN CASE WHEN v < 0 THEN '-' ELSE '' END || digits || CASE WHEN strpos(digits, '.') = 0 THEN '.0' ELSE '' END
            || 'e' || CASE WHEN exponent < 0 THEN '-' ELSE '+' END || to_char(abs(exponent), CASE WHEN abs(exponent) < 100 THEN 'FM00' ELSE 'FM000' END);
    END IF;
    digits := trim_scale(n)::text;
    RETURN CASE WHEN v < 0 THEN '-' ELSE '' END || digits || CASE WHEN strpos(digits, '.') = 0 THEN '.0' ELSE '' END;
END $f$;

-- The number a text is, when it is one and nothing else. NULL when it is none.
CREATE OR REPLACE FUNCTION plumb._plumb_number(v text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN v COLLATE "C" ~ '^[ \t-\r]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t-\r]*$'
    THEN btrim(v, E' \t\n\r\x0b\x0c')::numeric END;

-- What SQLite calls the type of such a value.
CREATE OR REPLACE FUNCTION plumb._plumb_storage(v anyelement) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $f$ SELECT CASE pg_typeof(v)::text WHEN 'bytea' THEN 'BLOB' WHEN 'numeric' THEN 'BLOB' WHEN 'double precision' THEN 'REAL'
    WHEN 'text' THEN 'TEXT' WHEN 'bigint' THEN 'INTEGER' WHEN 'integer' THEN 'INTEGER' WHEN 'boolean' THEN 'INTEGER' ELSE pg_typeof(v)::text END $f$;

-- NULL for NULL; what is not is a problem.
CREATE OR REPLACE FUNCTION plumb._plumb_wrong(v anyelement, problem text) RETURNS anyelement
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    IF v IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = problem;
    END IF;
    RETURN NULL;
END $f$;

-- ---- CAST ----

CREATE OR REPLACE FUNCTION plumb._plumb_to_int(v bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_to_int(v integer) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::bigint;
CREATE OR REPLACE FUNCTION plumb._plumb_to_int(v boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::integer::bigint;

-- Toward zero, and to the nearest number there is.
CREATE OR REPLACE FUNCTION plumb._plumb_to_int(v double precision) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE WHEN v = 'NaN' THEN 0 WHEN v >= 9223372036854775807::double precision THEN 9223372036854775807
        WHEN v <= -9223372036854775808::double precision THEN -9223372036854775808 ELSE trunc(v)::bigint END;
END $f$;

-- The number a text begins with.
CREATE OR REPLACE FUNCTION plumb._plumb_to_int(v text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    digits text := v;
BEGIN
    IF ltrim(v, '0123456789') = '' AND length(v) BETWEEN 1 AND 18 THEN
        RETURN v::bigint;
    END IF;
    digits := substring(v COLLATE "C" from '^[ \t-\r]*([+-]?[0-9]+)');
    RETURN CASE WHEN digits IS NULL THEN 0 WHEN length(digits) < 19 THEN digits::bigint
        ELSE least(greatest(digits::numeric, -9223372036854775808), 9223372036854775807)::bigint END;
END $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_to_int(v numeric) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN plumb._plumb_wrong(v, 'CAST(... AS INTEGER) of an int256: use i256_to_int(...)')::bigint;

CREATE OR REPLACE FUNCTION plumb._plumb_to_real(v double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_to_real(v boolean) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::integer::double precision;
CREATE OR REPLACE FUNCTION plumb._plumb_to_real(v text) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    RETURN coalesce(substring(v COLLATE "C" from '^[ \t-\r]*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)')::double precision, 0);
END $f$;
CREATE OR REPLACE FUNCTION plumb._plumb_to_real(v numeric) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN plumb._plumb_wrong(v, 'CAST(... AS REAL) of an int256: use i256_to_real(...)')::double precision;

CREATE OR REPLACE FUNCTION plumb._plumb_to_text(v text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_to_text(v bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::text;
CREATE OR REPLACE FUNCTION plumb._plumb_to_text(v integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::text;
CREATE OR REPLACE FUNCTION plumb._plumb_to_text(v boolean) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::integer::text;
CREATE OR REPLACE FUNCTION plumb._plumb_to_text(v double precision) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_real_text(v);
CREATE OR REPLACE FUNCTION plumb._plumb_to_text(v bytea) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN convert_from(v, 'UTF8');
CREATE OR REPLACE FUNCTION plumb._plumb_to_text(v numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_wrong(v, 'an int256 becomes text by i256_text(...)')::text;

CREATE OR REPLACE FUNCTION plumb._plumb_to_blob(v bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_to_blob(v text) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE RETURN convert_to(v, 'UTF8');
CREATE OR REPLACE FUNCTION plumb._plumb_to_blob(v bigint) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE RETURN convert_to(v::text, 'UTF8');

-- ---- cells: a value and its column's name. Every function takes every type, so that the complaint is ours ----

CREATE OR REPLACE FUNCTION plumb._plumb_refuse(v anyelement, column_type text, name text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $f$ SELECT plumb._plumb_wrong(CASE WHEN v IS NOT NULL THEN true END,
    'cannot store ' || plumb._plumb_storage(v) || ' value in ' || column_type || ' column ' || name) $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_int(v bigint, name text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_int(v integer, name text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::bigint;
CREATE OR REPLACE FUNCTION plumb._plumb_int(v boolean, name text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::integer::bigint;
CREATE OR REPLACE FUNCTION plumb._plumb_int(v double precision, name text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    IF v <> trunc(v) OR v >= 9223372036854775808::double precision OR v < -9223372036854775808::double precision OR v = 'NaN' THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'cannot store REAL value in INTEGER column ' || name;
    END IF;
    RETURN v::bigint;
END $f$;
CREATE OR REPLACE FUNCTION plumb._plumb_int(v numeric, name text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    IF v <> trunc(v) OR v > 9223372036854775807 OR v < -9223372036854775808 THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'cannot store a number beyond 64 bits, or with a fraction, in INTEGER column ' || name;
    END IF;
    RETURN v::bigint;
END $f$;
CREATE OR REPLACE FUNCTION plumb._plumb_int(v text, name text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
DECLARE
    n numeric := plumb._plumb_number(v);
BEGIN
    IF v IS NOT NULL AND (n IS NULL OR n <> trunc(n) OR n > 9223372036854775807 OR n < -9223372036854775808) THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'cannot store ' || CASE WHEN n IS NULL THEN 'TEXT' ELSE 'REAL' END
            || ' value in INTEGER column ' || name;
    END IF;
    RETURN n::bigint;
END $f$;
CREATE OR REPLACE FUNCTION plumb._plumb_int(v bytea, name text) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE RETURN plumb._plumb_refuse(v, 'INTEGER', name)::integer;

CREATE OR REPLACE FUNCTION plumb._plumb_float(v double precision, name text) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_float(v boolean, name text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::integer::double precision;
CREATE OR REPLACE FUNCTION plumb._plumb_float(v text, name text) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
DECLARE
    n numeric := plumb._plumb_number(v);
BEGIN
    IF v IS NOT NULL AND n IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'cannot store TEXT value in REAL column ' || name;
    END IF;
    RETURN n::double precision;
END $f$;
CREATE OR REPLACE FUNCTION plumb._plumb_float(v bytea, name text) RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE RETURN plumb._plumb_refuse(v, 'REAL', name)::integer;
CREATE OR REPLACE FUNCTION plumb._plumb_float(v numeric, name text) RETURNS double precision
LANGUAGE sql STABLE PARALLEL SAFE RETURN plumb._plumb_refuse(v, 'REAL', name)::integer;

CREATE OR REPLACE FUNCTION plumb._plumb_bool(v boolean, name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_bool(v bigint, name text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    IF v NOT IN (0, 1) THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'column ''' || name || ''' is a bool: 0, 1 or NULL';
    END IF;
    RETURN v = 1;
END $f$;
CREATE OR REPLACE FUNCTION plumb._plumb_bool(v integer, name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_bool(v::bigint, name);
CREATE OR REPLACE FUNCTION plumb._plumb_bool(v double precision, name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_bool(plumb._plumb_int(v, name), name);
CREATE OR REPLACE FUNCTION plumb._plumb_bool(v text, name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_bool(plumb._plumb_int(v, name), name);
CREATE OR REPLACE FUNCTION plumb._plumb_bool(v bytea, name text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE RETURN plumb._plumb_refuse(v, 'INTEGER', name);
CREATE OR REPLACE FUNCTION plumb._plumb_bool(v numeric, name text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE RETURN plumb._plumb_refuse(v, 'INTEGER', name);

CREATE OR REPLACE FUNCTION plumb._plumb_int256(v numeric, name text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    IF plumb._plumb_int256_is_wrong(v) THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'column ''' || name || ''' is an int256: make one with i256(...)';
    END IF;
    RETURN v;
END $f$;
DROP FUNCTION IF EXISTS plumb._plumb_int256(anyelement, text); -- of version 2, which a bigint did not get past
CREATE OR REPLACE FUNCTION plumb._plumb_no_int256(is_there boolean, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN plumb._plumb_wrong(CASE WHEN is_there THEN 0::numeric END, 'column ''' || name || ''' is an int256: make one with i256(...)');
CREATE OR REPLACE FUNCTION plumb._plumb_int256(v text, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_no_int256(v IS NOT NULL, name);
CREATE OR REPLACE FUNCTION plumb._plumb_int256(v bytea, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_no_int256(v IS NOT NULL, name);
CREATE OR REPLACE FUNCTION plumb._plumb_int256(v bigint, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_no_int256(v IS NOT NULL, name);
CREATE OR REPLACE FUNCTION plumb._plumb_int256(v integer, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_no_int256(v IS NOT NULL, name);
CREATE OR REPLACE FUNCTION plumb._plumb_int256(v double precision, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_no_int256(v IS NOT NULL, name);
CREATE OR REPLACE FUNCTION plumb._plumb_int256(v boolean, name text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_no_int256(v IS NOT NULL, name);

-- PostgreSQL takes no text that is not of its encoding.
CREATE OR REPLACE FUNCTION plumb._plumb_text(v text, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_text(v bigint, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::text;
CREATE OR REPLACE FUNCTION plumb._plumb_text(v integer, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::text;
CREATE OR REPLACE FUNCTION plumb._plumb_text(v boolean, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v::integer::text;
CREATE OR REPLACE FUNCTION plumb._plumb_text(v double precision, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_real_text(v);
CREATE OR REPLACE FUNCTION plumb._plumb_text(v bytea, name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN plumb._plumb_refuse(v, 'TEXT', name)::text;
CREATE OR REPLACE FUNCTION plumb._plumb_text(v numeric, name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN plumb._plumb_refuse(v, 'TEXT', name)::text;

CREATE OR REPLACE FUNCTION plumb._plumb_bytes(v bytea, name text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb._plumb_bytes(v anyelement, name text) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $f$ SELECT CASE WHEN plumb._plumb_refuse(v, 'BLOB', name) THEN ''::bytea END $f$;
CREATE OR REPLACE FUNCTION plumb._plumb_bytes(v text, name text) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE RETURN CASE WHEN plumb._plumb_refuse(v, 'BLOB', name) THEN ''::bytea END;
