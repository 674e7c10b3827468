#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Reading --------------------------------------------------------------------------------------------------------- */

static applet_text after(applet_text text, size_t count) {
    return (applet_text){text.ptr + count, text.len - count};
}

static applet_text skip_space(applet_text text) {
    while (text.len > 0 && strchr(" \t\r\n", *text.ptr) != NULL && *text.ptr != 0) {
        text = after(text, 1);
    }
    return text;
}

static size_t string_length(applet_text text) {
    for (size_t at = 1; at < text.len; at++) {
        if (text.ptr[at] == '\\') {
            at++;
        } else if (text.ptr[at] == '"') {
            return at + 1;
        }
    }
    return text.len;
}

/* How many bytes the value at the begin of the text has. */
static size_t value_length(applet_text text) {
    size_t depth = 0;
    for (size_t at = 0; at < text.len;) {
        uint8_t byte = text.ptr[at];
        if (byte == '"') {
            at += string_length(after(text, at));
        } else if (byte == '[' || byte == '{') {
            depth++;
            at++;
            continue;
        } else if (byte == ']' || byte == '}') {
            if (depth == 0) {
                return at;
            }
            depth--;
            at++;
        } else if (depth == 0 && strchr(", \t\r\n:", byte) != NULL) {
            return at;
        } else {
            at++;
            continue;
        }
        if (depth == 0) {
            return at;
        }
    }
    return text.len;
}

static applet_text take_value(applet_text *rest) {
    size_t length = value_length(*rest);
    applet_text value = {rest->ptr, length};
    *rest = skip_space(after(*rest, length));
    return value;
}

json_walk json_walk_of(applet_text value) {
    value = skip_space(value);
    if (value.len == 0 || (*value.ptr != '[' && *value.ptr != '{')) {
        return (json_walk){{value.ptr, 0}};
    }
    return (json_walk){skip_space(after(value, 1))};
}

bool json_next(json_walk *walk, applet_text *name, applet_text *value) {
    applet_text rest = walk->rest;
    if (rest.len > 0 && *rest.ptr == ',') {
        rest = skip_space(after(rest, 1));
    }
    if (rest.len == 0 || *rest.ptr == ']' || *rest.ptr == '}') {
        return false;
    }
    applet_text first = take_value(&rest);
    *name = (applet_text){rest.ptr, 0};
    *value = first;
    if (rest.len > 0 && *rest.ptr == ':') {
        rest = skip_space(after(rest, 1));
        *name = first;
        *value = take_value(&rest);
    }
    walk->rest = rest;
    return true;
}

applet_text json_member(applet_text object, const char *name) {
    json_walk walk = json_walk_of(object);
    applet_text found, value;
    size_t length = strlen(name);
    while (json_next(&walk, &found, &value)) {
        /* Names of the protocol need no escapes. */
        if (found.len == length + 2 && memcmp(found.ptr + 1, name, length) == 0) {
            return value;
        }
    }
    return (applet_text){object.ptr, 0};
}

static uint32_t hex_number(const uint8_t *digits) {
    char text[5] = {0};
    memcpy(text, digits, 4);
    return (uint32_t)strtoul(text, NULL, 16);
}

static size_t put_utf8(uint8_t *to, uint32_t code) {
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xC0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (uint8_t)(0xE0 | code >> 12);
        to[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        to[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (uint8_t)(0xF0 | code >> 18);
    to[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    to[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    to[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

/* What follows a backslash; gives how many bytes that is. */
static size_t put_escape(applet_text escape, uint8_t *to, size_t *length) {
    static const char LETTERS[] = "bfnrt";
    static const char MEANINGS[] = "\b\f\n\r\t";
    const char *letter = memchr(LETTERS, *escape.ptr, sizeof LETTERS - 1);
    if (letter != NULL) {
        to[(*length)++] = (uint8_t)MEANINGS[letter - LETTERS];
        return 1;
    }
    if (*escape.ptr != 'u' || escape.len < 5) {
        to[(*length)++] = *escape.ptr;
        return 1;
    }
    uint32_t code = hex_number(escape.ptr + 1);
    size_t read = 5;
    bool is_pair = code >= 0xD800 && code < 0xDC00 && escape.len >= 11 && escape.ptr[5] == '\\' && escape.ptr[6] == 'u';
    if (is_pair) {
        code = 0x10000 + ((code - 0xD800) << 10) + (hex_number(escape.ptr + 7) - 0xDC00);
        read = 11;
    }
    *length += put_utf8(to + *length, code);
    return read;
}

applet_text json_text(applet_text value) {
    /* No escape is shorter than what it stands for. */
    uint8_t *to = malloc(value.len + 1);
    if (to == NULL) {
        abort();
    }
    size_t length = 0;
    for (size_t at = 1; at + 1 < value.len;) {
        if (value.ptr[at] == '\\') {
            at += 1 + put_escape((applet_text){value.ptr + at + 1, value.len - at - 2}, to, &length);
        } else {
            to[length++] = value.ptr[at++];
        }
    }
    return (applet_text){to, length};
}

/* Writing --------------------------------------------------------------------------------------------------------- */

static void put(json_out *out, const void *bytes, size_t length) {
    if (out->room - out->length < length) {
        out->room = (out->room + length) * 2;
        out->bytes = realloc(out->bytes, out->room);
        if (out->bytes == NULL) {
            abort();
        }
    }
    memcpy(out->bytes + out->length, bytes, length);
    out->length += length;
}

void json_raw(json_out *out, const char *json) {
    put(out, json, strlen(json));
}

void json_slice(json_out *out, applet_text json) {
    put(out, json.ptr, json.len);
}

void json_string(json_out *out, applet_text text) {
    put(out, "\"", 1);
    size_t plain = 0;
    for (size_t at = 0; at < text.len; at++) {
        uint8_t byte = text.ptr[at];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            continue;
        }
        put(out, text.ptr + plain, at - plain);
        json_format(out, "\\u%04x", byte);
        plain = at + 1;
    }
    put(out, text.ptr + plain, text.len - plain);
    put(out, "\"", 1);
}

void json_optional(json_out *out, const bindings_option_string_t *text) {
    if (text->is_some) {
        json_string(out, text->val);
    } else {
        json_raw(out, "null");
    }
}

void json_format(json_out *out, const char *format, ...) {
    char text[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text) {
        abort();
    }
    put(out, text, (size_t)length);
}

void json_hex(json_out *out, const uint8_t *bytes, size_t length) {
    static const char DIGITS[] = "0123456789abcdef";
    put(out, "\"", 1);
    for (size_t at = 0; at < length; at++) {
        char pair[2] = {DIGITS[bytes[at] >> 4], DIGITS[bytes[at] & 15]};
        put(out, pair, sizeof pair);
    }
    put(out, "\"", 1);
}

applet_text json_done(json_out *out) {
    return (applet_text){(uint8_t *)out->bytes, out->length};
}
