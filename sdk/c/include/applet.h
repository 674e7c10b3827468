/*
 * Write applets in C.
 *
 * An applet is a WebAssembly component whose hooks the host calls. It reaches nothing but the database, a log and a
 * clock, and of the database only the rows of the tenant that it is called for, in the tables that its manifest asks
 * for and an admin granted.
 *
 * What can fail gives false and tells why in `*error`. What a function gives is the caller's, and goes with the
 * function that ends in `_free`; an instance that serves one call only may leave that to its end. What a function
 * takes stays the caller's.
 */
#ifndef APPLET_H
#define APPLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bindings.h"

/* Text ------------------------------------------------------------------------------------------------------------ */

/* UTF-8 of `len` bytes at `ptr`. There is no zero byte at its end, and there may be some inside. */
typedef bindings_string_t applet_text;

/* The text of a C string, which it refers to. */
static inline applet_text applet_string(const char *text) {
    return (applet_text){(uint8_t *)text, strlen(text)};
}

/* Whether a text is that of a C string. */
static inline bool applet_is(applet_text text, const char *other) {
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

/* A copy that the host, or whoever it is handed to, can free. */
applet_text applet_copy(applet_text text);

/* Errors ---------------------------------------------------------------------------------------------------------- */

/* What the host refused, and why. `tag` is one of APPLET_HOST_TYPES_ERROR_…; every case has the same details. */
typedef applet_host_types_error_t applet_error;

/* The stable code, a sentence, and where there is one: place, table, column, operation, hint, when to come again. */
typedef applet_host_types_detail_t applet_detail;

/* The details of an error. */
static inline const applet_detail *applet_detail_of(const applet_error *error) {
    return &error->val.internal;
}

/* The family of an error, as the WIT names it: "permission-denied". */
const char *applet_error_kind(const applet_error *error);

void applet_error_free(applet_error *error);

/* Parameters ------------------------------------------------------------------------------------------------------ */

/* A bind parameter. PostgreSQL says which type each one has; the value has to fit it. It refers to its text. */
typedef applet_host_types_value_t applet_value;

static inline applet_value applet_null(void) {
    return (applet_value){.tag = APPLET_HOST_TYPES_VALUE_NULL};
}

static inline applet_value applet_boolean(bool boolean) {
    return (applet_value){.tag = APPLET_HOST_TYPES_VALUE_BOOLEAN, .val = {.boolean = boolean}};
}

/* A whole number, for any number type. */
static inline applet_value applet_integer(int64_t integer) {
    return (applet_value){.tag = APPLET_HOST_TYPES_VALUE_INTEGER, .val = {.integer = integer}};
}

static inline applet_value applet_float(double number) {
    return (applet_value){.tag = APPLET_HOST_TYPES_VALUE_FLOAT, .val = {.float_ = number}};
}

/* Text; for every other type, written as PostgreSQL writes that type. */
static inline applet_value applet_text_value(applet_text text) {
    return (applet_value){.tag = APPLET_HOST_TYPES_VALUE_TEXT, .val = {.text = text}};
}

/* The text of a C string. */
static inline applet_value applet_string_value(const char *text) {
    return applet_text_value(applet_string(text));
}

/* Bytes, for `bytea`. */
static inline applet_value applet_bytes(const uint8_t *bytes, size_t length) {
    return (applet_value){.tag = APPLET_HOST_TYPES_VALUE_BYTES, .val = {.bytes = {(uint8_t *)bytes, length}}};
}

/* JSON text; for `json`, `jsonb` and, as a JSON array, for arrays. */
static inline applet_value applet_json(applet_text text) {
    return (applet_value){.tag = APPLET_HOST_TYPES_VALUE_JSON, .val = {.json = text}};
}

/* Statements ------------------------------------------------------------------------------------------------------ */

/* A statement with `$1`…`$n`, and its parameters in order. */
typedef struct applet_statement {
    applet_text sql;
    const applet_value *parameters;
    size_t count;
} applet_statement;

/* A statement without parameters. */
static inline applet_statement applet_sql(const char *sql) {
    return (applet_statement){applet_string(sql), NULL, 0};
}

/* A statement and its parameters, written in place:
 * APPLET_SQL("SELECT first_name FROM clients WHERE id = $1", applet_integer(7)) */
#define APPLET_SQL(sql, ...) \
    ((applet_statement){ \
        applet_string(sql), \
        (const applet_value[]){__VA_ARGS__}, \
        sizeof((const applet_value[]){__VA_ARGS__}) / sizeof(applet_value), \
    })

/* Rows: `columns`, `count`, whether some were left out (`truncated`), how many were `affected`, and `data`. */
typedef applet_host_types_rows_t applet_rows;

/* The rows of several statements. */
typedef applet_host_db_list_rows_t applet_results;

/* Runs a statement; `applet_next` reads the cells of its rows. */
bool applet_query(applet_statement statement, applet_rows *rows, applet_error *error);

/* Runs a statement; `rows->data` is the JSON text of its rows, an array of arrays. */
bool applet_query_json(applet_statement statement, applet_rows *rows, applet_error *error);

/* Runs a statement and gives the number of rows that it changed. */
bool applet_execute(applet_statement statement, uint64_t *affected, applet_error *error);

/* Runs several statements in one transaction: all take effect, or none. */
bool applet_batch(const applet_statement *statements, size_t count, applet_results *results, applet_error *error);

void applet_rows_free(applet_rows *rows);
void applet_results_free(applet_results *results);

/* Transactions ---------------------------------------------------------------------------------------------------- */

/* An open transaction. It holds one connection until it ends, by one of the three functions that end it. */
typedef applet_host_db_own_transaction_t applet_transaction;

bool applet_begin(applet_transaction *transaction, applet_error *error);

/* A statement that fails ends the transaction: what remains is to roll it back. */
bool applet_transaction_query(applet_transaction transaction, applet_statement statement, applet_rows *rows,
                              applet_error *error);
bool applet_transaction_execute(applet_transaction transaction, applet_statement statement, uint64_t *affected,
                                applet_error *error);

/* These end it, also when they fail. */
bool applet_commit(applet_transaction transaction, applet_error *error);
bool applet_rollback(applet_transaction transaction, applet_error *error);

/* Ends it as a rollback does, and hears nothing of it. */
void applet_drop(applet_transaction transaction);

/* Cells ----------------------------------------------------------------------------------------------------------- */

/* One of APPLET_HOST_TYPES_COLUMN_TYPE_… */
typedef applet_host_types_column_type_t applet_type;

/* A type as the WIT names it: "int64". */
const char *applet_type_name(applet_type type);

/* A span of time, in the three parts that PostgreSQL keeps apart. */
typedef struct applet_interval {
    int32_t months;
    int32_t days;
    int64_t microseconds;
} applet_interval;

/* A cell. What it refers to lies in its rows. */
typedef struct applet_cell {
    applet_type type;
    bool is_null;
    union {
        bool boolean;
        /* int16, int32, int64. date: days since 1970-01-01; INT32_MIN and INT32_MAX are -infinity and infinity.
         * time: microseconds. timestamp, timestamptz: microseconds since 1970-01-01T00:00, infinities as INT64_… */
        int64_t integer;
        float float32;
        double float64;
        /* numeric, text, json, array. */
        applet_text text;
        bindings_list_u8_t bytes;
        uint8_t uuid[16];
        applet_interval interval;
    } is;
} applet_cell;

/* Reads the cells of rows, row by row and column by column. */
typedef struct applet_cells {
    const applet_rows *rows;
    size_t at;
    size_t column;
    size_t row;
} applet_cells;

static inline applet_cells applet_cells_of(const applet_rows *rows) {
    return (applet_cells){rows, 0, 0, 0};
}

/* The next cell; false after the last one, and when the data is damaged. */
bool applet_next(applet_cells *cells, applet_cell *cell);

/* Log ------------------------------------------------------------------------------------------------------------- */

/* Lines for the applet's log. At most 16 KiB per invocation are kept. */
void applet_log_debug(applet_text line);
void applet_log_info(applet_text line);
void applet_log_warn(applet_text line);
void applet_log_error(applet_text line);

/* Context --------------------------------------------------------------------------------------------------------- */

/* Who is calling, for whom, and what was granted. */
typedef applet_host_context_invocation_t applet_invocation;

void applet_context(applet_invocation *invocation);
void applet_context_free(applet_invocation *invocation);

/* Hooks ----------------------------------------------------------------------------------------------------------- */

/* What a hook answers when it fails: the applet's own code, kebab-case, and a sentence. */
typedef applet_host_hook_types_hook_error_t applet_hook_error;

/* Sets the error, copying the text, and gives false, so that a hook can return it. */
bool applet_fail(applet_hook_error *error, applet_text code, applet_text message);

/* Makes an error of the host's the hook's own: the same code and message. Frees it, and gives false. */
bool applet_fail_with(applet_hook_error *failure, applet_error *error);

/* What a hook of `applet_call` gives for a name that it does not know. */
bool applet_no_such_hook(applet_text name, applet_hook_error *error);

/* An applet defines those that its manifest lists; the others succeed, and `applet_call` knows no name.
 *
 * `applet_call` takes and gives JSON text. The answer is freed by the host, see `applet_copy`. */
bool applet_on_install(applet_hook_error *error);
bool applet_on_upgrade(applet_text from_version, applet_hook_error *error);
bool applet_on_uninstall(applet_hook_error *error);
bool applet_on_enable(applet_hook_error *error);
bool applet_on_disable(applet_hook_error *error);
bool applet_call(applet_text name, applet_text payload, applet_text *answer, applet_hook_error *error);

#endif
