/* How it works: three passes over the files found. First every file looks for the partition with
 * its inode, which finds what was read before and what was renamed. What is left looks for a
 * partition under its path, which finds files restored with another inode. What is still left looks
 * for a partition that has vanished from its path with or without the ending of a compressed file,
 * which finds what was compressed or decompressed; the rest is new.
 *
 * A partition is only believed to be the same file when the beginning of the file, decompressed,
 * still has the partition's fingerprint; that is read again whenever size or time of the file
 * changed. A file whose beginning may not be read is nobody's: neither taken for a known one nor
 * made a new one. */
#include "source/file_match.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

/* ---- hash indexes ---- */

struct file_index *file_index_new(size_t entries) {
    size_t slots = 16;
    while (slots < entries * 2) {
        slots *= 2;
    }
    struct file_index *x = mem_alloc(sizeof(*x));
    x->slots = mem_alloc_array(slots, sizeof(struct file_part *));
    x->mask = slots - 1;
    return x;
}

void file_index_free(struct file_index **x) {
    if (*x != NULL) {
        mem_free((*x)->slots);
        mem_free(*x);
        *x = NULL;
    }
}

static void index_add(struct file_index *x, uint64_t hash, struct file_part *p) {
    size_t i = (size_t)hash & x->mask;
    while (x->slots[i] != NULL) {
        i = (i + 1) & x->mask;
    }
    x->slots[i] = p;
}

/* Entries that may have the hash, one after the other; start with *at = the hash. NULL at the end.
 */
static struct file_part *index_next(const struct file_index *x, size_t *at) {
    struct file_part *p = x->slots[*at & x->mask];
    *at = (*at & x->mask) + 1;
    return p;
}

static uint64_t hash_text(const char *text) {
    return hash64_of(text, strlen(text));
}

static uint64_t hash_inode(uint64_t device, uint64_t inode) {
    const uint64_t both[2] = {device, inode};
    return hash64_of(both, sizeof(both));
}

void file_index_add_path(struct file_index *x, const char *path, struct file_part *p) {
    index_add(x, hash_text(path), p);
}

void file_index_add_inode(struct file_index *x, struct file_part *p) {
    index_add(x, hash_inode(p->device, p->inode), p);
}

/* ---- which file is which ---- */

/* Opens a found file. *fd stays -1, and the file is passed, when it is gone or may not be read. */
static enum err_code open_found(struct file_set *s, struct found *f, int *fd, struct err *err) {
    enum err_code code = file_open_read(f->full, fd, err);
    if (code != ERR_CONFIG) {
        return code;
    }
    f->passed = true;
    f->unreadable = err->origin != ENOENT;
    if (f->unreadable) {
        file_match_refuse(s, f->path, err);
    }
    err_clear(err);
    return ERR_NONE;
}

/* Compares what was read of p with the file found. */
static enum err_code judge(struct file_set *s, const struct file_part *p, struct found *f,
                           enum file_verdict *out, struct err *err) {
    const bool packed = p->compression == COMPRESSION_GZIP || p->compression == COMPRESSION_ZSTD;
    bool same_inode = p->device == f->info.device && p->inode == f->info.inode;
    if (p->seen && same_inode && p->size == f->info.size && p->modified_us == f->info.modified_us) {
        *out = p->verdict;
        return ERR_NONE;
    }
    uint64_t fingerprint = 0;
    size_t got = 0;
    const size_t want = p->mark.fingerprint_len;
    if (want > 0 && (packed || f->info.size >= (int64_t)want)) {
        AUTO_FD fd = -1;
        enum err_code code = open_found(s, f, &fd, err);
        if (code == ERR_NONE && fd >= 0) {
            code = file_fingerprint(fd, p->compression, want, &fingerprint, &got, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    bool begins_same = got == want && (got == 0 || fingerprint == p->mark.fingerprint);
    bool shorter = packed ? got < want : f->info.size < p->mark.at.offset;
    if (shorter && (begins_same || same_inode)) {
        *out = FILE_SHRANK;
    } else {
        *out = begins_same ? FILE_SAME : FILE_CHANGED;
    }
    return ERR_NONE;
}

/* Takes p for f if it is a better choice than the one before: the same file rather than an altered
 * one, then the same path, then the later generation. */
static void consider(struct found *f, struct file_part *p, enum file_verdict verdict) {
    struct file_part *other = f->part;
    if (other != NULL) {
        bool same = verdict == FILE_SAME;
        bool other_same = f->verdict == FILE_SAME;
        bool path = strcmp(p->path, f->path) == 0;
        bool other_path = strcmp(other->path, f->path) == 0;
        if (same != other_same   ? other_same
            : path != other_path ? other_path
                                 : file_part_compare_age(p, other) < 0) {
            return;
        }
    }
    f->part = p;
    f->verdict = verdict;
}

/* Pass 1: by inode, under any path. A file that was altered in place is one of its path only: an
 * inode may be used again for another file. */
static enum err_code match_inode(struct file_set *s, struct found *f, struct err *err) {
    size_t at = (size_t)hash_inode(f->info.device, f->info.inode);
    for (struct file_part *p = index_next(s->by_inode, &at); p != NULL;
         p = index_next(s->by_inode, &at)) {
        if (p->device != f->info.device || p->inode != f->info.inode || p->ended) {
            continue;
        }
        enum file_verdict verdict = FILE_CHANGED;
        enum err_code code = judge(s, p, f, &verdict, err);
        if (code != ERR_NONE || f->passed) {
            f->part = NULL;
            return code;
        }
        if (verdict == FILE_SAME || strcmp(p->path, f->path) == 0) {
            consider(f, p, verdict);
        }
    }
    if (f->part != NULL && f->part->present) {
        f->passed = f->verdict == FILE_SAME;
        f->part = NULL;
    }
    if (f->part != NULL) {
        f->part->present = true;
    }
    return ERR_NONE;
}

/* Puts p in the place of the file found, which has another inode than p had. */
static void take_place(struct file_set *s, struct file_part *p, const struct found *f) {
    if (p->device != f->info.device || p->inode != f->info.inode) {
        file_set_close(s, p);
        p->device = f->info.device;
        p->inode = f->info.inode;
        p->seen = false;
        file_index_add_inode(s->by_inode, p);
    }
    p->present = true;
}

/* Pass 2: by path, with another inode. */
static enum err_code match_path(struct file_set *s, struct found *f, struct err *err) {
    size_t at = (size_t)hash_text(f->path);
    for (struct file_part *p = index_next(s->by_path, &at); p != NULL;
         p = index_next(s->by_path, &at)) {
        if (strcmp(p->path, f->path) != 0 || p->ended || p->present) {
            continue;
        }
        enum file_verdict verdict = FILE_CHANGED;
        enum err_code code = judge(s, p, f, &verdict, err);
        if (code != ERR_NONE || f->passed) {
            f->part = NULL;
            return code;
        }
        consider(f, p, verdict);
    }
    if (f->part != NULL && f->verdict == FILE_CHANGED) {
        f->part = NULL; /* another file took the place: rotation */
    }
    if (f->part != NULL) {
        take_place(s, f->part, f);
    }
    return ERR_NONE;
}

bool file_match_is_link(const struct file_set *s, const struct found *f) {
    size_t at = (size_t)hash_inode(f->info.device, f->info.inode);
    for (const struct file_part *p = index_next(s->by_inode, &at); p != NULL;
         p = index_next(s->by_inode, &at)) {
        if (p->device == f->info.device && p->inode == f->info.inode && p->present) {
            return true;
        }
    }
    return false;
}

bool file_match_name_taken(const struct file_set *s, const char *name) {
    size_t at = (size_t)hash_text(name);
    for (const struct file_part *p = index_next(s->by_name, &at); p != NULL;
         p = index_next(s->by_name, &at)) {
        if (strcmp(p->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- files that were compressed or decompressed ---- */

struct head {
    bool known;
    enum file_compression compression;
    size_t len;
    char bytes[FILE_FINGERPRINT_BYTES]; /* decompressed */
};

static enum err_code read_head(const struct file_set *s, int fd, struct head *head,
                               struct err *err) {
    if (head->known) {
        return ERR_NONE;
    }
    enum err_code code = ERR_NONE;
    head->compression = s->compression;
    if (s->compression == COMPRESSION_AUTO) {
        code = file_compression_detect(fd, &head->compression, err);
    }
    if (code == ERR_NONE) {
        code = file_head(fd, head->compression, head->bytes, sizeof(head->bytes), &head->len, err);
    }
    head->known = code == ERR_NONE;
    return code;
}

/* Whether the file was written to a moment ago: a compressor may be at work, and the file it
 * compresses not yet be removed. */
static bool is_young(const struct found *f) {
    const int64_t age = clock_now_us() - f->info.changed_us;
    return age < FILE_SETTLE_US && age > -FILE_SETTLE_US;
}

/* p was found under f's name with or without an ending. */
static void consider_repacked(struct found *f, struct file_part *p, const struct head *head) {
    const size_t want = p->mark.fingerprint_len;
    const bool begins_same =
        head->len >= want && (want == 0 || hash64_of(head->bytes, want) == p->mark.fingerprint);
    if (p->present) {
        f->passed = f->passed || (is_young(f) && (begins_same || head->len < want));
        return;
    }
    if (!begins_same ||
        (head->compression == COMPRESSION_NONE && f->info.size < p->mark.at.offset)) {
        return;
    }
    if (p->fd >= 0 && p->compression == COMPRESSION_NONE) {
        f->passed = true; /* its writer may still have it open: it is read to its end first */
        return;
    }
    if (f->part == NULL || file_part_compare_age(p, f->part) > 0) {
        f->part = p;
        f->verdict = FILE_SAME;
    }
}

static enum err_code consider_path(struct file_set *s, struct found *f, const char *path, int fd,
                                   struct head *head, struct err *err) {
    size_t at = (size_t)hash_text(path);
    for (struct file_part *p = index_next(s->by_path, &at); p != NULL;
         p = index_next(s->by_path, &at)) {
        if (strcmp(p->path, path) != 0 || p->ended) {
            continue;
        }
        enum err_code code = read_head(s, fd, head, err);
        if (code != ERR_NONE) {
            return code;
        }
        consider_repacked(f, p, head);
    }
    return ERR_NONE;
}

/* Pass 3: by path with an ending less or more. */
static enum err_code match_repacked(struct file_set *s, struct found *f, struct err *err) {
    if (file_match_is_link(s, f)) {
        return ERR_NONE;
    }
    AUTO_FD fd = -1;
    enum err_code code = open_found(s, f, &fd, err);
    struct head head = {0};
    const struct str stem = file_name_stem(f->path);
    const bool has_ending = stem.len < strlen(f->path);
    for (size_t i = 0; code == ERR_NONE && fd >= 0 && file_endings[i] != NULL; i++) {
        char *path = mem_printf("%.*s%s", STR_FMT(stem), has_ending ? "" : file_endings[i]);
        code = consider_path(s, f, path, fd, &head, err);
        mem_free(path);
        if (has_ending) {
            break;
        }
    }
    if (code != ERR_NONE) {
        f->part = NULL;
    }
    if (f->part != NULL) {
        take_place(s, f->part, f);
        f->part->compression = head.compression;
        f->part->mark.raw_size = -1;
        f->passed = false;
    }
    return code;
}

/* ---- files that cannot be read ---- */

void file_match_refuse(struct file_set *s, const char *path, const struct err *cause) {
    struct file_part *p = NULL;
    for (size_t i = 0; i < s->refused_count && p == NULL; i++) {
        p = strcmp(s->refused[i]->path, path) == 0 ? s->refused[i] : NULL;
    }
    if (p == NULL) {
        s->refused = mem_realloc(s->refused, (s->refused_count + 1) * sizeof(struct file_part *));
        p = file_part_new(path, path);
        s->refused[s->refused_count++] = p;
    }
    p->present = true;
    file_part_set_unreadable(p, cause);
}

/* What was known under the path has not vanished, as far as anybody can say. */
static void keep_place(const struct file_set *s, const char *path) {
    size_t at = (size_t)hash_text(path);
    for (struct file_part *p = index_next(s->by_path, &at); p != NULL;
         p = index_next(s->by_path, &at)) {
        p->present = p->present || (!p->ended && strcmp(p->path, path) == 0);
    }
}

enum err_code file_match_all(struct scan *scan, struct err *err) {
    static enum err_code (*const passes[])(struct file_set * s, struct found * f,
                                           struct err * err) = {match_inode, match_path,
                                                                match_repacked};
    for (size_t pass = 0; pass < ARRAY_COUNT(passes); pass++) {
        for (size_t i = 0; i < scan->count; i++) {
            struct found *f = &scan->found[i];
            enum err_code code =
                f->part == NULL && !f->passed ? passes[pass](scan->set, f, err) : ERR_NONE;
            if (code != ERR_NONE) {
                return code;
            }
        }
        for (size_t i = 0; pass == 1 && i < scan->count; i++) {
            if (scan->found[i].unreadable) {
                keep_place(scan->set, scan->found[i].path);
            }
        }
    }
    return ERR_NONE;
}
