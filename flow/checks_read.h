/* What the files that read `checks:` share. */
#ifndef PLUMB_FLOW_CHECKS_READ_H
#define PLUMB_FLOW_CHECKS_READ_H

#include "flow/checks.h"
#include "flow/read.h"

/* Resolves what the check is about: n is its kind's key. c->kind and c->conf are set. */
MUST_CHECK enum err_code check_find_subject(struct loader *l, struct flow_check *c,
                                            const struct node *n, struct err *err);

#endif
