/* What the scanner reads several bytes at a time, at every place of a step and before every kind of
 * byte, against expectations made byte by byte; and that nothing of a bad record stays for the
 * next. */
#include "rows/decode_test.h"

#include "rows/decode_json_scan.h"

#include <stdio.h>

#define STEPS_BYTES 40 /* more than two steps */

static struct decoder *json_decoder(const struct contract *c) {
    struct decoder *d = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(decoder_new_json(c, &d, &err), ERR_NONE);
    return d;
}

/* A string of len plain bytes with one byte put at `at`: is it JSON, and which text? */
static void check_byte(struct decoder *d, int byte, size_t at, size_t len) {
    char record[STEPS_BYTES + 16] = "{\"v\":\"";
    char text[STEPS_BYTES + 1];
    memset(text, 'x', len);
    text[at] = (char)byte;
    memcpy(record + 6, text, len);
    memcpy(record + 6 + len, "\"}", 3);
    struct run r;
    run_one(&r, d, STR(""), (struct str){record, len + 8});
    bool is_good = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
    assert_int_equal(r.out.streams[0].count, is_good);
    if (is_good) {
        struct value v;
        rows_get(&r.out.streams[0], 0, 0, &v);
        assert_int_equal(v.bytes.len, len);
        assert_memory_equal(v.bytes.ptr, text, len);
    } else if (byte != '"' && byte != '\\') {
        assert_int_equal(r.out.rejects.items[0].offset, 6 + at);
    } else {
        assert_int_equal(r.out.rejects.items[0].reason, REJECT_MALFORMED);
    }
    run_release(&r);
}

static void every_byte_is_seen_at_every_place_of_a_string(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 7, 8, 15, 16, 17, STEPS_BYTES};
    struct test_contract t;
    const struct contract_column columns[] = {PLAIN("v", TEXT)};
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 1));
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        for (size_t at = 0; at < lengths[i]; at++) {
            for (int byte = 0; byte < 256; byte++) {
                check_byte(d, byte, at, lengths[i]);
            }
        }
    }
    decoder_free(d);
}

/* The quote that closes a string stands in the next record, and must not be found. */
static void a_string_ends_with_its_record(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract_column columns[] = {PLAIN("v", TEXT)};
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 1));
    for (size_t len = 0; len < STEPS_BYTES; len++) {
        char open[STEPS_BYTES + 16] = "{\"v\":\"";
        memset(open + 6, 'x', len);
        const struct str records[] = {{open, 6 + len}, STR("\"}"), STR("{\"v\":\"\"}")};
        struct run r;
        run_records(&r, d, STR(""), records, ARRAY_COUNT(records));
        assert_int_equal(r.out.streams[0].count, 1);
        assert_int_equal(r.out.streams[0].pos[0], 2);
        assert_int_equal(r.out.rejects.items[0].offset, 6 + len);
        run_release(&r);
    }
    decoder_free(d);
}

/* Numbers of 1 to 19 digits, followed by 1 to 12 bytes of the record. */
/* Text whose memory ends with it: sanitizers see a load behind it. */
static void an_exact_scan_loads_nothing_behind_the_end(void **state) {
    (void)state;
    for (size_t len = 0; len <= STEPS_BYTES; len++) {
        for (int is_closed = 0; is_closed < 2; is_closed++) {
            char *text = mem_alloc_array(len + 2, 1);
            text = mem_realloc(text, len > 0 ? len : 1);
            memset(text, 'x', len);
            if (is_closed && len > 0) {
                text[len - 1] = '"';
            }
            struct json_scan s = {.begin = text, .end = text + len, .is_exact = true};
            bool has_escape = false;
            const char *p = json_scan_string(&s, text, &has_escape);
            assert_ptr_equal(p, is_closed && len > 0 ? s.end : NULL);
            mem_free(text);
        }
    }
}

static void integers_of_every_length_are_exact_wherever_they_end(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract_column columns[] = {PLAIN("v", INT64)};
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 1));
    uint64_t seed = 88172645463325252u;
    for (int digits = 1; digits <= 19; digits++) {
        for (int round = 0; round < 200; round++) {
            char text[24];
            int64_t want = 0;
            bool negative = round % 2 == 1;
            for (int i = 0; i < digits; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                int digit = (int)(seed >> 33) % 10;
                digit = i == 0 && digits > 1 && digit == 0 ? 1 : digit;
                digit = i == 0 && digits == 19 ? 1 + digit % 8 : digit; /* below 9e18 */
                text[i] = (char)('0' + digit);
                want = want * 10 + digit;
            }
            char record[64];
            int len = snprintf(record, sizeof(record), "{\"v\":%s%.*s%.*s}", negative ? "-" : "",
                               digits, text, round % 12, "           ");
            struct run r;
            run_one(&r, d, STR(""), (struct str){record, (size_t)len});
            assert_int_equal(r.out.streams[0].count, 1);
            assert_true(r.out.streams[0].columns[0].integer[0] == (negative ? -want : want));
            run_release(&r);
        }
    }
    decoder_free(d);
}

/* Any byte behind digits but white space, ',' and '}' is a fault, wherever in a step it stands. */
static void every_byte_ends_an_integer(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract_column columns[] = {PLAIN("v", INT64)};
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 1));
    for (int digits = 1; digits <= 17; digits++) {
        for (int byte = 0; byte < 256; byte++) {
            char record[64] = "{\"v\":";
            memset(record + 5, '7', (size_t)digits);
            record[5 + digits] = (char)byte;
            memcpy(record + 6 + digits, "          }", 12);
            struct run r;
            run_one(&r, d, STR(""), (struct str){record, (size_t)digits + 17});
            bool is_space = byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
            bool is_good = is_space || (byte >= '0' && byte <= '9');
            assert_int_equal(r.out.streams[0].count, is_good);
            if (is_good) {
                int64_t want = 0;
                for (int i = 0; i < digits; i++) {
                    want = want * 10 + 7;
                }
                want = is_space ? want : want * 10 + (byte - '0');
                assert_true(r.out.streams[0].columns[0].integer[0] == want);
            }
            run_release(&r);
        }
    }
    decoder_free(d);
}

static void what_a_bad_record_held_is_not_taken_for_the_next(void **state) {
    (void)state;
    struct test_contract t;
    const struct contract_column columns[] = {COLUMN("id", INT64, .required = true),
                                              PLAIN("name", TEXT)};
    struct decoder *d = json_decoder(test_contract_of(&t, columns, 2));
    const struct str records[] = {STR("{\"id\":1,\"name\":\"a\""), STR("{}"),
                                  STR("{\"id\":2,\"name\":3}"), STR("{\"id\":4}"), STR("{}")};
    struct run r;
    run_records(&r, d, STR(""), records, ARRAY_COUNT(records));
    assert_int_equal(r.out.streams[0].count, 1);
    assert_int_equal(r.out.streams[0].pos[0], 3);
    assert_int_equal(r.out.streams[0].columns[1].is_null[0], 1);
    assert_int_equal(r.out.rejects.items[0].reason, REJECT_MALFORMED);
    assert_int_equal(r.out.rejects.items[1].reason, REJECT_MISSING);
    assert_int_equal(r.out.rejects.items[2].reason, REJECT_TYPE);
    assert_int_equal(r.out.rejects.items[3].reason, REJECT_MISSING);
    assert_int_equal(r.out.drift.records, 4);
    assert_int_equal(r.out.drift.column_present[0], 2);
    assert_int_equal(r.out.drift.column_present[1], 1);
    run_release(&r);
    decoder_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_seen_at_every_place_of_a_string),
        cmocka_unit_test(a_string_ends_with_its_record),
        cmocka_unit_test(an_exact_scan_loads_nothing_behind_the_end),
        cmocka_unit_test(integers_of_every_length_are_exact_wherever_they_end),
        cmocka_unit_test(every_byte_ends_an_integer),
        cmocka_unit_test(what_a_bad_record_held_is_not_taken_for_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
