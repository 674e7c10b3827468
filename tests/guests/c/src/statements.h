/* Statements as the suite writes them. */
#ifndef STATEMENTS_H
#define STATEMENTS_H

#include "applet.h"

/* Reads `{sql, parameters}`; what it is made of is never freed, the instance serves one call. */
applet_statement statement_of(applet_text json);

/* Reads a list of them. */
typedef struct statement_list {
    applet_statement *each;
    size_t count;
} statement_list;

statement_list statements_of(applet_text json);

#endif
