/* How it works: a scan lists what the pattern matches, finds out which file is which partition
 * (file_match.c), and notes for every partition whether there is something to read or to tell.
 * Three hash indexes over the partitions (by path, inode, name) live as long as the scan. */
#include "source/file_set.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "source/file_match.h"

#define REFUSED_SHOWN_BYTES 200

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
    file_index_free(&s->by_path);
    file_index_free(&s->by_inode);
    file_index_free(&s->by_name);
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

/* A new partition, named after its path and generation. */
static struct file_part *new_generation(struct file_set *s, const struct found *f) {
    char name[BATCH_PARTITION_BYTES_MAX];
    (void)snprintf(name, sizeof(name), "%s", f->path);
    for (size_t n = 2; file_match_name_taken(s, name); n++) {
        (void)snprintf(name, sizeof(name), "%s@%zu", f->path, n);
    }
    struct file_part *p = file_part_new(name, f->path);
    add_part(s, p);
    p->device = f->info.device;
    p->inode = f->info.inode;
    file_index_add_path(s->by_name, name, p);
    file_index_add_inode(s->by_inode, p);
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
    bool changed = !p->seen || p->size != info->size || p->modified_us != info->modified_us;
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
    p->present = true;
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
            if (err->origin != ENOENT && str_is_utf8(str_of(f->path)) &&
                strlen(f->path) <= FILE_PATH_BYTES_MAX) {
                file_match_refuse(scan->set, f->path, err);
            }
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
    file_index_free(&s->by_path);
    file_index_free(&s->by_inode);
    file_index_free(&s->by_name);
    s->by_path = file_index_new(s->count);
    s->by_inode = file_index_new(s->count + more);
    s->by_name = file_index_new(s->count + more);
    for (size_t i = 0; i < s->count; i++) {
        struct file_part *p = s->parts[i];
        p->present = false;
        file_index_add_path(s->by_path, p->path, p);
        file_index_add_inode(s->by_inode, p);
        file_index_add_path(s->by_name, p->name, p);
    }
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
        s->refused[i]->told = s->refused[i]->present ? s->refused[i]->told : 0;
        add_to_order(s, s->refused[i]); /* choose_part passes over those without trouble */
    }
    for (size_t i = 0; i < scan->count; i++) {
        struct found *f = &scan->found[i];
        if (f->passed || (f->part == NULL && file_match_is_link(s, f))) {
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
    for (size_t i = 0; i < s->refused_count; i++) {
        s->refused[i]->present = false;
    }
    struct scan scan = {.set = s, .now_us = clock_monotonic_us()};
    code = list_files(&scan, &list, err);
    if (code == ERR_NONE) {
        build_indexes(s, scan.count);
        code = file_match_all(&scan, err);
    }
    if (code == ERR_NONE) {
        s->matched = scan.count + s->refused_count;
        code = settle_all(&scan, err);
    }
    mem_free(scan.found);
    file_list_release(&list);
    return code;
}
