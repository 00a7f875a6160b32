/* `plumb init`: a small flow that works at once, to change from there. It holds one wrong record on
 * purpose, so that the first thing to be seen of rejects is a harmless one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <dirent.h>

#include "base/file.h"
#include "cli/commands.h"
#include "cli/output.h"

#define FLOW_NAME_DEFAULT "orders"

static const char flow_yaml[] =
    "# What comes in, which tables it becomes, and how. `plumb check .` finds mistakes.\n"
    "flow: %s\n"
    "store: ${PLUMB_STORE:-sqlite:%s.db}\n"
    "\n"
    "sources:\n"
    "  orders:\n"
    "    type: file                    # plumb help file\n"
    "    path: data/orders-*.jsonl\n"
    "    columns:                      # what every record promises; what breaks it is set aside\n"
    "      id:       {type: int64, required: true}\n"
    "      customer: {type: text, path: /customer/id, required: true}\n"
    "      total:    {type: int64, path: /total_cents, required: true, min: 0}\n"
    "      status:   {type: text, required: true, one_of: [open, paid, void]}\n"
    "      updated:  {type: timestamp, required: true}\n"
    "\n"
    "tables:\n"
    "  orders:                         # one row an order, as it is now\n"
    "    key: [id]\n"
    "    columns: {id: int64, customer: text, total: int64, status: text, updated: timestamp}\n"
    "  customers:                      # what each customer has paid for\n"
    "    key: [customer]\n"
    "    columns: {customer: text, orders: int64, spent: int64}\n"
    "\n"
    "transforms:\n"
    "  orders:                         # a map: record by record\n"
    "    from: sources.orders\n"
    "    into: orders\n"
    "    latest_by: updated            # an older state loses, even when it arrives later\n"
    "    delete_when: status = 'void'\n"
    "    sql: SELECT id, customer, total, status, updated FROM batch\n"
    "  customers:                      # a sum: follows every change of orders, exactly\n"
    "    from: tables.orders\n"
    "    into: customers\n"
    "    sum: SELECT customer, 1 AS orders, total AS spent FROM change WHERE status = 'paid'\n"
    "\n"
    "checks:                           # what must hold; `plumb alerts .` shows what does not\n"
    "  orders-arrive:   {heartbeat: orders, within: 1d}\n"
    "  few-rejects:     {rejects: sources.orders, max: 1%%, over: 1h, min_rows: 100}\n"
    "  customers-work:  {errors: transforms.customers}\n";

static const char data_jsonl[] =
    "{\"id\": 1, \"customer\": {\"id\": \"ada\"}, \"total_cents\": 1250, \"status\": \"open\", "
    "\"updated\": \"2026-01-05T09:00:00Z\"}\n"
    "{\"id\": 2, \"customer\": {\"id\": \"bela\"}, \"total_cents\": 8000, \"status\": \"paid\", "
    "\"updated\": \"2026-01-05T09:05:00Z\"}\n"
    "{\"id\": 1, \"customer\": {\"id\": \"ada\"}, \"total_cents\": 1250, \"status\": \"paid\", "
    "\"updated\": \"2026-01-05T09:10:00Z\"}\n"
    "{\"id\": 3, \"customer\": {\"id\": \"ada\"}, \"total_cents\": \"4,90\", \"status\": \"paid\", "
    "\"updated\": \"2026-01-05T09:15:00Z\"}\n"
    "{\"id\": 4, \"customer\": {\"id\": \"ada\"}, \"total_cents\": 700, \"status\": \"paid\", "
    "\"updated\": \"2026-01-05T09:20:00Z\"}\n"
    "{\"id\": 2, \"customer\": {\"id\": \"bela\"}, \"total_cents\": 8000, \"status\": \"void\", "
    "\"updated\": \"2026-01-05T09:30:00Z\"}\n";

static const char readme_md[] =
    "# %s\n"
    "\n"
    "    plumb check .             # every mistake that shows without running\n"
    "    plumb run . --once        # read what is there, write %s.db\n"
    "    plumb status .\n"
    "    plumb test .              # what tests/ says must be true\n"
    "    plumb prove .             # the same tables, however the records come\n"
    "    plumb alerts .            # what does not hold of its checks\n"
    "    plumb rejects list .      # one record is wrong on purpose: its total is a text\n"
    "    plumb audit .             # every row accounted for\n"
    "\n"
    "Look at the result with any SQLite program: `sqlite3 %s.db 'SELECT * FROM customers'`.\n"
    "Put more lines or files into `data/` and run again; `plumb run .` without `--once` waits for "
    "them.\n";

static const char tests_yaml[] =
    "# What must be true of this flow: `plumb test .` runs it without any source.\n"
    "tests:\n"
    "  an-older-state-loses:\n"
    "    records:                      # of a source, as they would come; one text is one batch\n"
    "      orders: |\n"
    "        {\"id\": 1, \"customer\": {\"id\": \"ada\"}, \"total_cents\": 500, \"status\": "
    "\"paid\", "
    "\"updated\": \"2026-01-05T09:10:00Z\"}\n"
    "        {\"id\": 1, \"customer\": {\"id\": \"ada\"}, \"total_cents\": 500, \"status\": "
    "\"open\", "
    "\"updated\": \"2026-01-05T09:00:00Z\"}\n"
    "    expect:                       # all rows of these tables; columns not named may be any\n"
    "      orders:\n"
    "        - {id: 1, status: paid, total: 500}\n"
    "      customers:\n"
    "        - {customer: ada, orders: 1, spent: 500}\n"
    "  a-total-is-a-number:\n"
    "    records:\n"
    "      orders: |\n"
    "        {\"id\": 1, \"customer\": {\"id\": \"ada\"}, \"total_cents\": \"5,00\", \"status\": "
    "\"paid\", "
    "\"updated\": \"2026-01-05T09:10:00Z\"}\n"
    "    rejects:\n"
    "      - {column: total, reason: type}\n"
    "  open-orders-are-not-spent:\n"
    "    transform: customers          # this one alone, from rows of the table it reads\n"
    "    rows:\n"
    "      orders:\n"
    "        - {id: 1, customer: ada, total: 500, status: open}\n"
    "        - {id: 2, customer: ada, total: 300, status: paid}\n"
    "    expect:\n"
    "      customers:\n"
    "        - {customer: ada, orders: 1, spent: 300}\n";

static const char gitignore[] = "*.db\n*.db-wal\n*.db-shm\n*.db-lock\n";

/* A flow's name from the directory's: letters, digits, '_' and '-'. Owned by the caller. */
static char *name_of(const char *directory) {
    struct str path = str_of(directory);
    while (path.len > 1 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    const char *slash = memrchr(path.ptr, '/', path.len);
    const struct str base =
        slash != NULL ? (struct str){slash + 1, (size_t)(path.ptr + path.len - slash - 1)} : path;
    char *name = mem_strndup(base.ptr, base.len);
    bool usable = base.len > 0 && base.len <= 32;
    for (size_t i = 0; i < base.len; i++) {
        const char c = name[i];
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        usable = usable && (letter || (i > 0 && ((c >= '0' && c <= '9') || c == '-')));
    }
    if (!usable || str_starts_with(base, STR("_plumb"))) {
        mem_free(name);
        return mem_strdup(FLOW_NAME_DEFAULT);
    }
    return name;
}

/* Makes the directory, or finds that it is there and empty. */
static enum err_code directory_ready(const char *path, struct err *err) {
    if (!file_exists(path)) {
        return file_make_directory(path, err);
    }
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return err_set_errno(err, ERR_CONFIG, errno, "'%s' is no directory to write to", path);
    }
    bool empty = true;
    for (const struct dirent *entry = readdir(dir); entry != NULL && empty; entry = readdir(dir)) {
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    (void)closedir(dir);
    return empty ? ERR_NONE
                 : err_set(err, ERR_CONFLICT,
                           "'%s' is not empty; name a new directory, so that nothing is written "
                           "over",
                           path);
}

static enum err_code write_file(const char *directory, const char *name, struct str content,
                                struct err *err) {
    char *path = file_join(directory, name);
    enum err_code code = file_write_atomic(path, content, err);
    mem_free(path);
    return code;
}

static enum err_code write_tests(const char *directory, struct err *err) {
    char *tests = file_join(directory, "tests");
    enum err_code code = file_make_directory(tests, err);
    if (code == ERR_NONE) {
        code = write_file(tests, "orders.yaml", STR(tests_yaml), err);
    }
    mem_free(tests);
    return code;
}

static enum err_code write_flow(const char *directory, const char *name, struct err *err) {
    AUTO_BUF flow = BUF_INIT(BUF_TEXT_MAX);
    AUTO_BUF readme = BUF_INIT(BUF_TEXT_MAX);
    buf_addf(&flow, flow_yaml, name, name);
    buf_addf(&readme, readme_md, name, name, name);
    char *data = file_join(directory, "data");
    enum err_code code = file_make_directory(data, err);
    if (code == ERR_NONE) {
        code = write_file(data, "orders-1.jsonl", STR(data_jsonl), err);
    }
    if (code == ERR_NONE) {
        code = write_tests(directory, err);
    }
    if (code == ERR_NONE) {
        code = write_file(directory, "README.md", buf_str(&readme), err);
    }
    if (code == ERR_NONE) {
        code = write_file(directory, ".gitignore", STR(gitignore), err);
    }
    if (code == ERR_NONE) { /* last, so that a flow that is there is whole */
        code = write_file(directory, "flow.yaml", buf_str(&flow), err);
    }
    mem_free(data);
    return code;
}

static int init_run(const struct invocation *call) {
    struct err err = ERR_INIT;
    const char *directory = call->arguments[0];
    char *name = name_of(directory);
    enum err_code code = directory_ready(directory, &err);
    if (code == ERR_NONE) {
        code = write_flow(directory, name, &err);
    }
    mem_free(name);
    if (code != ERR_NONE) {
        return command_failed(&err);
    }
    AUTO_OUTPUT out;
    output_init(&out);
    char *shown = output_printable(str_of(directory));
    output_add(&out, "%s: a flow that works. Next:\n\n  plumb check %s\n  plumb run %s --once\n",
               shown, shown, shown);
    mem_free(shown);
    return output_flush(&out, EXIT_DONE);
}

const struct command command_init = {
    .name = "init",
    .usage = "DIR",
    .summary = "write a small flow that works, to start from",
    .doc = "DIR is made; one that holds anything is refused.",
    .arguments_min = 1,
    .arguments_max = 1,
    .run = init_run,
};
