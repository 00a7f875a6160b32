/* From brace to brace: what stands before one is copied, what stands in it is looked up. */
#include "store/words.h"

#include <string.h>

static const char *word_find(const struct store_word *words, size_t count, struct str name) {
    for (size_t i = 0; i < count; i++) {
        if (str_equal_c(name, words[i].name)) {
            return words[i].is;
        }
    }
    return NULL;
}

void store_words(const struct store_word *words, size_t count, const char *text, struct buf *out) {
    const char *rest = text;
    const char *open = strchr(rest, '{');
    while (open != NULL) {
        const size_t len = strcspn(open, "}");
        ASSERT(open[len] == '}');
        const char *is = word_find(words, count, (struct str){open + 1, len - 1});
        ASSERT(is != NULL);
        buf_addstr(out, (struct str){rest, (size_t)(open - rest)});
        buf_adds(out, is);
        rest = open + len + 1;
        open = strchr(rest, '{');
    }
    buf_adds(out, rest);
}
