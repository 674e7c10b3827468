#include "statements.h"

#include <stdlib.h>

#include "json.h"

static size_t count_of(applet_text json) {
    json_walk walk = json_walk_of(json);
    applet_text name, value;
    size_t count = 0;
    while (json_next(&walk, &name, &value)) {
        count++;
    }
    return count;
}

static void *room_for(size_t count, size_t size) {
    void *room = calloc(count > 0 ? count : 1, size);
    if (room == NULL) {
        abort();
    }
    return room;
}

/* The text with a zero byte at its end, for the functions of C that read numbers. */
static const char *digits_of(applet_text text) {
    char *digits = room_for(text.len + 1, 1);
    memcpy(digits, text.ptr, text.len);
    return digits;
}

static double float_of(applet_text bits) {
    uint64_t number = strtoull(digits_of(bits), NULL, 16);
    double value;
    memcpy(&value, &number, sizeof value);
    return value;
}

static applet_value bytes_of(applet_text hex) {
    uint8_t *bytes = room_for(hex.len / 2, 1);
    for (size_t at = 0; at < hex.len / 2; at++) {
        char pair[3] = {(char)hex.ptr[at * 2], (char)hex.ptr[at * 2 + 1], 0};
        bytes[at] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return applet_bytes(bytes, hex.len / 2);
}

/* `{"integer": "7"}` and the like. */
static applet_value parameter_of(applet_text json) {
    json_walk walk = json_walk_of(json);
    applet_text name, value;
    if (!json_next(&walk, &name, &value)) {
        abort();
    }
    applet_text kind = json_text(name);
    applet_text text = json_text(value);
    if (applet_is(kind, "boolean")) {
        return applet_boolean(applet_is(value, "true"));
    }
    if (applet_is(kind, "integer")) {
        return applet_integer(strtoll(digits_of(text), NULL, 10));
    }
    if (applet_is(kind, "float")) {
        return applet_float(float_of(text));
    }
    if (applet_is(kind, "text")) {
        return applet_text_value(text);
    }
    if (applet_is(kind, "bytes")) {
        return bytes_of(text);
    }
    if (applet_is(kind, "json")) {
        return applet_json(text);
    }
    return applet_null();
}

applet_statement statement_of(applet_text json) {
    applet_text parameters = json_member(json, "parameters");
    size_t count = count_of(parameters);
    applet_value *values = room_for(count, sizeof *values);
    json_walk walk = json_walk_of(parameters);
    applet_text name, value;
    for (size_t place = 0; json_next(&walk, &name, &value); place++) {
        values[place] = parameter_of(value);
    }
    return (applet_statement){json_text(json_member(json, "sql")), values, count};
}

statement_list statements_of(applet_text json) {
    statement_list list = {NULL, count_of(json)};
    list.each = room_for(list.count, sizeof *list.each);
    json_walk walk = json_walk_of(json);
    applet_text name, value;
    for (size_t place = 0; json_next(&walk, &name, &value); place++) {
        list.each[place] = statement_of(value);
    }
    return list;
}
