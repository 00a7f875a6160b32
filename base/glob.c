/* Patterns over the file system: the pattern is cut at its slashes; a list of open tasks (a path
 * that matched so far, the next part) is worked off, so there is no recursion. "**" makes two kinds
 * of tasks: go on with the next part here, and stay with "**" in each directory below. Symbolic
 * links to directories are followed by name, never by "**", so loops end. A name that begins with a
 * dot is only matched by a part that does. Directories are never results. */
#include "base/fault.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct glob_task {
    char *path; /* "" at the start of a relative pattern; else ends with "/" */
    size_t part;
};

struct glob {
    struct str *parts; /* views into the pattern */
    size_t part_count;
    struct glob_task *tasks;
    size_t task_count;
    size_t task_capacity;
    struct file_list found;
    size_t found_capacity;
    struct err *err;
};

/* One "[...]" at the start of pattern: its length, 0 when it is none; *out_hit whether c is in it.
 */
static size_t match_set(struct str pattern, char c, bool *out_hit) {
    size_t at = 1;
    bool negated = at < pattern.len && (pattern.ptr[at] == '!' || pattern.ptr[at] == '^');
    at += negated ? 1 : 0;
    size_t first = at;
    bool hit = false;
    while (at < pattern.len && (pattern.ptr[at] != ']' || at == first)) {
        unsigned char low = (unsigned char)pattern.ptr[at];
        unsigned char high = low;
        if (at + 2 < pattern.len && pattern.ptr[at + 1] == '-' && pattern.ptr[at + 2] != ']') {
            high = (unsigned char)pattern.ptr[at + 2];
            at += 2;
        }
        hit = hit || ((unsigned char)c >= low && (unsigned char)c <= high);
        at++;
    }
    if (at >= pattern.len) {
        return 0;
    }
    *out_hit = hit != negated;
    return at + 1;
}

/* Length of the pattern's first element when it matches c, else 0. Not for "*". */
static size_t match_one(struct str pattern, char c) {
    if (pattern.ptr[0] == '?') {
        return 1;
    }
    if (pattern.ptr[0] == '[') {
        bool hit = false;
        size_t len = match_set(pattern, c, &hit);
        if (len > 0) {
            return hit ? len : 0;
        }
    }
    return pattern.ptr[0] == c ? 1 : 0;
}

/* After a mismatch only the last "*" has to take one more byte: earlier ones took the least. */
static bool match_name(struct str pattern, struct str name) {
    size_t p = 0;
    size_t n = 0;
    size_t star = SIZE_MAX;
    size_t star_name = 0;
    if (name.len > 0 && name.ptr[0] == '.' && (pattern.len == 0 || pattern.ptr[0] != '.')) {
        return false;
    }
    while (n < name.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p;
            star_name = n;
            p++;
            continue;
        }
        struct str rest = {pattern.ptr + p, pattern.len - p};
        size_t len = rest.len == 0 ? 0 : match_one(rest, name.ptr[n]);
        if (len > 0) {
            p += len;
            n++;
        } else if (star != SIZE_MAX) {
            star_name++;
            n = star_name;
            p = star + 1;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') {
        p++;
    }
    return p == pattern.len;
}

static bool is_wild(struct str part) {
    return str_find(part, '*') < part.len || str_find(part, '?') < part.len ||
           str_find(part, '[') < part.len;
}

static bool is_deep(struct str part) {
    return str_equal(part, STR("**"));
}

/* Takes path. */
static enum err_code add_task(struct glob *g, char *path, size_t part) {
    if (g->task_count == FILE_GLOB_MAX) {
        mem_free(path);
        return err_set(g->err, ERR_LIMIT, "more than %d directories; use a narrower pattern",
                       FILE_GLOB_MAX);
    }
    if (g->task_count == g->task_capacity) {
        g->task_capacity = g->task_capacity == 0 ? 16 : g->task_capacity * 2;
        g->tasks = mem_realloc(g->tasks, g->task_capacity * sizeof *g->tasks);
    }
    g->tasks[g->task_count] = (struct glob_task){path, part};
    g->task_count++;
    return ERR_NONE;
}

/* Takes path. */
static enum err_code add_found(struct glob *g, char *path) {
    if (g->found.count == FILE_GLOB_MAX) {
        mem_free(path);
        return err_set(g->err, ERR_LIMIT, "more than %d files; use a narrower pattern",
                       FILE_GLOB_MAX);
    }
    if (g->found.count == g->found_capacity) {
        g->found_capacity = g->found_capacity == 0 ? 16 : g->found_capacity * 2;
        g->found.paths = mem_realloc(g->found.paths, g->found_capacity * sizeof *g->found.paths);
    }
    g->found.paths[g->found.count] = path;
    g->found.count++;
    return ERR_NONE;
}

/* A name that fits the part: a result when it is the last part and a file, a task when it is not
 * the last one and a directory. */
static enum err_code add_name(struct glob *g, const char *directory, struct str name, size_t part) {
    char *path = mem_printf("%s%.*s", directory, STR_FMT(name));
    struct stat info;
    bool there = stat(path, &info) == 0;
    bool hidden = !there && errno == EACCES; /* whoever wants to read it will be told */
    bool last = part + 1 == g->part_count;
    enum err_code code = ERR_NONE;
    if (last && (hidden || (there && !S_ISDIR(info.st_mode)))) {
        return add_found(g, path);
    }
    if (there && !last && S_ISDIR(info.st_mode)) {
        code = add_task(g, mem_printf("%s/", path), part + 1);
    }
    mem_free(path);
    return code;
}

/* "**" stays in force in each real directory below. */
static enum err_code add_below(struct glob *g, const char *directory, struct str name,
                               size_t part) {
    char *path = mem_printf("%s%.*s", directory, STR_FMT(name));
    struct stat info;
    enum err_code code = ERR_NONE;
    if (name.ptr[0] != '.' && lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        code = add_task(g, mem_printf("%s/", path), part);
    }
    mem_free(path);
    return code;
}

static enum err_code scan_directory(struct glob *g, const char *directory, size_t part) {
    const char *shown = directory[0] == '\0' ? "." : directory;
    bool faulty = fault_fails(FAULT_FILE);
    errno = EIO;
    DIR *dir = faulty ? NULL : opendir(shown);
    if (dir == NULL) {
        int origin = errno;
        if (origin == ENOENT || origin == ENOTDIR) {
            return ERR_NONE; /* gone since it was listed */
        }
        return err_set_errno(g->err, origin == EACCES ? ERR_CONFIG : ERR_UNAVAILABLE, origin,
                             "'%s'", shown);
    }
    enum err_code code = ERR_NONE;
    while (code == ERR_NONE) {
        errno = 0;
        const struct dirent *entry = readdir(dir); /* safe: each thread has its own DIR */
        if (entry == NULL) {
            int origin = errno;
            code = origin == 0 ? ERR_NONE
                               : err_set_errno(g->err, ERR_UNAVAILABLE, origin, "'%s'", shown);
            break;
        }
        struct str name = str_of(entry->d_name);
        if (str_equal(name, STR(".")) || str_equal(name, STR(".."))) {
            continue;
        }
        if (is_deep(g->parts[part])) {
            code = add_below(g, directory, name, part);
        } else if (match_name(g->parts[part], name)) {
            code = add_name(g, directory, name, part);
        }
    }
    (void)closedir(dir); /* only read */
    return code;
}

static enum err_code work(struct glob *g, const char *directory, size_t part) {
    if (is_deep(g->parts[part])) {
        enum err_code code = add_task(g, mem_strdup(directory), part + 1);
        return code != ERR_NONE ? code : scan_directory(g, directory, part);
    }
    if (is_wild(g->parts[part])) {
        return scan_directory(g, directory, part);
    }
    return add_name(g, directory, g->parts[part], part);
}

/* Cuts at slashes; "**" twice is once, and at the end it means every file below. */
static void split(struct glob *g, const char *pattern) {
    struct str rest = str_of(pattern);
    g->parts = mem_alloc_array(rest.len + 2, sizeof *g->parts);
    while (rest.len > 0) {
        size_t slash = str_find(rest, '/');
        struct str part = {rest.ptr, slash};
        bool again = g->part_count > 0 && is_deep(part) && is_deep(g->parts[g->part_count - 1]);
        if (part.len > 0 && !again) {
            g->parts[g->part_count] = part;
            g->part_count++;
        }
        size_t step = slash < rest.len ? slash + 1 : slash;
        rest = (struct str){rest.ptr + step, rest.len - step};
    }
    if (g->part_count > 0 && is_deep(g->parts[g->part_count - 1])) {
        g->parts[g->part_count] = STR("*");
        g->part_count++;
    }
}

static int compare_paths(const void *a, const void *b) {
    char *const *x = a;
    char *const *y = b;
    return strcmp(*x, *y);
}

/* Two "**" can reach a file on two ways. */
static void sort_and_unite(struct file_list *list) {
    if (list->count < 2) {
        return;
    }
    qsort(list->paths, list->count, sizeof *list->paths, compare_paths);
    size_t kept = 1;
    for (size_t i = 1; i < list->count; i++) {
        if (strcmp(list->paths[i], list->paths[kept - 1]) == 0) {
            mem_free(list->paths[i]);
        } else {
            list->paths[kept] = list->paths[i];
            kept++;
        }
    }
    list->count = kept;
}

static enum err_code run(struct glob *g, const char *pattern) {
    struct stat info;
    if (fault_fails(FAULT_FILE)) {
        return err_set_errno(g->err, ERR_UNAVAILABLE, EIO, "'%s'", pattern);
    }
    if (stat(pattern, &info) == 0 && !S_ISDIR(info.st_mode)) {
        return add_found(g, mem_strdup(pattern)); /* also a name that only looks like a pattern */
    }
    split(g, pattern);
    enum err_code code = ERR_NONE;
    bool directories_only = str_ends_with(str_of(pattern), STR("/"));
    if (g->part_count > 0 && !directories_only) {
        code = add_task(g, mem_strdup(pattern[0] == '/' ? "/" : ""), 0);
    }
    while (g->task_count > 0) {
        g->task_count--;
        struct glob_task task = g->tasks[g->task_count];
        if (code == ERR_NONE) {
            code = work(g, task.path, task.part);
        }
        mem_free(task.path);
    }
    return code;
}

enum err_code file_glob(const char *pattern, struct file_list *out, struct err *err) {
    struct glob g = {.err = err};
    enum err_code code = run(&g, pattern);
    mem_free(g.parts);
    mem_free(g.tasks);
    if (code != ERR_NONE) {
        file_list_release(&g.found);
        return err_wrap(err, "pattern '%s'", pattern);
    }
    sort_and_unite(&g.found);
    *out = g.found;
    return ERR_NONE;
}

void file_list_release(struct file_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        mem_free(list->paths[i]);
    }
    mem_free(list->paths);
    *list = (struct file_list){NULL, 0};
}
