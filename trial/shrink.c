/* How it works: whole batches are left out first, then records, in chunks that halve from half of
 * what there is down to one; what can go while the difference stays, goes. A run of a small sample
 * takes milliseconds, and there is an end to runs and to time. */
#include "base/clock.h"
#include "trial/prove.h"

#define BASE  "small"
#define OTHER "smaller"

struct shrinking {
    const struct trial *trial;
    struct scratch *scratch;
    const struct sample *sample;
    struct arena *arena;
    const struct flow_transform *wanted;
    int64_t runs;
    int64_t until_us;
};

/* What is kept of a sample: flags over batches, or over records counted through all batches. */
struct choice {
    bool *keep;
    size_t count;
    bool of_records;
};

static void choose(const struct sample *from, const struct choice *c, struct arena *arena,
                   struct sample *out) {
    struct sample_batch *batches = mem_alloc_array(from->count + 1, sizeof *batches);
    *out = (struct sample){.batches = batches, .references = from->references};
    size_t record = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct sample_batch *b = &from->batches[i];
        struct sample_batch part = *b;
        if (c->of_records) {
            struct sample_record *records = arena_new(arena, (b->count + 1) * sizeof *records);
            part.count = 0;
            bool lead = true; /* what others hang on is kept */
            for (size_t k = 0; k < b->count; k++, record++) {
                lead = b->records[k].is_tied ? lead : c->keep[record];
                if (c->keep[record] && lead) {
                    records[part.count++] = b->records[k];
                }
            }
            part.records = records;
        }
        const bool keep = c->of_records ? part.count > 0 || b->taken_back > 0 : c->keep[i];
        if (keep) {
            batches[out->count++] = part;
            out->records += (int64_t)part.count;
        }
    }
}

static bool still_fails(struct shrinking *x, const struct sample *part, struct difference *out) {
    struct err err = ERR_INIT;
    x->runs++;
    /* A part on which not even the plain run works shows something else. */
    if (trial_baseline(x->scratch, BASE, part, &err) != ERR_NONE) {
        return false;
    }
    struct difference found;
    if (trial_do(x->trial, x->scratch, part, BASE, OTHER, x->arena, &found, &err) != ERR_NONE) {
        return false;
    }
    if (!found.found || found.transform != x->wanted) {
        return false;
    }
    *out = found;
    return true;
}

static bool is_over(const struct shrinking *x) {
    return x->runs >= SHRINK_RUNS_MAX || scratch_is_stopping(x->scratch) ||
           clock_monotonic_us() > x->until_us;
}

static size_t kept(const struct choice *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++) {
        n += c->keep[i];
    }
    return n;
}

/* Leaves out the next `size` that are kept, from *at on; false when there are none. */
static bool leave_out(struct choice *c, size_t *at, size_t size, size_t *first) {
    while (*at < c->count && !c->keep[*at]) {
        (*at)++;
    }
    *first = *at;
    for (size_t left = size; left > 0 && *at < c->count; (*at)++) {
        left -= c->keep[*at];
        c->keep[*at] = false;
    }
    return *first < *at;
}

static void reduce(struct shrinking *x, struct choice *c, struct difference *out) {
    bool *before = mem_alloc_array(c->count + 1, sizeof *before);
    for (size_t size = kept(c) / 2; size > 0 && !is_over(x); size /= 2) {
        size_t at = 0;
        size_t first = 0;
        for (;;) {
            for (size_t i = 0; i < c->count; i++) {
                before[i] = c->keep[i];
            }
            if (is_over(x) || !leave_out(c, &at, size, &first)) {
                break;
            }
            struct sample part;
            choose(x->sample, c, x->arena, &part);
            const bool fails = part.count > 0 && still_fails(x, &part, out);
            mem_free(part.batches);
            for (size_t i = first; i < at && !fails; i++) {
                c->keep[i] = before[i];
            }
        }
    }
    mem_free(before);
}

static void all(struct choice *c, size_t count, bool of_records) {
    *c = (struct choice){mem_alloc_array(count + 1, sizeof(bool)), count, of_records};
    for (size_t i = 0; i < count; i++) {
        c->keep[i] = true;
    }
}

static size_t records_in(const struct sample *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        n += s->batches[i].count;
    }
    return n;
}

enum err_code shrink(const struct trial *t, struct scratch *s, const struct sample *sample,
                     struct arena *arena, struct sample *part, struct difference *out,
                     struct err *err) {
    (void)err; /* what fails while it shrinks is not taken for the fault; the sample stays larger */
    struct shrinking x = {.trial = t,
                          .scratch = s,
                          .sample = sample,
                          .arena = arena,
                          .wanted = out->transform,
                          .until_us = clock_monotonic_us() + SHRINK_US_MAX};
    struct choice batches;
    all(&batches, sample->count, false);
    reduce(&x, &batches, out);
    struct sample fewer;
    choose(sample, &batches, arena, &fewer);
    mem_free(batches.keep);
    struct choice records;
    all(&records, records_in(&fewer), true);
    x.sample = &fewer;
    /* Twice: what one pass left may go once the rest is gone. */
    for (int pass = 0; pass < 2; pass++) {
        reduce(&x, &records, out);
    }
    choose(&fewer, &records, arena, part);
    mem_free(records.keep);
    mem_free(fewer.batches);
    return ERR_NONE;
}
