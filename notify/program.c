/* How it works: the child is a process group of its own, so that what it started ends with it; its
 * input goes through a socket (one whose other end is closed raises no signal), as far as it takes,
 * and it is looked after every few milliseconds until it ended. A program that does not read is none that failed. */
#include "notify/program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOK_MS 5

static enum err_code spawn(const char *const *words, size_t count, int input, pid_t *pid,
                           struct err *err) {
    char **argv = mem_alloc_array(count + 1, sizeof(*argv));
    for (size_t i = 0; i < count; i++) {
        argv[i] = mem_strdup(words[i]);
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t usual;
    (void)sigemptyset(&none);
    (void)sigemptyset(&usual);
    (void)sigaddset(&usual, SIGPIPE);
    (void)sigaddset(&usual, SIGTERM);
    (void)sigaddset(&usual, SIGINT);
    (void)sigaddset(&usual, SIGHUP);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &usual);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    const int rc = posix_spawnp(pid, words[0], &actions, &attributes, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    for (size_t i = 0; i < count; i++) {
        mem_free(argv[i]);
    }
    mem_free(argv);
    return rc == 0 ? ERR_NONE
                   : err_set_errno(err, ERR_UNAVAILABLE, rc, "cannot run '%s'", words[0]);
}

/* Writes what the pipe takes now. False when there is no more to write. */
static bool feed(int fd, struct str *input) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (input->len == 0) {
        return false;
    }
    if (poll(&p, 1, LOOK_MS) <= 0) {
        return true;
    }
    const ssize_t n = send(fd, input->ptr, input->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    *input = (struct str){input->ptr + n, input->len - (size_t)n};
    return input->len > 0;
}

static enum err_code ended(const char *name, int status, struct err *err) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return ERR_NONE;
    }
    return WIFEXITED(status)
               ? err_set(err, ERR_UNAVAILABLE, "'%s' ended with %d", name, WEXITSTATUS(status))
               : err_set(err, ERR_UNAVAILABLE, "'%s' was ended by signal %d", name,
                         WTERMSIG(status));
}

static enum err_code attend(const char *name, pid_t pid, int *input_fd, struct str input,
                            int64_t deadline_us, struct err *err) {
    const int64_t until = clock_monotonic_us() + deadline_us;
    int status = 0;
    while (clock_monotonic_us() < until) {
        if (*input_fd >= 0 && !feed(*input_fd, &input)) {
            (void)close(*input_fd);
            *input_fd = -1;
        }
        const pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid) {
            return ended(name, status, err);
        }
        if (*input_fd < 0) {
            (void)poll(NULL, 0, LOOK_MS);
        }
    }
    (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    return err_set(err, ERR_UNAVAILABLE, "'%s' took longer than %lld ms and was killed", name,
                   (long long)(deadline_us / 1000));
}

enum err_code program_run(const char *const *words, size_t count, struct str input,
                          int64_t deadline_us, struct err *err) {
    int ends[2];
    pid_t pid = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return err_set_errno(err, ERR_LIMIT, errno, "cannot make a pair of sockets");
    }
    enum err_code code = spawn(words, count, ends[0], &pid, err);
    (void)close(ends[0]);
    if (code == ERR_NONE) {
        code = attend(words[0], pid, &ends[1], input, deadline_us, err);
    }
    if (ends[1] >= 0) {
        (void)close(ends[1]);
    }
    return code;
}
