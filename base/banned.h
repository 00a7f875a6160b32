/* Functions not to be called in this project, and what to use. A list for tools/tidy, which looks
 * for each name followed by '('; nothing includes this file. */
#ifndef PLUMB_BASE_BANNED_H
#define PLUMB_BASE_BANNED_H

#define BANNED_FUNCTIONS(X)                                                                        \
    X(strcpy, "struct str, buf_addstr")                                                            \
    X(strncpy, "struct str, buf_addstr")                                                           \
    X(strcat, "buf_adds")                                                                          \
    X(strncat, "buf_addstr")                                                                       \
    X(sprintf, "buf_addf, mem_printf, snprintf")                                                   \
    X(vsprintf, "vsnprintf")                                                                       \
    X(strtok, "str_find")                                                                          \
    X(gets, "file_read_all")                                                                       \
    X(atoi, "parse_i64")                                                                           \
    X(atol, "parse_i64")                                                                           \
    X(atof, "parse_f64")                                                                           \
    X(strtol, "parse_i64")                                                                         \
    X(strtoll, "parse_i64")                                                                        \
    X(strtoull, "parse_u64")                                                                       \
    X(gmtime, "clock_format_us")                                                                   \
    X(localtime, "clock_format_us")                                                                \
    X(strerror, "err_set_errno")                                                                   \
    X(rand, "a generator with a seed of its own")                                                  \
    X(srand, "a generator with a seed of its own")                                                 \
    X(system, "nothing: no shells")                                                                \
    X(alloca, "mem_alloc, an arena")

#endif
