/* Results and errors as the suite reads them. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "json.h"

/* Rows that are packed. */
void answer_rows(json_out *out, const applet_rows *rows);

/* Rows whose data is JSON. */
void answer_json_rows(json_out *out, const applet_rows *rows);

/* `{"error": …}` */
void answer_error(json_out *out, const applet_error *error);

/* The invocation. */
void answer_context(json_out *out, const applet_invocation *invocation);

#endif
