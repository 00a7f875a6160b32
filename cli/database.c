/* Findings of store/health.h as facts. Their advice is a sentence, which a table would cut off. */
#include "cli/database.h"

#include "base/clock.h"
#include "store/health.h"

const struct fact_column database_columns[DATABASE_COLUMNS] = {{"kind", "kind", FACT_TEXT},
                                                               {"subject", "subject", FACT_TEXT},
                                                               {"number", NULL, FACT_COUNT},
                                                               {"since", "since", FACT_TIME},
                                                               {"advice", NULL, FACT_TEXT}};
#define COLUMN_SUBJECT 1
#define COLUMN_SINCE   3
#define COLUMN_ADVICE  4

enum err_code database_collect(const struct opened *o, struct facts *out, struct err *err) {
    struct store_finding found[STORE_FINDINGS_MAX];
    size_t count = 0;
    enum err_code code = store_health(o->store, found, &count, err);
    for (size_t i = 0; code == ERR_NONE && i < count; i++) {
        facts_c(out, found[i].kind);
        facts_c(out, found[i].subject);
        facts_number(out, found[i].number);
        if (found[i].since_us > 0) {
            facts_number(out, found[i].since_us);
        } else {
            facts_null(out);
        }
        facts_c(out, found[i].advice);
    }
    return code;
}

void database_show(const struct facts *f, struct output *o) {
    if (facts_rows(f) > 0) {
        output_add(o, "\n");
        output_styled(o, STYLE_STRONG, "The database\n");
    }
    for (size_t row = 0; row < facts_rows(f); row++) {
        const struct fact *cells = &f->cells[row * DATABASE_COLUMNS];
        output_add(o, "  ");
        output_styled(o, STYLE_WARN, "%s", cells[COLUMN_SUBJECT].text);
        if (!cells[COLUMN_SINCE].is_null) {
            char ago[OUTPUT_NUMBER_BYTES];
            output_ago(cells[COLUMN_SINCE].number, clock_now_us(), ago);
            output_add(o, " since %s", ago);
        }
        output_add(o, ": ");
        output_data(o, (struct str){cells[COLUMN_ADVICE].text, cells[COLUMN_ADVICE].len});
        output_add(o, "\n");
    }
}
