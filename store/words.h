/* One text of SQL for databases that call the same things differently.
 *
 * What differs stands in braces, {int} for instance, and each database brings its words for it:
 *
 *     static const struct store_word words[] = {{"int", "bigint"}, {"text", "text"}};
 *     store_words(words, ARRAY_COUNT(words), "CREATE TABLE t(a {int}, b {text})", &out);
 *
 * Only texts of this program are meant, with braces for nothing else: a word that is not in the list
 * is our own mistake, and asserted. */
#ifndef PLUMB_STORE_WORDS_H
#define PLUMB_STORE_WORDS_H

#include "base/str.h"

struct store_word {
    const char *name; /* without the braces */
    const char *is;
};

/* Appends the text with the words put in. */
void store_words(const struct store_word *words, size_t count, const char *text, struct buf *out);

/* Appends what the engine keeps besides the flow's tables: CREATE TABLE and CREATE INDEX, all of them
 * IF NOT EXISTS; docs/store.md says what they hold. Words: {id} a number the database gives, which is
 * the key; {int} {real} {text} {blob}; {table} and {keyed} stand at a table's end, the latter where
 * rows lie in the order of their key. Numbers have 64 bits. */
void store_system_tables(const struct store_word *words, size_t count, struct buf *out);

#endif
