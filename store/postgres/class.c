/* What an SQLSTATE means to us. The first two characters are its class; some codes differ from their
 * class. A table, most exact first: the first prefix that fits decides. */
#include <string.h>

#include "store/postgres/postgres.h"

struct meaning {
    const char *prefix;
    enum err_code code;
};

static const struct meaning meanings[] = {
    /* Somebody else was there: the transaction again, from its beginning. */
    {"40001", ERR_CONFLICT},    /* serialization failure */
    {"40P01", ERR_CONFLICT},    /* deadlock */
    {"55P03", ERR_CONFLICT},    /* lock not available */
    {"40003", ERR_UNAVAILABLE}, /* whether it completed is unknown */
    {"40", ERR_CONFLICT},
    /* The way there, and who may go it. */
    {"08P01", ERR_UNAVAILABLE}, /* protocol violation: pgbouncer says so when the server is away */
    {"08", ERR_UNAVAILABLE},
    {"28", ERR_CONFIG}, /* password, pg_hba.conf */
    {"3D", ERR_CONFIG}, /* no such database */
    {"57014", ERR_CANCELLED},
    {"57", ERR_UNAVAILABLE},    /* shutting down, starting up, terminated */
    {"25P02", ERR_INTERNAL},    /* the transaction had failed before: somebody did not look */
    {"25P03", ERR_UNAVAILABLE}, /* idle for too long: we were stopped */
    {"25006", ERR_UNAVAILABLE}, /* read-only: the server is a standby now */
    {"25", ERR_INTERNAL},
    /* Room. */
    {"53100", ERR_LIMIT},
    {"53200", ERR_LIMIT},
    {"53300", ERR_UNAVAILABLE}, /* too many connections */
    {"53", ERR_LIMIT},
    {"54000", ERR_INPUT}, /* a row too large for an index stays so */
    {"54", ERR_LIMIT},    /* statement too complex, too many columns */
    /* A row: data, constraints, and what functions raise. */
    {"22", ERR_INPUT},
    {"23", ERR_INPUT},
    {"21", ERR_INPUT},    /* a row more than once, more than one row from a subquery */
    {"44", ERR_INPUT},    /* WITH CHECK OPTION */
    {"P0001", ERR_INPUT}, /* RAISE */
    {"P0", ERR_INPUT},
    /* SQL that is wrong, and rights. */
    {"42", ERR_CONFIG},
    {"0A", ERR_CONFIG}, /* not supported */
    {"3F", ERR_CONFIG}, /* no such schema */
    {"2B", ERR_CONFIG}, /* other objects depend on it */
    {"55000", ERR_UNAVAILABLE},
    {"55", ERR_CONFIG},
    /* Disks and pages. */
    {"58P01", ERR_CORRUPT},  /* a file is missing */
    {"58", ERR_UNAVAILABLE}, /* system error, I/O */
    {"XX001", ERR_CORRUPT},
    {"XX002", ERR_CORRUPT},
    {"XX", ERR_UNAVAILABLE}, /* the server's own mistake: perhaps not the next time */
};

enum err_code pg_class_of(const char *sqlstate) {
    for (size_t i = 0; sqlstate != NULL && i < ARRAY_COUNT(meanings); i++) {
        if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0) {
            return meanings[i].code;
        }
    }
    return ERR_INTERNAL;
}

#define SQLSTATE_BYTES 5
#define DIGIT_BITS     6
#define DIGIT_MASK     63

int pg_sqlstate_number(const char *sqlstate) {
    int number = 0;
    if (sqlstate == NULL || strlen(sqlstate) != SQLSTATE_BYTES) {
        return 0;
    }
    for (size_t i = 0; i < SQLSTATE_BYTES; i++) {
        const char c = sqlstate[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'))) {
            return 0;
        }
        number = (number << DIGIT_BITS) | (c - '0' + 1);
    }
    return number;
}

void pg_sqlstate(int number, char out[6]) {
    out[0] = '\0';
    if (number <= 0) {
        return;
    }
    for (int i = SQLSTATE_BYTES - 1; i >= 0; i--) {
        out[i] = (char)('0' + (number & DIGIT_MASK) - 1);
        number >>= DIGIT_BITS;
    }
    out[SQLSTATE_BYTES] = '\0';
}
