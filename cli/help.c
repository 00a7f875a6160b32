/* `plumb help`: an overview, one command, or one connector; all of it from the descriptors. */
#include <string.h>

#include "base/parse.h"
#include "cli/commands.h"
#include "cli/output.h"

#define NAME_COLUMNS 10

static const char exit_codes[] =
    "Exit codes: 0 done, 1 failed, 2 typed wrongly, 3 the data is not as it should be,\n"
    "78 the flow is wrong.\n";

void help_overview(const struct command *const *commands, struct buf *out) {
    buf_adds(out, "plumb: data pipelines that don't leak\n\n"
                  "  plumb COMMAND FLOW [options]      FLOW: a directory with flow.yaml, or a flow "
                  "file\n\n");
    for (size_t i = 0; commands[i] != NULL; i++) {
        buf_addf(out, "  %-*s %s\n", NAME_COLUMNS, commands[i]->name, commands[i]->summary);
    }
    buf_adds(out, "\n'plumb help COMMAND' says more; 'plumb help file' describes a connector.\n");
    buf_adds(out, exit_codes);
}

/* Longest "--name VALUE" of the command's options. */
static size_t option_columns(const struct command *c) {
    size_t most = 0;
    for (const struct command_option *o = c->options; o != NULL && o->name != NULL; o++) {
        const size_t width = strlen(o->name) + (o->value != NULL ? strlen(o->value) + 1 : 0) + 2;
        most = width > most ? width : most;
    }
    return most;
}

void help_command(const struct command *c, struct buf *out) {
    buf_addf(out, "plumb %s%s%s\n\n  %s\n", c->name, c->usage[0] != '\0' ? " " : "", c->usage,
             c->summary);
    if (c->doc != NULL) {
        buf_addf(out, "\n%s\n", c->doc);
    }
    const int columns = (int)option_columns(c);
    for (const struct command_option *o = c->options; o != NULL && o->name != NULL; o++) {
        char *name = mem_printf("--%s%s%s", o->name, o->value != NULL ? " " : "",
                                o->value != NULL ? o->value : "");
        buf_addf(out, "%s  %-*s  %s\n", o == c->options ? "\nOptions\n" : "", columns, name,
                 o->doc);
        mem_free(name);
    }
}

static const struct component *find_component(const struct registry *r, const char *name) {
    const struct component *c = registry_find(r, COMPONENT_SOURCE, str_of(name));
    return c != NULL ? c : registry_find(r, COMPONENT_SINK, str_of(name));
}

static const char *nearest_topic(const struct invocation *call, const char *word) {
    const char *near = command_nearest(call->commands, word);
    for (size_t i = 0; near == NULL && i < call->registry->count; i++) {
        near = parse_nearest(str_of(word), &call->registry->components[i]->name, 1);
    }
    return near;
}

static int help_run(const struct invocation *call) {
    AUTO_OUTPUT out;
    output_init(&out);
    if (call->argument_count == 0) {
        help_overview(call->commands, &out.text);
        return output_flush(&out, EXIT_DONE);
    }
    const char *topic = call->arguments[0];
    const struct command *command = command_find(call->commands, topic);
    const struct component *component = find_component(call->registry, topic);
    if (command != NULL) {
        help_command(command, &out.text);
    } else if (component != NULL) {
        component_help(component, &out.text);
    } else {
        struct err err = ERR_INIT;
        const char *near = nearest_topic(call, topic);
        err_set(&err, ERR_CONFIG, "no command or connector is called '%s'%s%s%s", topic,
                near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                near != NULL ? "'?" : "; 'plumb help' and 'plumb list' show them");
        (void)command_failed(&err);
        return EXIT_USAGE;
    }
    return output_flush(&out, EXIT_DONE);
}

const struct command command_help = {
    .name = "help",
    .usage = "[COMMAND|CONNECTOR]",
    .summary = "describe a command or a connector",
    .arguments_max = 1,
    .run = help_run,
};
