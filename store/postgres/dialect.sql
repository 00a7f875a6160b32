-- What SQLite's functions, aggregates and operators mean, for a flow's SQL in PostgreSQL. functions.sql and cells.sql go
-- before this file. Functions that PostgreSQL has under the same name and means otherwise are called with `plumb.` before
-- them: transform/postgres_sql.c sees to it. Operators are found by the types of what they stand between.

-- ---- numbers ----

CREATE OR REPLACE FUNCTION plumb.round(v double precision) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE WHEN abs(v) > 4503599627370496 THEN v WHEN v < 0 THEN ceil(v - 0.5::double precision) ELSE floor(v + 0.5::double precision) END;
END $f$;
-- The decimals that a float is known by are rounded, the first 15; of what has more before the point, the 16th is cut off.
CREATE OR REPLACE FUNCTION plumb.round(v double precision, digits bigint) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE WHEN digits <= 0 OR abs(v) > 4503599627370496 THEN plumb.round(v) WHEN abs(v) >= 1000000000000000 THEN trunc(v)
        WHEN abs(v) >= 100000000000000 THEN trunc(round(v::text::numeric, least(digits, 30)::integer), 1)::double precision
        ELSE round(v::numeric, least(digits, 30)::integer)::double precision END;
END $f$;

CREATE OR REPLACE FUNCTION plumb.sign(v double precision) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN sign(v)::bigint;
CREATE OR REPLACE FUNCTION plumb.floor(v double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN floor(v);
CREATE OR REPLACE FUNCTION plumb.floor(v bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb.ceil(v double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ceil(v);
CREATE OR REPLACE FUNCTION plumb.ceil(v bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb.trunc(v double precision) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN trunc(v);
CREATE OR REPLACE FUNCTION plumb.trunc(v bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN v;
CREATE OR REPLACE FUNCTION plumb.sqrt(v double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN v >= 0 THEN sqrt(v) END;

-- Of more than two values, as many as a person writes.
CREATE OR REPLACE FUNCTION plumb.max(a anycompatible, b anycompatible, c anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb.max(plumb.max(a, b), c) $f$;
CREATE OR REPLACE FUNCTION plumb.min(a anycompatible, b anycompatible, c anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb.min(plumb.min(a, b), c) $f$;
CREATE OR REPLACE FUNCTION plumb.max(a text, b text, c text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb.max(plumb.max(a, b), c);
CREATE OR REPLACE FUNCTION plumb.min(a text, b text, c text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb.min(plumb.min(a, b), c);
CREATE OR REPLACE FUNCTION plumb.max(a anycompatible, b anycompatible, c anycompatible, d anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb.max(plumb.max(a, b), plumb.max(c, d)) $f$;
CREATE OR REPLACE FUNCTION plumb.min(a anycompatible, b anycompatible, c anycompatible, d anycompatible) RETURNS anycompatible
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT plumb.min(plumb.min(a, b), plumb.min(c, d)) $f$;

CREATE OR REPLACE FUNCTION plumb.typeof(v anyelement) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $f$ SELECT CASE WHEN v IS NULL THEN 'null' ELSE lower(plumb._plumb_storage(v)) END $f$;
CREATE OR REPLACE FUNCTION plumb.typeof(v text) RETURNS text -- of a literal, too
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN v IS NULL THEN 'null' ELSE 'text' END;
CREATE OR REPLACE FUNCTION plumb.likely(v anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT v $f$;
CREATE OR REPLACE FUNCTION plumb.unlikely(v anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT v $f$;

-- ---- text ----

CREATE OR REPLACE FUNCTION plumb.lower(v text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN lower(v COLLATE "C");
CREATE OR REPLACE FUNCTION plumb.upper(v text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN upper(v COLLATE "C");
CREATE OR REPLACE FUNCTION plumb.length(v text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN length(v)::bigint;
CREATE OR REPLACE FUNCTION plumb.length(v bytea) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN length(v)::bigint;
CREATE OR REPLACE FUNCTION plumb.trim(v text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN btrim(v);
CREATE OR REPLACE FUNCTION plumb.trim(v text, characters text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN btrim(v, characters);
CREATE OR REPLACE FUNCTION plumb.replace(v text, old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN old = '' THEN v ELSE replace(v, old, new) END; -- by NULL, too
CREATE OR REPLACE FUNCTION plumb.hex(v text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN coalesce(upper(encode(convert_to(v, 'UTF8'), 'hex')), '');
CREATE OR REPLACE FUNCTION plumb.unicode(v text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN v <> '' THEN ascii(v)::bigint END;
CREATE OR REPLACE FUNCTION plumb.instr(a bytea, b bytea) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN position(b in a)::bigint;

-- Where a slice of a value of that length begins (from 1) and how much it has, as SQLite counts: from the end when first is
-- negative, what stands before it when count is. Positions before the beginning use up the count.
CREATE OR REPLACE FUNCTION plumb._plumb_slice(length bigint, first bigint, count bigint, OUT low integer, OUT size integer)
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    p1 bigint := (first << 32) >> 32; -- SQLite looks at 32 bits of them
    n bigint := (count << 32) >> 32;
    p2 bigint := abs(n);
BEGIN
    IF p1 < 0 THEN
        p1 := p1 + length;
        IF p1 < 0 THEN
            p2 := greatest(p2 + p1, 0);
            p1 := 0;
        END IF;
    ELSIF p1 > 0 THEN
        p1 := p1 - 1;
    ELSIF p2 > 0 THEN
        p2 := p2 - 1;
    END IF;
    IF n < 0 THEN
        p1 := p1 - p2;
        IF p1 < 0 THEN
            p2 := greatest(p2 + p1, 0);
            p1 := 0;
        END IF;
    END IF;
    low := least(p1, 2147483646)::integer + 1;
    size := least(p2, 2147483647)::integer;
END $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_substr(v text, first bigint, count bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    s record := plumb._plumb_slice(length(v), first, count);
BEGIN
    RETURN substr(v, s.low, s.size);
END $f$;
CREATE OR REPLACE FUNCTION plumb.substr(v bytea, first bigint, count bigint) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    s record := plumb._plumb_slice(length(v), first, count);
BEGIN
    RETURN CASE WHEN v <> '' THEN substr(v, s.low, s.size) END; -- of no bytes SQLite makes NULL
END $f$;
-- Of constant positions nothing is left but PostgreSQL's own.
CREATE OR REPLACE FUNCTION plumb.substr(v text, first bigint, count bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN first BETWEEN 1 AND 2147483647 AND count BETWEEN 0 AND 2147483647 THEN substr(v, first::integer, count::integer)
    ELSE plumb._plumb_substr(v, first, count) END;
CREATE OR REPLACE FUNCTION plumb.substr(v text, first bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb.substr(v, first, 1000000000);
CREATE OR REPLACE FUNCTION plumb.substr(v bytea, first bigint) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb.substr(v, first, 1000000000);

-- GLOB's pattern as a regular expression. It is a constant nearly always, and then it is made once.
CREATE OR REPLACE FUNCTION plumb._plumb_glob(pattern text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    result text := '';
    rest text := pattern;
    class text[];
BEGIN
    WHILE rest <> '' LOOP
        class := regexp_match(rest, '^\[(\^?)(\]?[^]]*)\]');
        IF left(rest, 1) = '[' AND class IS NULL THEN
            RETURN '(?!)'; -- never closed: nothing matches
        ELSIF left(rest, 1) = '[' THEN
            result := result || '[' || class[1] || regexp_replace(class[2], '([][\\^])', '\\\1', 'g') || ']';
            rest := substr(rest, length(class[1]) + length(class[2]) + 3);
        ELSE
            result := result || CASE left(rest, 1) WHEN '*' THEN '.*' WHEN '?' THEN '.'
                ELSE regexp_replace(left(rest, 1), '([^[:alnum:]_[:space:]])', '\\\1') END;
            rest := substr(rest, 2);
        END IF;
    END LOOP;
    RETURN '^(?:' || result || ')$';
END $f$;

-- ---- aggregates ----

CREATE OR REPLACE AGGREGATE plumb.sum(bigint) (
    SFUNC = pg_catalog.int8pl, STYPE = bigint, COMBINEFUNC = pg_catalog.int8pl,
    MSFUNC = pg_catalog.int8pl, MINVFUNC = pg_catalog.int8mi, MSTYPE = bigint, PARALLEL = SAFE);
CREATE OR REPLACE AGGREGATE plumb.sum(double precision) (SFUNC = pg_catalog.float8pl, STYPE = double precision);
CREATE OR REPLACE FUNCTION plumb._plumb_count_true(total bigint, v boolean) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE WHEN v IS NULL THEN total ELSE coalesce(total, 0) + v::integer END;
END $f$;
CREATE OR REPLACE AGGREGATE plumb.sum(boolean) (SFUNC = plumb._plumb_count_true, STYPE = bigint, COMBINEFUNC = pg_catalog.int8pl, PARALLEL = SAFE);
CREATE OR REPLACE FUNCTION plumb._plumb_no_sum(total numeric, v numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_wrong(v, 'sum() of an int256: use i256_sum(...)');
CREATE OR REPLACE AGGREGATE plumb.sum(numeric) (SFUNC = plumb._plumb_no_sum, STYPE = numeric);
CREATE OR REPLACE AGGREGATE plumb.total(double precision) (SFUNC = pg_catalog.float8pl, STYPE = double precision, INITCOND = '0');
CREATE OR REPLACE AGGREGATE plumb.avg(double precision) (
    SFUNC = pg_catalog.float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', FINALFUNC = pg_catalog.float8_avg);
CREATE OR REPLACE AGGREGATE plumb.max(boolean) (SFUNC = pg_catalog.boolor_statefunc, STYPE = boolean, COMBINEFUNC = pg_catalog.boolor_statefunc, PARALLEL = SAFE);
CREATE OR REPLACE AGGREGATE plumb.min(boolean) (SFUNC = pg_catalog.booland_statefunc, STYPE = boolean, COMBINEFUNC = pg_catalog.booland_statefunc, PARALLEL = SAFE);
CREATE OR REPLACE FUNCTION plumb._plumb_larger(a bytea, b bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$ BEGIN RETURN CASE WHEN a >= b THEN a ELSE b END; END $f$;
CREATE OR REPLACE FUNCTION plumb._plumb_smaller(a bytea, b bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$ BEGIN RETURN CASE WHEN a <= b THEN a ELSE b END; END $f$;
CREATE OR REPLACE AGGREGATE plumb.max(bytea) (SFUNC = plumb._plumb_larger, STYPE = bytea, COMBINEFUNC = plumb._plumb_larger, PARALLEL = SAFE);
CREATE OR REPLACE AGGREGATE plumb.min(bytea) (SFUNC = plumb._plumb_smaller, STYPE = bytea, COMBINEFUNC = plumb._plumb_smaller, PARALLEL = SAFE);

-- ---- times: numbers with 'unixepoch', or texts like 2024-01-31 12:00:00 ----

-- NULL for what is no time. Before year 1 and after 9999 there is none.
CREATE OR REPLACE FUNCTION plumb._plumb_time_of_text(v text) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    p text[] := regexp_match(v, '^(?:(\d{4})-(\d\d)-(\d\d)(?:[ T]+|$))?(?:(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?)?(?: *(?:Z|z|([+-])(\d\d):(\d\d)))?$');
    result timestamp;
BEGIN
    IF p IS NULL OR (p[1] IS NULL AND p[4] IS NULL) OR (p[4] IS NULL AND (v ~ '[ T]$' OR p[8] IS NOT NULL))
        OR p[1] < '0001' OR p[2] NOT BETWEEN '01' AND '12' OR p[3] NOT BETWEEN '01' AND '31' OR p[4] > '23' OR p[5] > '59' OR p[6] >= '60' THEN
        RETURN NULL;
    END IF;
    -- The 31st of a short month is a day of the next one.
    result := make_date(coalesce(p[1], '2000')::integer, coalesce(p[2], '01')::integer, 1) + (coalesce(p[3], '01')::integer - 1)
        + make_interval(hours => coalesce(p[4], '0')::integer, mins => coalesce(p[5], '0')::integer, secs => round(coalesce(p[6], '0')::numeric, 3)::double precision);
    IF p[7] IS NOT NULL THEN
        result := result + make_interval(hours => p[8]::integer, mins => p[9]::integer) * CASE p[7] WHEN '+' THEN -1 ELSE 1 END;
    END IF;
    RETURN result;
END $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_time_moved(v timestamp, modifier text) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    p text[] := regexp_match(lower(modifier COLLATE "C"), '^([+-]?\d+(?:\.\d+)?) *(second|minute|hour|day|month|year)s?$');
    n numeric := p[1]::numeric;
    months integer;
BEGIN
    IF p IS NULL THEN
        CASE lower(modifier COLLATE "C")
            WHEN 'start of day' THEN RETURN date_trunc('day', v);
            WHEN 'start of month' THEN RETURN date_trunc('month', v);
            WHEN 'start of year' THEN RETURN date_trunc('year', v);
            ELSE
                IF lower(modifier COLLATE "C") ~ '^weekday [0-6]$' THEN
                    RETURN v + make_interval(days => (right(modifier, 1)::integer - extract(dow FROM v)::integer + 7) % 7);
                END IF;
                RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'the time modifier ''' || modifier || ''' has no equal on PostgreSQL';
        END CASE;
    END IF;
    IF p[2] IN ('month', 'year') THEN
        IF n <> trunc(n) OR abs(n) > 120000 THEN
            RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'the time modifier ''' || modifier || ''' has no equal on PostgreSQL';
        END IF;
        months := n * CASE p[2] WHEN 'year' THEN 12 ELSE 1 END;
        RETURN date_trunc('month', v) + make_interval(months => months) + (v - date_trunc('month', v));
    END IF;
    RETURN v + make_interval(secs => (n * CASE p[2] WHEN 'second' THEN 1 WHEN 'minute' THEN 60 WHEN 'hour' THEN 3600 ELSE 86400 END)::double precision);
END $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_time(v timestamp, modifiers text[], first integer) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
DECLARE
    result timestamp := v;
BEGIN
    FOR i IN first..cardinality(modifiers) LOOP
        result := plumb._plumb_time_moved(result, modifiers[i]);
    END LOOP;
    RETURN CASE WHEN result >= '0001-01-01' AND result < '10000-01-01' THEN result END;
END $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_time(v double precision, modifiers text[]) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    IF lower(modifiers[1] COLLATE "C") IS DISTINCT FROM 'unixepoch' AND v IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'a number is a time on PostgreSQL only with the modifier ''unixepoch'' behind it';
    END IF;
    IF v IS NULL OR v NOT BETWEEN -62135596800 AND 253402300799.999 THEN
        RETURN NULL;
    END IF;
    -- To milliseconds, as SQLite keeps it. The numbers are exact: microseconds below 2^53.
    RETURN plumb._plumb_time('1970-01-01'::timestamp + make_interval(days => floor(v / 86400)::integer,
        secs => floor((v - floor(v / 86400) * 86400) * 1000 + 0.5) / 1000), modifiers, 2);
END $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_time(v text, modifiers text[]) RETURNS timestamp
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_time(plumb._plumb_time_of_text(v), modifiers, 1);

CREATE OR REPLACE FUNCTION plumb._plumb_strftime(format text, v timestamp) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    result text := '';
    rest text := format;
    at integer := strpos(format, '%');
BEGIN
    WHILE at > 0 LOOP
        result := result || left(rest, at - 1) || CASE substr(rest, at + 1, 1)
            WHEN 'Y' THEN to_char(v, 'YYYY') WHEN 'm' THEN to_char(v, 'MM') WHEN 'd' THEN to_char(v, 'DD')
            WHEN 'H' THEN to_char(v, 'HH24') WHEN 'M' THEN to_char(v, 'MI') WHEN 'S' THEN to_char(v, 'SS')
            WHEN 'f' THEN to_char(v, 'SS.MS') WHEN 'j' THEN to_char(v, 'DDD') WHEN 's' THEN floor(extract(epoch FROM v))::bigint::text
            WHEN 'w' THEN extract(dow FROM v)::text
            WHEN 'W' THEN to_char((extract(doy FROM v)::integer + 6 - (extract(dow FROM v)::integer + 6) % 7) / 7, 'FM00')
            WHEN '%' THEN '%' END;
        rest := substr(rest, at + 2);
        at := strpos(rest, '%');
    END LOOP;
    RETURN result || rest; -- of an unknown letter NULL
END $f$;

CREATE OR REPLACE FUNCTION plumb.strftime(format text, v double precision, VARIADIC modifiers text[] DEFAULT '{}') RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_strftime(format, plumb._plumb_time(v, modifiers));
CREATE OR REPLACE FUNCTION plumb.strftime(format text, v text, VARIADIC modifiers text[] DEFAULT '{}') RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_strftime(format, plumb._plumb_time(v, modifiers));
CREATE OR REPLACE FUNCTION plumb.date(v double precision, VARIADIC modifiers text[] DEFAULT '{}') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN to_char(plumb._plumb_time(v, modifiers), 'YYYY-MM-DD');
CREATE OR REPLACE FUNCTION plumb.date(v text, VARIADIC modifiers text[] DEFAULT '{}') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN to_char(plumb._plumb_time(v, modifiers), 'YYYY-MM-DD');
CREATE OR REPLACE FUNCTION plumb.time(v double precision, VARIADIC modifiers text[] DEFAULT '{}') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN to_char(plumb._plumb_time(v, modifiers), 'HH24:MI:SS');
CREATE OR REPLACE FUNCTION plumb.time(v text, VARIADIC modifiers text[] DEFAULT '{}') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN to_char(plumb._plumb_time(v, modifiers), 'HH24:MI:SS');
CREATE OR REPLACE FUNCTION plumb.datetime(v double precision, VARIADIC modifiers text[] DEFAULT '{}') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN to_char(plumb._plumb_time(v, modifiers), 'YYYY-MM-DD HH24:MI:SS');
CREATE OR REPLACE FUNCTION plumb.datetime(v text, VARIADIC modifiers text[] DEFAULT '{}') RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE RETURN to_char(plumb._plumb_time(v, modifiers), 'YYYY-MM-DD HH24:MI:SS');
CREATE OR REPLACE FUNCTION plumb.unixepoch(v double precision, VARIADIC modifiers text[] DEFAULT '{}') RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN floor(extract(epoch FROM plumb._plumb_time(v, modifiers)))::bigint;
CREATE OR REPLACE FUNCTION plumb.unixepoch(v text, VARIADIC modifiers text[] DEFAULT '{}') RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN floor(extract(epoch FROM plumb._plumb_time(v, modifiers)))::bigint;

-- ---- json, which is text in both stores ----

-- '$.a.b[0]', or a key or an index as ->> takes it, as what #> takes.
CREATE OR REPLACE FUNCTION plumb._plumb_path(path text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    rest text := substr(path, 2);
    step text[];
    result text[] := '{}';
BEGIN
    IF left(path, 1) <> '$' THEN
        RETURN ARRAY[path];
    END IF;
    WHILE rest <> '' LOOP
        step := regexp_match(rest, '^(\."([^"]*)"|\.([^.["]+)|\[([0-9]+)\]|\[#-([0-9]+)\])');
        IF step IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = 'JSON path error near ''' || rest || '''';
        END IF;
        result := result || coalesce(step[2], step[3], step[4], '-' || step[5]);
        rest := substr(rest, length(step[1]) + 1);
    END LOOP;
    RETURN result;
END $f$;

-- Without the blanks between its parts.
CREATE OR REPLACE FUNCTION plumb.json(v text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE WHEN v COLLATE "C" ~ '[ \n\t\r]' THEN regexp_replace(v::json::text, '("(?:[^"\\]|\\.)*")|[ \n\t\r]+', '\1', 'g') ELSE v::json::text END;
END $f$;

-- As SQL sees it: texts without quotes, true as 1, numbers as numbers are written.
CREATE OR REPLACE FUNCTION plumb._plumb_json_value(v json) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
DECLARE
    written text;
BEGIN
    CASE json_typeof(v)
        WHEN 'string' THEN
            RETURN v #>> '{}';
        WHEN 'boolean' THEN
            RETURN CASE v::text WHEN 'true' THEN '1' ELSE '0' END;
        WHEN 'null' THEN
            RETURN NULL;
        WHEN 'number' THEN
            written := btrim(v::text, E' \n\t\r');
            IF written ~ '[.eE]' OR length(written) > 18 AND written::numeric NOT BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
                RETURN plumb._plumb_real_text(written::double precision);
            END IF;
            RETURN CASE written WHEN '-0' THEN '0' ELSE written END;
        ELSE
            RETURN plumb.json(v::text);
    END CASE;
END $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_json_get(v text, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_json_value(v::json #> plumb._plumb_path(path));
CREATE OR REPLACE FUNCTION plumb._plumb_json_get(v text, index bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN index >= 0 THEN plumb._plumb_json_value(v::json #> ARRAY[index::text]) END;
CREATE OR REPLACE FUNCTION plumb._plumb_json_part(v text, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb.json((v::json #> plumb._plumb_path(path))::text);
CREATE OR REPLACE FUNCTION plumb._plumb_json_part(v text, index bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE WHEN index >= 0 THEN plumb.json((v::json #> ARRAY[index::text])::text) END;
CREATE OR REPLACE FUNCTION plumb.json_extract(v text, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_json_value(v::json #> plumb._plumb_path(path));

CREATE OR REPLACE FUNCTION plumb.json_valid(v text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $f$
BEGIN
    PERFORM v::json;
    RETURN v IS NOT NULL;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $f$;

CREATE OR REPLACE FUNCTION plumb._plumb_json_type(v json) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE json_typeof(v) WHEN 'string' THEN 'text' WHEN 'boolean' THEN btrim(v::text, E' \n\t\r')
        WHEN 'number' THEN CASE WHEN v::text COLLATE "C" ~ '[.eE]' THEN 'real' ELSE 'integer' END ELSE json_typeof(v) END;
END $f$;
CREATE OR REPLACE FUNCTION plumb.json_type(v text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_json_type(v::json);
CREATE OR REPLACE FUNCTION plumb.json_type(v text, path text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_json_type(v::json #> plumb._plumb_path(path));
CREATE OR REPLACE FUNCTION plumb._plumb_json_length(v json) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $f$
BEGIN
    RETURN CASE WHEN json_typeof(v) = 'array' THEN json_array_length(v) ELSE 0 END;
END $f$;
CREATE OR REPLACE FUNCTION plumb.json_array_length(v text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_json_length(v::json);
CREATE OR REPLACE FUNCTION plumb.json_array_length(v text, path text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_json_length(v::json #> plumb._plumb_path(path));

-- An array's elements, an object's members, or the value itself.
CREATE OR REPLACE FUNCTION plumb._plumb_json_each(v json) RETURNS TABLE (key text, value text, type text, atom text)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT e.key, plumb._plumb_json_value(e.part), plumb._plumb_json_type(e.part),
        CASE WHEN json_typeof(e.part) NOT IN ('array', 'object') THEN plumb._plumb_json_value(e.part) END
    FROM (SELECT (a.n - 1)::text AS key, a.part
            FROM json_array_elements(CASE WHEN json_typeof(v) = 'array' THEN v END) WITH ORDINALITY a(part, n)
          UNION ALL SELECT o.key, o.value FROM pg_catalog.json_each(CASE WHEN json_typeof(v) = 'object' THEN v END) o
          UNION ALL SELECT NULL, v WHERE json_typeof(v) NOT IN ('array', 'object')) e;
END;
CREATE OR REPLACE FUNCTION plumb.json_each(v text) RETURNS TABLE (key text, value text, type text, atom text)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE BEGIN ATOMIC SELECT * FROM plumb._plumb_json_each(v::json); END;
CREATE OR REPLACE FUNCTION plumb.json_each(v text, path text) RETURNS TABLE (key text, value text, type text, atom text)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE BEGIN ATOMIC SELECT * FROM plumb._plumb_json_each(v::json #> plumb._plumb_path(path)); END;

-- ---- operators between types that SQLite mixes ----

CREATE OR REPLACE FUNCTION plumb._plumb_eq(a boolean, b bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer = b;
CREATE OR REPLACE FUNCTION plumb._plumb_eq(a bigint, b boolean) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a = b::integer;
CREATE OR REPLACE FUNCTION plumb._plumb_ne(a boolean, b bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer <> b;
CREATE OR REPLACE FUNCTION plumb._plumb_ne(a bigint, b boolean) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a <> b::integer;
CREATE OR REPLACE FUNCTION plumb._plumb_add(a boolean, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer + b;
CREATE OR REPLACE FUNCTION plumb._plumb_add(a bigint, b boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a + b::integer;
CREATE OR REPLACE FUNCTION plumb._plumb_add(a boolean, b boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer::bigint + b::integer;
CREATE OR REPLACE FUNCTION plumb._plumb_sub(a boolean, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer - b;
CREATE OR REPLACE FUNCTION plumb._plumb_sub(a bigint, b boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a - b::integer;
CREATE OR REPLACE FUNCTION plumb._plumb_sub(a boolean, b boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer::bigint - b::integer;
CREATE OR REPLACE FUNCTION plumb._plumb_mul(a boolean, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer * b;
CREATE OR REPLACE FUNCTION plumb._plumb_mul(a bigint, b boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a * b::integer;
CREATE OR REPLACE FUNCTION plumb._plumb_mul(a boolean, b boolean) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer::bigint * b::integer;

CREATE OR REPLACE FUNCTION plumb._plumb_join(a text, b double precision) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a || plumb._plumb_real_text(b);
CREATE OR REPLACE FUNCTION plumb._plumb_join(a double precision, b text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_real_text(a) || b;
CREATE OR REPLACE FUNCTION plumb._plumb_join(a text, b boolean) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a || b::integer::text;
CREATE OR REPLACE FUNCTION plumb._plumb_join(a boolean, b text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::integer::text || b;
CREATE OR REPLACE FUNCTION plumb._plumb_join(a text, b bytea) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN a || convert_from(b, 'UTF8');
CREATE OR REPLACE FUNCTION plumb._plumb_join(a bytea, b text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN convert_from(a, 'UTF8') || b;
CREATE OR REPLACE FUNCTION plumb._plumb_join(a text, b numeric) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a || plumb._plumb_to_text(b);
CREATE OR REPLACE FUNCTION plumb._plumb_join(a numeric, b text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN plumb._plumb_to_text(a) || b;
CREATE OR REPLACE FUNCTION plumb._plumb_join(a text, b bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a || b::text;
CREATE OR REPLACE FUNCTION plumb._plumb_join(a bigint, b text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::text || b;
CREATE OR REPLACE FUNCTION plumb._plumb_join(a text, b integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a || b::text;
CREATE OR REPLACE FUNCTION plumb._plumb_join(a integer, b text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN a::text || b;

-- A negative number of places shifts the other way; 64 and more leave nothing but the sign.
CREATE OR REPLACE FUNCTION plumb._plumb_shift_left(v bigint, places bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN places BETWEEN 0 AND 63 THEN v << places::integer WHEN places BETWEEN -63 AND -1 THEN v >> (-places)::integer
    WHEN places < 0 AND v < 0 THEN -1 WHEN places IS NOT NULL AND v IS NOT NULL THEN 0 END;
CREATE OR REPLACE FUNCTION plumb._plumb_shift_right(v bigint, places bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN places BETWEEN 0 AND 63 THEN v >> places::integer WHEN places BETWEEN -63 AND -1 THEN v << (-places)::integer
    WHEN places > 0 AND v < 0 THEN -1 WHEN places IS NOT NULL AND v IS NOT NULL THEN 0 END;

-- Operators have no OR REPLACE.
DO $d$
DECLARE
    o text[];
BEGIN
    FOREACH o SLICE 1 IN ARRAY ARRAY[
        ['=', '_plumb_eq', 'boolean', 'bigint'], ['=', '_plumb_eq', 'bigint', 'boolean'],
        ['<>', '_plumb_ne', 'boolean', 'bigint'], ['<>', '_plumb_ne', 'bigint', 'boolean'],
        ['+', '_plumb_add', 'boolean', 'bigint'], ['+', '_plumb_add', 'bigint', 'boolean'], ['+', '_plumb_add', 'boolean', 'boolean'],
        ['-', '_plumb_sub', 'boolean', 'bigint'], ['-', '_plumb_sub', 'bigint', 'boolean'], ['-', '_plumb_sub', 'boolean', 'boolean'],
        ['*', '_plumb_mul', 'boolean', 'bigint'], ['*', '_plumb_mul', 'bigint', 'boolean'], ['*', '_plumb_mul', 'boolean', 'boolean'],
        ['||', '_plumb_join', 'text', 'double precision'], ['||', '_plumb_join', 'double precision', 'text'],
        ['||', '_plumb_join', 'text', 'bigint'], ['||', '_plumb_join', 'bigint', 'text'],
        ['||', '_plumb_join', 'text', 'integer'], ['||', '_plumb_join', 'integer', 'text'],
        ['||', '_plumb_join', 'text', 'boolean'], ['||', '_plumb_join', 'boolean', 'text'],
        ['||', '_plumb_join', 'text', 'bytea'], ['||', '_plumb_join', 'bytea', 'text'],
        ['||', '_plumb_join', 'text', 'numeric'], ['||', '_plumb_join', 'numeric', 'text'],
        ['<<', '_plumb_shift_left', 'bigint', 'bigint'], ['>>', '_plumb_shift_right', 'bigint', 'bigint'],
        ['->>', '_plumb_json_get', 'text', 'text'], ['->>', '_plumb_json_get', 'text', 'bigint'],
        ['->', '_plumb_json_part', 'text', 'text'], ['->', '_plumb_json_part', 'text', 'bigint']]
    LOOP
        IF to_regoperator(format('plumb.%s(%s,%s)', o[1], o[3], o[4])) IS NULL THEN
            EXECUTE format('CREATE OPERATOR plumb.%s (FUNCTION = plumb.%I, LEFTARG = %s, RIGHTARG = %s)', o[1], o[2], o[3], o[4]);
        END IF;
    END LOOP;
END $d$;
