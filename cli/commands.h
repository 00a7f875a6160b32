/* The descriptors of all commands, for the table in main.c. */
#ifndef PLUMB_CLI_COMMANDS_H
#define PLUMB_CLI_COMMANDS_H

#include "cli/command.h"

extern const struct command command_init;
extern const struct command command_check;
extern const struct command command_plan;
extern const struct command command_run;
extern const struct command command_replay;
extern const struct command command_rewind;
extern const struct command command_copy_store;
extern const struct command command_status;
extern const struct command command_alerts;
extern const struct command command_rejects;
extern const struct command command_audit;
extern const struct command command_prove;
extern const struct command command_test;
extern const struct command command_trace;
extern const struct command command_help;
extern const struct command command_list;
extern const struct command command_schema;
extern const struct command command_docs;
extern const struct command command_version;

/* The overview that `plumb` and `plumb help` print. */
void help_overview(const struct command *const *commands, struct buf *out);
void help_command(const struct command *c, struct buf *out);

#endif
