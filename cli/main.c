/* The program: finds the command, reads what was typed for it, runs it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/registry.h"

static const struct command *const commands[] = {
    &command_init,   &command_check,   &command_plan,   &command_run,        &command_status,
    &command_alerts, &command_rejects, &command_audit,  &command_trace,      &command_prove,
    &command_test,   &command_replay,  &command_rewind, &command_copy_store, &command_list,
    &command_help,   &command_schema,  &command_docs,   &command_version,    NULL};

static int print_help(const struct command *c) {
    AUTO_OUTPUT out;
    output_init(&out);
    if (c != NULL) {
        help_command(c, &out.text);
    } else {
        help_overview(commands, &out.text);
    }
    return output_flush(&out, EXIT_DONE);
}

static int unknown_command(const char *word) {
    char shown[64];
    str_printable(str_of(word), shown, sizeof shown);
    const char *near = command_nearest(commands, word);
    if (near != NULL) {
        (void)fprintf(stderr, "plumb: unknown command '%s'; did you mean '%s'?\n", shown, near);
    } else {
        (void)fprintf(stderr, "plumb: unknown command '%s'; 'plumb help' lists them\n", shown);
    }
    return EXIT_USAGE;
}

static int run_command(const struct command *c, int count, const char *const *argv) {
    struct invocation call = {.command = c, .commands = commands, .registry = &plumb_registry};
    struct err err = ERR_INIT;
    if (invocation_parse(&call, count, argv, &err) != ERR_NONE) {
        return command_misused(&call, &err);
    }
    return call.help ? print_help(c) : c->run(&call);
}

static int dispatch(int argc, const char *const *argv) {
    if (argc < 2) {
        AUTO_BUF text = BUF_INIT(BUF_TEXT_MAX);
        help_overview(commands, &text);
        (void)fputs(buf_c(&text), stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return print_help(NULL);
    }
    if (strcmp(word, "--version") == 0) {
        word = "version";
    }
    const struct command *c = command_find(commands, word);
    return c != NULL ? run_command(c, argc - 2, argv + 2) : unknown_command(word);
}

int main(int argc, char **argv) {
    struct err err = ERR_INIT;
    enum err_code code = fault_arm_from_environment(&err);
    if (code == ERR_NONE) {
        code = clock_install_from_environment(&err);
    }
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* who stops reading is told by write, not by a death */
    const char *const *words = (const char *const *)argv;
    return dispatch(argc, words);
}
