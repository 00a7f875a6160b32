/* Commands: one file each, one const descriptor each, one explicit table of them in main.c.
 *
 * From the descriptor come parsing of the command line, `plumb help COMMAND` and the errors for
 * unknown options. A command prints facts to standard output, errors to standard error, and returns
 * an exit code. */
#ifndef PLUMB_CLI_COMMAND_H
#define PLUMB_CLI_COMMAND_H

#include "component/component.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_FINDINGS = 3, /* the data is not as it should be */
    EXIT_CONFIG = 78   /* the flow is wrong */
};

#define COMMAND_OPTIONS_MAX   12
#define COMMAND_ARGUMENTS_MAX 128

struct command_option {
    const char *name;  /* without "--" */
    const char *value; /* what stands for its value in the usage; NULL: a switch */
    const char *doc;
};

struct invocation;

struct command {
    const char *name;
    const char *usage; /* what follows the name: "FLOW [--json]" */
    const char *summary;
    const char *doc;                      /* paragraphs for `plumb help NAME`, or NULL */
    const struct command_option *options; /* ends with a NULL name; NULL: none */
    size_t arguments_min, arguments_max;
    int (*run)(const struct invocation *call);
};

/* What was typed, checked against the command's options. */
struct invocation {
    const struct command *command;
    const struct command *const *commands; /* all of them, ending with NULL */
    const struct registry *registry;
    const char *arguments[COMMAND_ARGUMENTS_MAX];
    size_t argument_count;
    const char *values[COMMAND_OPTIONS_MAX]; /* by index in command->options; NULL: not given */
    bool help;                               /* --help was among the options */
};

/* Reads argv[0..count) (what follows the command's name). CONFIG with what is wrong, for exit code
 * 2. `--x V`, `--x=V`; -o is --out; "--" ends the options. */
MUST_CHECK enum err_code invocation_parse(struct invocation *call, int count,
                                          const char *const *argv, struct err *err);
/* The option's value; "" for a switch that was given; NULL when it was not. */
const char *invocation_option(const struct invocation *call, const char *name);
bool invocation_has(const struct invocation *call, const char *name);
/* A whole number from low to high; `otherwise` when the option was not given. CONFIG, for exit code
 * 2. */
struct range_i64 {
    int64_t low, high;
};
MUST_CHECK enum err_code invocation_number(const struct invocation *call, const char *name,
                                           struct range_i64 range, int64_t otherwise, int64_t *out,
                                           struct err *err);
/* A time, or a duration for so long ago, in microseconds since 1970; `otherwise` when the option was not
 * given. CONFIG, for exit code 2. */
MUST_CHECK enum err_code invocation_time(const struct invocation *call, const char *name,
                                         int64_t otherwise, int64_t *out, struct err *err);
const struct command *command_find(const struct command *const *commands, const char *name);
/* The name nearest to word among the commands, or NULL. */
const char *command_nearest(const struct command *const *commands, const char *word);

/* Prints "plumb: WHERE: message" to standard error and tells the exit code: 78 for CONFIG, else 1.
 */
int command_failed(const struct err *err);
/* The same for a mistake in typing, with a hint where help is; 2. */
int command_misused(const struct invocation *call, const struct err *err);

#endif
