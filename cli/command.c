/* How it works: options are looked up by name in the command's short table; values are kept as the
 * text that was typed, and read by the command that wants them. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"

static size_t option_count(const struct command *c) {
    size_t n = 0;
    while (c->options != NULL && c->options[n].name != NULL) {
        n++;
    }
    ASSERT(n <= COMMAND_OPTIONS_MAX);
    return n;
}

static enum err_code unknown_option(const struct invocation *call, struct str name,
                                    struct err *err) {
    const char *names[COMMAND_OPTIONS_MAX + 1];
    const size_t count = option_count(call->command);
    for (size_t i = 0; i < count; i++) {
        names[i] = call->command->options[i].name;
    }
    names[count] = "help";
    char shown[64];
    str_printable(name, shown, sizeof shown);
    const char *near = parse_nearest(name, names, count + 1);
    if (near != NULL) {
        return err_set(err, ERR_CONFIG, "unknown option '--%s'; did you mean '--%s'?", shown, near);
    }
    return err_set(err, ERR_CONFIG, "unknown option '--%s'", shown);
}

/* Index of the option, or option_count. */
static size_t option_index(const struct command *c, struct str name) {
    size_t i = 0;
    const size_t count = option_count(c);
    while (i < count && !str_equal_c(name, c->options[i].name)) {
        i++;
    }
    return i;
}

/* text follows "--"; *next is taken when the value stands apart. */
static enum err_code parse_option(struct invocation *call, const char *text, const char *next,
                                  bool *took_next, struct err *err) {
    const size_t end = strcspn(text, "=");
    const struct str name = {text, end};
    const bool has_value = text[end] == '=';
    if (str_equal_c(name, "help") && !has_value) {
        call->help = true;
        return ERR_NONE;
    }
    const size_t i = option_index(call->command, name);
    if (i == option_count(call->command)) {
        return unknown_option(call, name, err);
    }
    const struct command_option *o = &call->command->options[i];
    if (call->values[i] != NULL) {
        return err_set(err, ERR_CONFIG, "option '--%s' is given twice", o->name);
    }
    if (o->value == NULL) {
        call->values[i] = "";
        return has_value ? err_set(err, ERR_CONFIG, "option '--%s' takes no value", o->name)
                         : ERR_NONE;
    }
    call->values[i] = has_value ? text + end + 1 : next;
    *took_next = !has_value;
    return call->values[i] != NULL
               ? ERR_NONE
               : err_set(err, ERR_CONFIG, "option '--%s' needs a value: %s", o->name, o->value);
}

static enum err_code parse_argument(struct invocation *call, const char *text, struct err *err) {
    if (call->argument_count >= call->command->arguments_max) {
        char shown[64];
        str_printable(str_of(text), shown, sizeof shown);
        return err_set(err, ERR_CONFIG, "one argument too many: '%s'", shown);
    }
    ASSERT(call->argument_count < COMMAND_ARGUMENTS_MAX);
    call->arguments[call->argument_count++] = text;
    return ERR_NONE;
}

enum err_code invocation_parse(struct invocation *call, int count, const char *const *argv,
                               struct err *err) {
    bool options_over = false;
    for (int i = 0; i < count; i++) {
        const bool is_output = !options_over && strcmp(argv[i], "-o") == 0;
        const char *text = is_output ? "--out" : argv[i];
        enum err_code code = ERR_NONE;
        if (!options_over && strcmp(text, "--") == 0) {
            options_over = true;
        } else if (!options_over && strcmp(text, "-h") == 0) {
            call->help = true;
        } else if (!options_over && strncmp(text, "--", 2) == 0) {
            bool took_next = false;
            code =
                parse_option(call, text + 2, i + 1 < count ? argv[i + 1] : NULL, &took_next, err);
            i += took_next;
        } else if (!options_over && text[0] == '-' && text[1] != '\0') {
            code = unknown_option(call, str_of(text + 1), err);
        } else {
            code = parse_argument(call, text, err);
        }
        if (code != ERR_NONE) {
            return code;
        }
    }
    if (!call->help && call->argument_count < call->command->arguments_min) {
        return err_set(err, ERR_CONFIG, "something is missing: plumb %s %s", call->command->name,
                       call->command->usage);
    }
    return ERR_NONE;
}

const char *invocation_option(const struct invocation *call, const char *name) {
    const size_t i = option_index(call->command, str_of(name));
    ASSERT(i < option_count(call->command));
    return call->values[i];
}

bool invocation_has(const struct invocation *call, const char *name) {
    return invocation_option(call, name) != NULL;
}

enum err_code invocation_number(const struct invocation *call, const char *name,
                                struct range_i64 range, int64_t otherwise, int64_t *out,
                                struct err *err) {
    const char *text = invocation_option(call, name);
    if (text == NULL) {
        *out = otherwise;
        return ERR_NONE;
    }
    int64_t number = 0;
    if (!parse_i64(str_of(text), &number) || number < range.low || number > range.high) {
        char shown[64];
        str_printable(str_of(text), shown, sizeof shown);
        return err_set(err, ERR_CONFIG,
                       "option '--%s' must be a whole number from %" PRId64 " to %" PRId64
                       ", not '%s'",
                       name, range.low, range.high, shown);
    }
    *out = number;
    return ERR_NONE;
}

enum err_code invocation_time(const struct invocation *call, const char *name, int64_t otherwise,
                              int64_t *out, struct err *err) {
    const char *text = invocation_option(call, name);
    int64_t ago = 0;
    *out = otherwise;
    if (text == NULL || clock_parse(str_of(text), out)) {
        return ERR_NONE;
    }
    if (clock_parse_duration(str_of(text), &ago)) {
        *out = clock_now_us() - ago;
        return ERR_NONE;
    }
    return err_set(err, ERR_CONFIG,
                   "option '--%s' must be a time such as 2026-01-31T12:00:00Z, or 7d for days ago",
                   name);
}

const struct command *command_find(const struct command *const *commands, const char *name) {
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

#define COMMANDS_MAX 64

const char *command_nearest(const struct command *const *commands, const char *word) {
    const char *names[COMMANDS_MAX];
    size_t count = 0;
    for (; count < COMMANDS_MAX && commands[count] != NULL; count++) {
        names[count] = commands[count]->name;
    }
    return parse_nearest(str_of(word), names, count);
}

int command_failed(const struct err *err) {
    char where[ERR_WHERE_BYTES];
    char message[ERR_MESSAGE_BYTES];
    str_printable(str_of(err->where), where, sizeof where);
    str_printable(str_of(err->message), message, sizeof message);
    (void)fflush(stdout); /* facts come before the error that ends them */
    (void)fprintf(stderr, "plumb: %s%s%s\n", where, where[0] != '\0' ? ": " : "", message);
    return err->code == ERR_CONFIG ? EXIT_CONFIG : EXIT_FAILED;
}

int command_misused(const struct invocation *call, const struct err *err) {
    (void)command_failed(err);
    (void)fprintf(stderr, "plumb: see 'plumb help %s'\n", call->command->name);
    return EXIT_USAGE;
}
