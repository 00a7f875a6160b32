/* How it works: mkdtemp, and engine_run on a copy of the flow. A kill is a real one: the run is
 * done by a forked child, which dies of SIGKILL at the durable step; no store is open here when it
 * is forked, and no other thread runs. */
#include "trial/scratch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/file.h"

#define MEMORY_DIRECTORY "/dev/shm"

static const char *const suffixes[] = {"",       "-wal",       "-shm",       "-lock",
                                       "-aside", "-aside-wal", "-aside-shm", "-journal"};

static const char *root_directory(void) {
    const char *given = getenv("TMPDIR");
    if (given != NULL && given[0] != '\0') {
        return given;
    }
    return access(MEMORY_DIRECTORY, W_OK | X_OK) == 0 ? MEMORY_DIRECTORY : "/tmp";
}

enum err_code scratch_open(struct scratch *s, const struct flow *flow, struct err *err) {
    *s = (struct scratch){.flow = *flow};
    s->flow.keep = KEEP_FOREVER;
    char *directory = mem_printf("%s/plumb-trial-XXXXXX", root_directory());
    if (mkdtemp(directory) == NULL) {
        (void)err_set_errno(err, ERR_UNAVAILABLE, errno, "scratch directory '%s'", directory);
        mem_free(directory);
        return err->code;
    }
    s->directory = directory;
    scratch_use(s, "a");
    return fault_arm("hurry", err);
}

static const char *store_file(const struct scratch *s) {
    return s->store + strlen("sqlite:");
}

void scratch_use(struct scratch *s, const char *name) {
    mem_free(s->store);
    s->store = mem_printf("sqlite:%s/%s.db", s->directory, name);
    s->flow.store = s->store;
}

void scratch_clear(struct scratch *s) {
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        char *path = mem_printf("%s%s", store_file(s), suffixes[i]);
        (void)unlink(path); /* most are not there */
        mem_free(path);
    }
}

void scratch_close(struct scratch *s) {
    if (s->directory == NULL) {
        return;
    }
    char *pattern = mem_printf("%s/*", s->directory);
    struct file_list files = {.count = 0};
    struct err err = ERR_INIT;
    if (file_glob(pattern, &files, &err) == ERR_NONE) {
        for (size_t i = 0; i < files.count; i++) {
            (void)unlink(files.paths[i]); /* what is left keeps the directory */
        }
        file_list_release(&files);
    }
    (void)rmdir(s->directory); /* temporary: the system clears what stays */
    mem_free(pattern);
    mem_free(s->directory);
    mem_free(s->store);
    s->directory = NULL;
    s->store = NULL;
}

enum err_code scratch_execute(struct scratch *s, const char *sql, struct err *err) {
    struct store *store = NULL;
    enum err_code code = store_open(&s->flow, STORE_WRITE, &store, err);
    if (code != ERR_NONE) {
        return code;
    }
    code = store_begin(store, err);
    if (code == ERR_NONE) {
        code = store_execute(store, sql, err);
        if (code == ERR_NONE) {
            code = store_commit(store, err);
        } else {
            store_rollback(store);
        }
    }
    store_close(store);
    return code;
}

enum err_code scratch_stage(struct scratch *s, const struct sample *sample,
                            const struct deliveries *d, struct err *err) {
    enum err_code code = ERR_NONE;
    if (sample->references.len > 0) {
        code = scratch_execute(s, buf_c(&sample->references), err);
    }
    struct store *store = NULL;
    if (code == ERR_NONE) {
        code = store_open(&s->flow, STORE_WRITE, &store, err);
    }
    if (code == ERR_NONE) {
        code = deliveries_stage(d, store, err);
    }
    store_close(store);
    return code;
}

/* ---- running ---- */

bool scratch_is_stopping(const struct scratch *s) {
    return s->stop != NULL && s->stop();
}

static bool should_stop(void *context) {
    return scratch_is_stopping(context);
}

static enum err_code run_here(struct scratch *s, const struct scratch_run *how, struct err *err) {
    const struct run_options options = {.once = true,
                                        .staged = true,
                                        .turn_rows = how->turn_rows,
                                        .reversed = how->reversed,
                                        .stop = should_stop,
                                        .context = s};
    struct run_summary summary;
    if (!how->replay) {
        return engine_run(&s->flow, &options, &summary, err);
    }
    struct swap_report report = {.count = 0};
    const enum err_code code = engine_replay(&s->flow, NULL, 0, &options, &summary, &report, err);
    swap_report_release(&report);
    return code;
}

/* The environment is this process's alone: no other thread runs while it is changed. */
static void set_zone(const char *zone) {
    if (zone != NULL) {
        (void)setenv("TZ", zone, 1); /* NOLINT(concurrency-mt-unsafe) */
    } else {
        (void)unsetenv("TZ"); /* NOLINT(concurrency-mt-unsafe) */
    }
    tzset();
}

static enum err_code run_in_zone(struct scratch *s, const struct scratch_run *how,
                                 struct err *err) {
    const char *before = getenv("TZ");
    char *kept = before != NULL ? mem_strdup(before) : NULL;
    set_zone(how->zone);
    enum err_code code = run_here(s, how, err);
    set_zone(kept);
    mem_free(kept);
    return code;
}

static void child(struct scratch *s, const struct scratch_run *how) {
    struct err err = ERR_INIT;
    AUTO_BUF spec = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&spec, "kill:%lld,hurry", (long long)how->kill_at);
    enum err_code code = fault_arm(buf_c(&spec), &err);
    if (code == ERR_NONE) {
        code = run_here(s, how, &err);
    }
    _exit(code == ERR_NONE ? EXIT_SUCCESS : EXIT_FAILURE);
}

static enum err_code run_killed(struct scratch *s, const struct scratch_run *how, bool *killed,
                                struct err *err) {
    const pid_t pid = fork();
    if (pid < 0) {
        return err_set_errno(err, ERR_UNAVAILABLE, errno, "a child process to kill");
    }
    if (pid == 0) {
        child(s, how);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return err_set_errno(err, ERR_INTERNAL, errno, "wait for the child process");
        }
    }
    *killed = WIFSIGNALED(status);
    return ERR_NONE;
}

enum err_code scratch_run(struct scratch *s, const struct scratch_run *how, bool *killed,
                          struct err *err) {
    s->runs++;
    if (how->kill_at > 0) {
        return run_killed(s, how, killed, err);
    }
    enum err_code code = fault_arm("hurry", err);
    if (code == ERR_NONE) {
        code = how->zone != NULL ? run_in_zone(s, how, err) : run_here(s, how, err);
    }
    s->last_steps = fault_count(FAULT_STEP);
    return scratch_is_stopping(s) ? err_set(err, ERR_CANCELLED, "stopped as asked") : code;
}
