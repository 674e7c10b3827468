/* The conformance guest in C; what each hook does is in `tests/conformance/README.md`. */
#include <stdio.h>
#include <stdlib.h>

#include "answers.h"
#include "statements.h"

static void query(applet_text payload, json_out *out) {
    applet_statement statement = statement_of(payload);
    bool packed = applet_is(json_member(payload, "encoding"), "\"packed\"");
    applet_rows rows;
    applet_error error;
    bool done = packed ? applet_query(statement, &rows, &error) : applet_query_json(statement, &rows, &error);
    if (!done) {
        answer_error(out, &error);
    } else if (packed) {
        answer_rows(out, &rows);
    } else {
        answer_json_rows(out, &rows);
    }
}

static void execute(applet_text payload, json_out *out) {
    uint64_t affected;
    applet_error error;
    if (applet_execute(statement_of(payload), &affected, &error)) {
        json_format(out, "{\"affected\":%llu}", (unsigned long long)affected);
    } else {
        answer_error(out, &error);
    }
}

static void batch(applet_text payload, json_out *out) {
    statement_list statements = statements_of(json_member(payload, "statements"));
    applet_results results;
    applet_error error;
    if (!applet_batch(statements.each, statements.count, &results, &error)) {
        answer_error(out, &error);
        return;
    }
    json_raw(out, "{\"results\":[");
    for (size_t place = 0; place < results.len; place++) {
        json_raw(out, place > 0 ? "," : "");
        answer_rows(out, &results.ptr[place]);
    }
    json_raw(out, "]}");
    applet_results_free(&results);
}

static bool end(applet_transaction transaction, applet_text how, applet_error *error) {
    if (applet_is(how, "\"commit\"")) {
        return applet_commit(transaction, error);
    }
    if (applet_is(how, "\"rollback\"")) {
        return applet_rollback(transaction, error);
    }
    applet_drop(transaction);
    return true;
}

static void transaction(applet_text payload, json_out *out) {
    statement_list statements = statements_of(json_member(payload, "statements"));
    applet_transaction transaction;
    applet_error error;
    if (!applet_begin(&transaction, &error)) {
        answer_error(out, &error);
        return;
    }
    json_raw(out, "{\"results\":[");
    for (size_t place = 0; place < statements.count; place++) {
        applet_rows rows;
        json_raw(out, place > 0 ? "," : "");
        if (applet_transaction_query(transaction, statements.each[place], &rows, &error)) {
            answer_rows(out, &rows);
            applet_rows_free(&rows);
        } else {
            answer_error(out, &error);
            applet_error_free(&error);
        }
    }
    json_raw(out, "],\"end\":");
    if (end(transaction, json_member(payload, "end"), &error)) {
        json_raw(out, "null");
    } else {
        answer_error(out, &error);
    }
    json_raw(out, "}");
}

static void context(applet_text payload, json_out *out) {
    (void)payload;
    applet_invocation invocation;
    applet_context(&invocation);
    answer_context(out, &invocation);
    applet_context_free(&invocation);
}

static void write_line(applet_text payload, json_out *out) {
    applet_text level = json_member(payload, "level");
    applet_text message = json_text(json_member(payload, "message"));
    if (applet_is(level, "\"debug\"")) {
        applet_log_debug(message);
    } else if (applet_is(level, "\"info\"")) {
        applet_log_info(message);
    } else if (applet_is(level, "\"warn\"")) {
        applet_log_warn(message);
    } else {
        applet_log_error(message);
    }
    json_raw(out, "null");
}

static void echo(applet_text payload, json_out *out) {
    json_slice(out, payload);
}

static void crash(applet_text payload, json_out *out) {
    (void)payload;
    (void)out;
    abort();
}

static void spin(applet_text payload, json_out *out) {
    (void)payload;
    (void)out;
    for (volatile unsigned turns = 0;; turns++) {
    }
}

static void hoard(applet_text payload, json_out *out) {
    (void)payload;
    (void)out;
    /* Volatile, so that it cannot be left out. */
    void *volatile kept;
    do {
        kept = malloc(1 << 20);
    } while (kept != NULL);
    abort();
}

static const struct {
    const char *name;
    void (*hook)(applet_text payload, json_out *out);
} HOOKS[] = {
    {"echo", echo},       {"query", query},       {"execute", execute}, {"batch", batch}, {"transaction", transaction},
    {"context", context}, {"log", write_line},    {"crash", crash},     {"spin", spin},   {"hoard", hoard},
};

bool applet_call(applet_text name, applet_text payload, applet_text *answer, applet_hook_error *error) {
    if (applet_is(name, "fail")) {
        return applet_fail(error, json_text(json_member(payload, "code")), json_text(json_member(payload, "message")));
    }
    for (size_t place = 0; place < sizeof HOOKS / sizeof *HOOKS; place++) {
        if (applet_is(name, HOOKS[place].name)) {
            json_out out = {0};
            HOOKS[place].hook(payload, &out);
            *answer = json_done(&out);
            return true;
        }
    }
    return applet_no_such_hook(name, error);
}

bool applet_on_install(applet_hook_error *error) {
    (void)error;
    applet_log_info(applet_string("installed"));
    return true;
}

bool applet_on_upgrade(applet_text from_version, applet_hook_error *error) {
    (void)error;
    char line[128];
    snprintf(line, sizeof line, "upgraded from %.*s", (int)from_version.len, (const char *)from_version.ptr);
    applet_log_info(applet_string(line));
    return true;
}

bool applet_on_uninstall(applet_hook_error *error) {
    (void)error;
    applet_log_info(applet_string("uninstalled"));
    return true;
}

bool applet_on_enable(applet_hook_error *error) {
    (void)error;
    applet_log_info(applet_string("enabled"));
    return true;
}

bool applet_on_disable(applet_hook_error *error) {
    (void)error;
    applet_log_info(applet_string("disabled"));
    return true;
}
