/* The database, the log and the context. */
#include "applet.h"

#include <stdlib.h>

applet_text applet_copy(applet_text text) {
    uint8_t *bytes = malloc(text.len > 0 ? text.len : 1);
    if (bytes == NULL) {
        abort();
    }
    memcpy(bytes, text.ptr, text.len);
    return (applet_text){bytes, text.len};
}

static const char *const ERROR_KINDS[] = {
    [APPLET_HOST_TYPES_ERROR_PERMISSION_DENIED] = "permission-denied",
    [APPLET_HOST_TYPES_ERROR_STATEMENT_REJECTED] = "statement-rejected",
    [APPLET_HOST_TYPES_ERROR_INVALID_ARGUMENT] = "invalid-argument",
    [APPLET_HOST_TYPES_ERROR_DATA_ERROR] = "data-error",
    [APPLET_HOST_TYPES_ERROR_LIMIT_EXCEEDED] = "limit-exceeded",
    [APPLET_HOST_TYPES_ERROR_CONSTRAINT_VIOLATION] = "constraint-violation",
    [APPLET_HOST_TYPES_ERROR_CONFLICT] = "conflict",
    [APPLET_HOST_TYPES_ERROR_TIMEOUT] = "timeout",
    [APPLET_HOST_TYPES_ERROR_BUSY] = "busy",
    [APPLET_HOST_TYPES_ERROR_UNAVAILABLE] = "unavailable",
    [APPLET_HOST_TYPES_ERROR_OUTCOME_UNKNOWN] = "outcome-unknown",
    [APPLET_HOST_TYPES_ERROR_INTERNAL] = "internal",
};

const char *applet_error_kind(const applet_error *error) {
    return error->tag < sizeof ERROR_KINDS / sizeof *ERROR_KINDS ? ERROR_KINDS[error->tag] : "internal";
}

void applet_error_free(applet_error *error) {
    applet_host_types_error_free(error);
}

/* The bindings read parameters and give nothing back through them. */
static applet_host_db_list_value_t parameters_of(applet_statement statement) {
    return (applet_host_db_list_value_t){(applet_value *)statement.parameters, statement.count};
}

static bool query(applet_statement statement, applet_host_types_encoding_t encoding, applet_rows *rows,
                  applet_error *error) {
    applet_host_db_list_value_t parameters = parameters_of(statement);
    return applet_host_db_query(&statement.sql, &parameters, encoding, rows, error);
}

bool applet_query(applet_statement statement, applet_rows *rows, applet_error *error) {
    return query(statement, APPLET_HOST_TYPES_ENCODING_PACKED, rows, error);
}

bool applet_query_json(applet_statement statement, applet_rows *rows, applet_error *error) {
    return query(statement, APPLET_HOST_TYPES_ENCODING_JSON, rows, error);
}

bool applet_execute(applet_statement statement, uint64_t *affected, applet_error *error) {
    applet_host_db_list_value_t parameters = parameters_of(statement);
    return applet_host_db_execute(&statement.sql, &parameters, affected, error);
}

bool applet_batch(const applet_statement *statements, size_t count, applet_results *results, applet_error *error) {
    applet_host_db_statement_t *each = calloc(count > 0 ? count : 1, sizeof *each);
    if (each == NULL) {
        abort();
    }
    for (size_t place = 0; place < count; place++) {
        each[place] = (applet_host_db_statement_t){statements[place].sql, parameters_of(statements[place])};
    }
    applet_host_db_list_statement_t list = {each, count};
    bool done = applet_host_db_batch(&list, APPLET_HOST_TYPES_ENCODING_PACKED, results, error);
    free(each);
    return done;
}

void applet_rows_free(applet_rows *rows) {
    applet_host_types_rows_free(rows);
}

void applet_results_free(applet_results *results) {
    applet_host_db_list_rows_free(results);
}

bool applet_begin(applet_transaction *transaction, applet_error *error) {
    return applet_host_db_begin(transaction, error);
}

bool applet_transaction_query(applet_transaction transaction, applet_statement statement, applet_rows *rows,
                              applet_error *error) {
    applet_host_db_list_value_t parameters = parameters_of(statement);
    return applet_host_db_method_transaction_query(applet_host_db_borrow_transaction(transaction), &statement.sql,
                                                   &parameters, APPLET_HOST_TYPES_ENCODING_PACKED, rows, error);
}

bool applet_transaction_execute(applet_transaction transaction, applet_statement statement, uint64_t *affected,
                                applet_error *error) {
    applet_host_db_list_value_t parameters = parameters_of(statement);
    return applet_host_db_method_transaction_execute(applet_host_db_borrow_transaction(transaction), &statement.sql,
                                                     &parameters, affected, error);
}

bool applet_commit(applet_transaction transaction, applet_error *error) {
    return applet_host_db_static_transaction_commit(transaction, error);
}

bool applet_rollback(applet_transaction transaction, applet_error *error) {
    return applet_host_db_static_transaction_rollback(transaction, error);
}

void applet_drop(applet_transaction transaction) {
    applet_host_db_transaction_drop_own(transaction);
}

void applet_log_debug(applet_text line) {
    applet_host_log_write(APPLET_HOST_LOG_LEVEL_DEBUG, &line);
}

void applet_log_info(applet_text line) {
    applet_host_log_write(APPLET_HOST_LOG_LEVEL_INFO, &line);
}

void applet_log_warn(applet_text line) {
    applet_host_log_write(APPLET_HOST_LOG_LEVEL_WARN, &line);
}

void applet_log_error(applet_text line) {
    applet_host_log_write(APPLET_HOST_LOG_LEVEL_ERROR, &line);
}

void applet_context(applet_invocation *invocation) {
    applet_host_context_current(invocation);
}

void applet_context_free(applet_invocation *invocation) {
    applet_host_context_invocation_free(invocation);
}
