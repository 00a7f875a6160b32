/* What commands print: text gathered in a buffer and written to standard output in one go.
 *
 * Colour only when standard output is a terminal and NO_COLOR is not set. Text that comes from data
 * goes through output_data, which shows nothing a terminal would act on. */
#ifndef PLUMB_CLI_OUTPUT_H
#define PLUMB_CLI_OUTPUT_H

#include "base/json.h"

enum style { STYLE_PLAIN, STYLE_STRONG, STYLE_DIM, STYLE_GOOD, STYLE_WARN, STYLE_BAD };

struct output {
    struct buf text;
    bool colour;
    int columns; /* of the terminal; 0: not a terminal, nothing is cut */
};

void output_init(struct output *o);
void output_release(struct output *o); /* for CLEANUP */
#define AUTO_OUTPUT CLEANUP(output_release) struct output
/* Writes and empties the text; the exit code becomes FAILED when nobody takes it. Returns code. */
int output_flush(struct output *o, int code);

void output_add(struct output *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
void output_styled(struct output *o, enum style style, const char *fmt, ...) PRINTF_LIKE(3, 4);
void output_data(struct output *o, struct str data);
void output_style(struct output *o, enum style style); /* until STYLE_PLAIN */

/* Printable copy of data of any length, heap; free with mem_free. */
char *output_printable(struct str data);
/* Columns the text takes: code points, which is right for all but wide and combining ones. */
size_t output_width(const char *text);

/* 1234567 -> "1,234,567" */
#define OUTPUT_NUMBER_BYTES 48
void output_number(int64_t n, char out[OUTPUT_NUMBER_BYTES]);
/* "12 B", "3.4 KiB", "1.2 GiB" */
void output_bytes(int64_t n, char out[OUTPUT_NUMBER_BYTES]);
/* "850 us", "12.3 ms", "4.1 s", "3 m 20 s" */
void output_duration(int64_t us, char out[OUTPUT_NUMBER_BYTES]);
/* "just now", "5 s ago", "3 m ago", "2 h ago", "4 d ago"; "in 5 s" of what is to come */
void output_ago(int64_t then_us, int64_t now_us, char out[OUTPUT_NUMBER_BYTES]);
/* "1 source", "2 sources" into out */
void output_count(struct buf *out, size_t n, const char *one);

/* A JSON document on standard output: begin, write with o.json, end. */
struct json_output {
    struct output out;
    struct json_writer json;
};
void json_output_begin(struct json_output *o);
/* The member "error" of the object that is open: class, where, message. */
void json_output_error(struct json_output *o, const struct err *err);
int json_output_end(struct json_output *o, int code);

#endif
