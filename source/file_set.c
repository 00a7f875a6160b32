/* How it works: a scan has three passes over the files the pattern matches. First every file looks
 * for the partition with its inode, which finds what was read before and what was renamed. What is
 * left looks for a partition under its path, which finds files restored with another inode. What is
 * still left is new. A partition is only believed to be the same file when the beginning of the
 * file still has the partition's fingerprint; that is read again whenever size or time of the file
 * changed. Three hash indexes over the partitions (by path, inode, name) live as long as the scan.
 */
#include "source/file_set.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

#define REFUSED_SHOWN_BYTES 200

struct found {
    const char *path; /* relative; view into full */
    const char *full;
    struct file_info info;
    struct file_part *part;    /* NULL: not known yet */
    bool alias;                /* another name of a file that has its turn already */
    enum file_verdict verdict; /* about part */
};

struct scan {
    struct file_set *set;
    struct found *found;
    size_t count;
    int64_t now_us; /* monotonic */
};

/* ---- hash indexes: open addressing, several entries may have one key ---- */

struct file_index {
    struct file_part **slots;
    size_t mask;
};

static struct file_index *index_new(size_t entries) {
    size_t slots = 16;
    while (slots < entries * 2) {
        slots *= 2;
    }
    struct file_index *x = mem_alloc(sizeof(*x));
    x->slots = mem_alloc_array(slots, sizeof(struct file_part *));
    x->mask = slots - 1;
    return x;
}

static void index_free(struct file_index **x) {
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

/* ---- the set ---- */

void file_set_init(struct file_set *s) {
    *s = (struct file_set){0};
}

void file_set_release(struct file_set *s) {
    for (size_t i = 0; i < s->count; i++) {
        file_part_free(s->parts[i]);
    }
    for (size_t i = 0; i < s->refused_count; i++) {
        file_part_free(s->refused[i]);
    }
    mem_free(s->refused);
    mem_free(s->parts);
    mem_free(s->order);
    index_free(&s->by_path);
    index_free(&s->by_inode);
    index_free(&s->by_name);
    *s = (struct file_set){0};
}

static void add_part(struct file_set *s, struct file_part *p) {
    if (s->count == s->capacity) {
        s->capacity = s->capacity == 0 ? 16 : s->capacity * 2;
        s->parts = mem_realloc(s->parts, s->capacity * sizeof(struct file_part *));
    }
    s->parts[s->count++] = p;
}

enum err_code file_set_add_cursor(struct file_set *s, const struct source_cursor *c,
                                  struct err *err) {
    struct file_part *p = NULL;
    enum err_code code = file_part_from_cursor(c, &p, err);
    if (code == ERR_NONE) {
        add_part(s, p);
    }
    return code;
}

char *file_set_full_path(const struct file_set *s, const char *path) {
    return file_join(s->directory, path);
}

void file_set_close(struct file_set *s, struct file_part *p) {
    file_close(&p->fd);
    for (size_t i = 0; i < FILE_OPEN_MAX; i++) {
        if (s->open[i] == p) {
            s->open[i] = NULL;
        }
    }
}

enum err_code file_set_open(struct file_set *s, struct file_part *p, struct err *err) {
    if (p->fd >= 0) {
        return ERR_NONE;
    }
    char *full = file_set_full_path(s, p->path);
    enum err_code code = file_open_read(full, &p->fd, err);
    mem_free(full);
    if (code != ERR_NONE) {
        p->fd = -1;
        return code;
    }
    if (s->open[s->open_next] != NULL) {
        file_set_close(s, s->open[s->open_next]);
    }
    s->open[s->open_next] = p;
    s->open_next = (s->open_next + 1) % FILE_OPEN_MAX;
    return ERR_NONE;
}

void file_set_note_unread(struct file_set *s, struct file_part *p, int64_t bytes) {
    int64_t unread = bytes > 0 ? bytes : 0;
    s->unread += unread - p->unread;
    p->unread = unread;
}

/* ---- which file is which ---- */

/* Compares what was read of p with the file found. */
static enum err_code judge(const struct file_part *p, const struct found *f, enum file_verdict *out,
                           struct err *err) {
    const bool packed = p->compression == COMPRESSION_GZIP || p->compression == COMPRESSION_ZSTD;
    bool same_inode = p->device == f->info.device && p->inode == f->info.inode;
    if (p->seen && same_inode && p->size == f->info.size && p->modified_us == f->info.modified_us) {
        *out = p->verdict;
        return ERR_NONE;
    }
    uint64_t fingerprint = 0;
    size_t got = 0;
    if (p->mark.fingerprint_len > 0 && f->info.size >= (int64_t)p->mark.fingerprint_len) {
        AUTO_FD fd = -1;
        enum err_code code = file_open_read(f->full, &fd, err);
        if (code == ERR_NONE) {
            code = file_fingerprint(fd, p->mark.fingerprint_len, &fingerprint, &got, err);
        }
        if (code == ERR_CONFIG) {
            /* Gone or not readable: reading it will tell. */
            err_clear(err);
            *out = same_inode ? FILE_SAME : FILE_CHANGED;
            return ERR_NONE;
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    bool begins_same =
        got == p->mark.fingerprint_len && (got == 0 || fingerprint == p->mark.fingerprint);
    int64_t least = packed ? (int64_t)p->mark.fingerprint_len : p->mark.at.offset;
    if (f->info.size < least && (begins_same || same_inode)) {
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
        enum err_code code = judge(p, f, &verdict, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (verdict == FILE_SAME || strcmp(p->path, f->path) == 0) {
            consider(f, p, verdict);
        }
    }
    if (f->part != NULL && f->part->present) {
        f->alias = f->verdict == FILE_SAME;
        f->part = NULL;
    }
    if (f->part != NULL) {
        f->part->present = true;
    }
    return ERR_NONE;
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
        enum err_code code = judge(p, f, &verdict, err);
        if (code != ERR_NONE) {
            return code;
        }
        consider(f, p, verdict);
    }
    if (f->part != NULL && f->verdict == FILE_CHANGED) {
        f->part = NULL; /* another file took the place: rotation */
    }
    if (f->part != NULL) {
        f->part->present = true;
    }
    return ERR_NONE;
}

static bool name_taken(const struct file_set *s, const char *name) {
    size_t at = (size_t)hash_text(name);
    for (const struct file_part *p = index_next(s->by_name, &at); p != NULL;
         p = index_next(s->by_name, &at)) {
        if (strcmp(p->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether a file that is new has its turn already, under another name. */
static bool is_link(const struct file_set *s, const struct found *f) {
    size_t at = (size_t)hash_inode(f->info.device, f->info.inode);
    for (const struct file_part *p = index_next(s->by_inode, &at); p != NULL;
         p = index_next(s->by_inode, &at)) {
        if (p->device == f->info.device && p->inode == f->info.inode && p->present) {
            return true;
        }
    }
    return false;
}

/* Pass 3: a new partition, named after its path and generation. */
static struct file_part *new_generation(struct file_set *s, const struct found *f) {
    char name[BATCH_PARTITION_BYTES_MAX];
    (void)snprintf(name, sizeof(name), "%s", f->path);
    for (size_t n = 2; name_taken(s, name); n++) {
        (void)snprintf(name, sizeof(name), "%s@%zu", f->path, n);
    }
    struct file_part *p = file_part_new(name, f->path);
    add_part(s, p);
    p->device = f->info.device;
    p->inode = f->info.inode;
    index_add(s->by_name, hash_text(name), p);
    index_add(s->by_inode, hash_inode(p->device, p->inode), p);
    p->present = true;
    return p;
}

/* ---- what to do with it ---- */

static void tell_altered(struct file_set *s, struct file_part *p, const struct found *f) {
    file_set_close(s, p); /* what was read ahead of it is worth nothing */
    if (f->verdict == FILE_SHRANK) {
        file_part_set_trouble(p, ERR_INPUT,
                              "file '%s' has %lld bytes, but %lld were read of it before: it was "
                              "cut or replaced. It is left alone; put the old file back, or give "
                              "the new one another name to read it from its start",
                              f->path, (long long)f->info.size, (long long)p->mark.at.offset);
    } else {
        file_part_set_trouble(p, ERR_INPUT,
                              "the beginning of file '%s', which was read before, has changed. It "
                              "is left alone; put the old file back, or give the new one another "
                              "name to read it from its start",
                              f->path);
    }
}

/* In follow mode an altered file was truncated by its writer and starts anew. */
static struct file_part *restart_truncated(struct file_set *s, const struct found *f) {
    struct file_part *old = f->part;
    old->ended = true;
    old->present = false;
    old->news = false;
    file_set_close(s, old);
    file_set_note_unread(s, old, 0);
    struct file_part *p = new_generation(s, f);
    file_part_set_trouble(p, ERR_INPUT,
                          "file '%s' was truncated after %lld bytes of it were read; it is read "
                          "from its start as '%s'. What was written and cut between two looks is "
                          "lost: rotate by renaming instead",
                          f->path, (long long)old->mark.at.offset, p->name);
    return p;
}

/* Notes what the scan saw of the file and whether it is worth reading. */
static void note_seen(struct file_set *s, const struct scan *scan, struct found *f) {
    struct file_part *p = f->part;
    const struct file_info *info = &f->info;
    bool same_inode = p->device == info->device && p->inode == info->inode;
    bool changed =
        !p->seen || !same_inode || p->size != info->size || p->modified_us != info->modified_us;
    if (!same_inode) {
        file_set_close(s, p);
        p->device = info->device;
        p->inode = info->inode;
    }
    if (strcmp(p->path, f->path) != 0) {
        mem_free(p->path);
        p->path = mem_strdup(f->path);
        p->moved = p->has_cursor;
    }
    p->seen = true;
    p->size = info->size;
    p->modified_us = info->modified_us;
    p->verdict = f->verdict;
    if (changed) {
        p->quiet_since_us = scan->now_us;
        p->settled = false;
        p->news = file_part_has_unread(p);
        file_set_note_unread(s, p, p->news ? info->size - p->mark.at.offset : 0);
    } else if (p->tail && !p->settled && scan->now_us - p->quiet_since_us >= FILE_SETTLE_US) {
        p->settled = true;
        p->news = true;
    }
    p->news = p->news || p->moved;
}

/* A file that is not under its path any more. With its descriptor open it is read to its end, and
 * on until it rests: the writer may not have noticed yet that it was renamed. */
static enum err_code note_absent(struct file_set *s, const struct scan *scan, struct file_part *p,
                                 struct err *err) {
    struct file_info info = {0};
    if (p->fd >= 0 && p->compression == COMPRESSION_NONE) {
        enum err_code code = file_info_of_fd(p->fd, &info, err);
        if (code != ERR_NONE) {
            return code;
        }
        if (info.size != p->size) {
            p->size = info.size;
            p->quiet_since_us = scan->now_us;
            p->news = file_part_has_unread(p);
        } else if (scan->now_us - p->quiet_since_us >= FILE_SETTLE_US && !p->news) {
            p->news = p->tail && !p->settled;
            p->settled = true;
            if (!p->news) {
                file_set_close(s, p);
            }
        }
        return ERR_NONE;
    }
    p->news = false;
    if (p->seen && file_part_has_unread(p)) {
        file_part_set_trouble(p, ERR_INPUT,
                              "file '%s' vanished before all of it was read (%lld of %lld bytes "
                              "were); put it back to go on",
                              p->path, (long long)p->mark.at.offset, (long long)p->size);
    }
    file_set_note_unread(s, p, 0);
    p->seen = false;
    return ERR_NONE;
}

/* ---- the scan ---- */

/* The directory's own name is no pattern, whatever characters it has. */
static char *full_pattern(const struct file_set *s) {
    if (s->pattern[0] == '/') {
        return mem_strdup(s->pattern);
    }
    AUTO_BUF b = BUF_INIT(BUF_TEXT_MAX);
    for (const char *p = s->directory; *p != '\0'; p++) {
        if (strchr("*?[", *p) != NULL) {
            buf_addf(&b, "[%c]", *p);
        } else {
            buf_addc(&b, *p);
        }
    }
    return file_join(buf_c(&b), s->pattern);
}

static const char *relative_path(const struct file_set *s, const char *full) {
    size_t len = strlen(s->directory);
    if (s->pattern[0] == '/' || len == 0 || strncmp(full, s->directory, len) != 0) {
        return full;
    }
    full += len;
    while (*full == '/') {
        full++;
    }
    return full;
}

/* A path that cannot be the name of a partition is that file's trouble alone, told under as much of
 * its name as can be shown. */
static void refuse_path(struct file_set *s, const struct found *f) {
    struct file_part *p = NULL;
    for (size_t i = 0; i < s->refused_count && p == NULL; i++) {
        const struct file_part *known = s->refused[i];
        bool same = known->device == f->info.device && known->inode == f->info.inode;
        p = same ? s->refused[i] : NULL;
    }
    if (p == NULL) {
        char shown[REFUSED_SHOWN_BYTES];
        str_printable(str_of(f->path), shown, sizeof(shown));
        s->refused = mem_realloc(s->refused, (s->refused_count + 1) * sizeof(struct file_part *));
        p = file_part_new(shown, shown);
        s->refused[s->refused_count++] = p;
        p->device = f->info.device;
        p->inode = f->info.inode;
    }
    file_part_set_trouble(p, ERR_INPUT,
                          "the path of a file must be UTF-8 of at most %d bytes; rename the file, "
                          "or narrow the path option",
                          FILE_PATH_BYTES_MAX);
}

static enum err_code list_files(struct scan *scan, const struct file_list *list, struct err *err) {
    scan->found = mem_alloc_array(list->count + 1, sizeof(struct found));
    for (size_t i = 0; i < list->count; i++) {
        struct found *f = &scan->found[scan->count];
        f->full = list->paths[i];
        f->path = relative_path(scan->set, f->full);
        enum err_code code = file_info_of(f->full, &f->info, err);
        if (code == ERR_CONFIG) {
            err_clear(err); /* gone since it was listed, or a dangling link */
            continue;
        }
        if (code != ERR_NONE) {
            return code;
        }
        if (!f->info.is_regular) {
            continue;
        }
        if (strlen(f->path) > FILE_PATH_BYTES_MAX || !str_is_utf8(str_of(f->path))) {
            refuse_path(scan->set, f);
            continue;
        }
        scan->count++;
    }
    return ERR_NONE;
}

static void build_indexes(struct file_set *s, size_t more) {
    index_free(&s->by_path);
    index_free(&s->by_inode);
    index_free(&s->by_name);
    s->by_path = index_new(s->count);
    s->by_inode = index_new(s->count + more);
    s->by_name = index_new(s->count + more);
    for (size_t i = 0; i < s->count; i++) {
        struct file_part *p = s->parts[i];
        p->present = false;
        index_add(s->by_path, hash_text(p->path), p);
        index_add(s->by_inode, hash_inode(p->device, p->inode), p);
        index_add(s->by_name, hash_text(p->name), p);
    }
}

static enum err_code match_all(struct scan *scan, struct err *err) {
    for (size_t i = 0; i < scan->count; i++) {
        enum err_code code = match_inode(scan->set, &scan->found[i], err);
        if (code != ERR_NONE) {
            return code;
        }
    }
    for (size_t i = 0; i < scan->count; i++) {
        struct found *f = &scan->found[i];
        enum err_code code =
            f->part == NULL && !f->alias ? match_path(scan->set, f, err) : ERR_NONE;
        if (code != ERR_NONE) {
            return code;
        }
    }
    return ERR_NONE;
}

static void add_to_order(struct file_set *s, struct file_part *p) {
    if (s->order_count == s->order_capacity) {
        s->order_capacity = s->order_capacity == 0 ? 16 : s->order_capacity * 2;
        s->order = mem_realloc(s->order, s->order_capacity * sizeof(struct file_part *));
    }
    s->order[s->order_count++] = p;
}

static enum err_code settle_all(struct scan *scan, struct err *err) {
    struct file_set *s = scan->set;
    s->order_count = 0;
    size_t known = s->count; /* the rest is made below and present */
    for (size_t i = 0; i < known; i++) {
        struct file_part *p = s->parts[i];
        if (!p->present && !p->ended && (p->seen || p->fd >= 0)) {
            enum err_code code = note_absent(s, scan, p, err);
            if (code != ERR_NONE) {
                return code;
            }
            add_to_order(s, p);
        }
    }
    for (size_t i = 0; i < s->refused_count; i++) {
        add_to_order(s, s->refused[i]); /* choose_part passes over those without trouble */
    }
    for (size_t i = 0; i < scan->count; i++) {
        struct found *f = &scan->found[i];
        if (f->alias || (f->part == NULL && is_link(s, f))) {
            continue;
        }
        if (f->part == NULL) {
            f->part = new_generation(s, f);
            f->verdict = FILE_SAME;
        } else if (f->verdict != FILE_SAME && s->follow) {
            f->part = restart_truncated(s, f);
            f->verdict = FILE_SAME;
        }
        note_seen(s, scan, f);
        if (f->verdict != FILE_SAME) {
            tell_altered(s, f->part, f);
        }
        add_to_order(s, f->part);
    }
    return ERR_NONE;
}

enum err_code file_set_scan(struct file_set *s, struct err *err) {
    char *pattern = full_pattern(s);
    struct file_list list = {0};
    enum err_code code = file_glob(pattern, &list, err);
    mem_free(pattern);
    if (code != ERR_NONE) {
        return code;
    }
    struct scan scan = {.set = s, .now_us = clock_monotonic_us()};
    code = list_files(&scan, &list, err);
    if (code == ERR_NONE) {
        build_indexes(s, scan.count);
        code = match_all(&scan, err);
    }
    if (code == ERR_NONE) {
        s->matched = scan.count + s->refused_count;
        code = settle_all(&scan, err);
    }
    mem_free(scan.found);
    file_list_release(&list);
    return code;
}
