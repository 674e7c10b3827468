/* As much JSON as the conformance protocol needs. The host has checked that a payload is JSON. */
#ifndef JSON_H
#define JSON_H

#include "applet.h"

/* A value is a slice of the text that it stands in. */

/* The member of an object, or an empty text. */
applet_text json_member(applet_text object, const char *name);

/* Walks an array or an object. For an array `name` is empty. */
typedef struct json_walk {
    applet_text rest;
} json_walk;

json_walk json_walk_of(applet_text value);
bool json_next(json_walk *walk, applet_text *name, applet_text *value);

/* The text that a string stands for; the caller frees it. Empty for what is no string. */
applet_text json_text(applet_text value);

/* An answer while it is being written. */
typedef struct json_out {
    char *bytes;
    size_t length;
    size_t room;
} json_out;

/* JSON as it is. */
void json_raw(json_out *out, const char *json);
void json_slice(json_out *out, applet_text json);

/* A string. */
void json_string(json_out *out, applet_text text);

/* A string, or null when there is none. */
void json_optional(json_out *out, const bindings_option_string_t *text);

/* JSON in the way of printf, of at most 128 bytes. */
__attribute__((format(printf, 2, 3))) void json_format(json_out *out, const char *format, ...);

/* A string of hex digits. */
void json_hex(json_out *out, const uint8_t *bytes, size_t length);

/* What was written; the host frees it. */
applet_text json_done(json_out *out);

#endif
