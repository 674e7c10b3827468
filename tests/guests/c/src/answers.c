#include "answers.h"

#include <inttypes.h>

static void cell_bits(json_out *out, const applet_cell *cell) {
    if (cell->type == APPLET_HOST_TYPES_COLUMN_TYPE_FLOAT32) {
        uint32_t bits;
        memcpy(&bits, &cell->is.float32, sizeof bits);
        json_format(out, "\"%08" PRIx32 "\"", bits);
    } else {
        uint64_t bits;
        memcpy(&bits, &cell->is.float64, sizeof bits);
        json_format(out, "\"%016" PRIx64 "\"", bits);
    }
}

static void cell_uuid(json_out *out, const uint8_t *uuid) {
    json_raw(out, "\"");
    for (size_t at = 0; at < 16; at++) {
        bool hyphen = at == 4 || at == 6 || at == 8 || at == 10;
        json_format(out, "%s%02x", hyphen ? "-" : "", uuid[at]);
    }
    json_raw(out, "\"");
}

static void answer_cell(json_out *out, const applet_cell *cell) {
    if (cell->is_null) {
        json_raw(out, "null");
        return;
    }
    switch (cell->type) {
    case APPLET_HOST_TYPES_COLUMN_TYPE_BOOLEAN:
        json_raw(out, cell->is.boolean ? "true" : "false");
        break;
    case APPLET_HOST_TYPES_COLUMN_TYPE_INT16:
    case APPLET_HOST_TYPES_COLUMN_TYPE_INT32:
        json_format(out, "%" PRId64, cell->is.integer);
        break;
    case APPLET_HOST_TYPES_COLUMN_TYPE_INT64:
    case APPLET_HOST_TYPES_COLUMN_TYPE_DATE:
    case APPLET_HOST_TYPES_COLUMN_TYPE_TIME:
    case APPLET_HOST_TYPES_COLUMN_TYPE_TIMESTAMP:
    case APPLET_HOST_TYPES_COLUMN_TYPE_TIMESTAMPTZ:
        json_format(out, "\"%" PRId64 "\"", cell->is.integer);
        break;
    case APPLET_HOST_TYPES_COLUMN_TYPE_FLOAT32:
    case APPLET_HOST_TYPES_COLUMN_TYPE_FLOAT64:
        cell_bits(out, cell);
        break;
    case APPLET_HOST_TYPES_COLUMN_TYPE_BYTES:
        json_hex(out, cell->is.bytes.ptr, cell->is.bytes.len);
        break;
    case APPLET_HOST_TYPES_COLUMN_TYPE_UUID:
        cell_uuid(out, cell->is.uuid);
        break;
    case APPLET_HOST_TYPES_COLUMN_TYPE_INTERVAL:
        json_format(out, "\"%" PRId32 " %" PRId32 " %" PRId64 "\"", cell->is.interval.months, cell->is.interval.days,
                    cell->is.interval.microseconds);
        break;
    default:
        json_string(out, cell->is.text);
    }
}

static void answer_columns(json_out *out, const applet_rows *rows) {
    json_raw(out, "{\"columns\":[");
    for (size_t place = 0; place < rows->columns.len; place++) {
        json_raw(out, place > 0 ? ",[" : "[");
        json_string(out, rows->columns.ptr[place].name);
        json_raw(out, ",");
        json_string(out, applet_string(applet_type_name(rows->columns.ptr[place].kind)));
        json_raw(out, "]");
    }
    json_raw(out, "],\"rows\":");
}

static void answer_counts(json_out *out, const applet_rows *rows) {
    json_format(out, ",\"count\":%" PRIu32 ",\"truncated\":%s,\"affected\":%" PRIu64 "}", rows->count,
                rows->truncated ? "true" : "false", rows->affected);
}

void answer_rows(json_out *out, const applet_rows *rows) {
    answer_columns(out, rows);
    json_raw(out, "[");
    applet_cells cells = applet_cells_of(rows);
    applet_cell cell;
    for (;;) {
        size_t row = cells.row, column = cells.column;
        if (!applet_next(&cells, &cell)) {
            break;
        }
        json_raw(out, column > 0 ? "," : row > 0 ? ",[" : "[");
        answer_cell(out, &cell);
        json_raw(out, column + 1 == rows->columns.len ? "]" : "");
    }
    json_raw(out, "]");
    answer_counts(out, rows);
}

void answer_json_rows(json_out *out, const applet_rows *rows) {
    answer_columns(out, rows);
    json_slice(out, (applet_text){rows->data.ptr, rows->data.len});
    answer_counts(out, rows);
}

void answer_error(json_out *out, const applet_error *error) {
    const applet_detail *detail = applet_detail_of(error);
    json_raw(out, "{\"error\":{\"kind\":");
    json_string(out, applet_string(applet_error_kind(error)));
    json_raw(out, ",\"code\":");
    json_string(out, detail->code);
    json_raw(out, ",\"message\":");
    json_string(out, detail->message);
    if (detail->span.is_some) {
        json_format(out, ",\"span\":[%" PRIu32 ",%" PRIu32 "]", detail->span.val.start, detail->span.val.end);
    } else {
        json_raw(out, ",\"span\":null");
    }
    json_raw(out, ",\"table\":");
    json_optional(out, &detail->table);
    json_raw(out, ",\"column\":");
    json_optional(out, &detail->column);
    json_raw(out, ",\"operation\":");
    json_optional(out, &detail->operation);
    json_raw(out, ",\"hint\":");
    json_optional(out, &detail->hint);
    if (detail->retry_after_ms.is_some) {
        json_format(out, ",\"retry_after_ms\":%" PRIu64 "}}", detail->retry_after_ms.val);
    } else {
        json_raw(out, ",\"retry_after_ms\":null}}");
    }
}

static void answer_permission(json_out *out, const applet_host_context_permission_t *permission) {
    json_raw(out, "{\"table\":");
    json_string(out, permission->table);
    json_raw(out, ",\"operations\":[");
    for (size_t place = 0; place < permission->operations.len; place++) {
        json_raw(out, place > 0 ? "," : "");
        json_string(out, permission->operations.ptr[place]);
    }
    json_format(out, "],\"soft_deletable\":%s}", permission->soft_deletable ? "true" : "false");
}

void answer_context(json_out *out, const applet_invocation *invocation) {
    json_raw(out, "{\"request_id\":");
    json_string(out, invocation->request_id);
    json_raw(out, ",\"tenant_id\":");
    json_string(out, invocation->tenant_id);
    json_raw(out, ",\"workspace_id\":");
    json_string(out, invocation->workspace_id);
    json_raw(out, ",\"user_id\":");
    json_optional(out, &invocation->user_id);
    json_raw(out, ",\"locale\":");
    json_string(out, invocation->locale);
    json_raw(out, ",\"applet_id\":");
    json_string(out, invocation->applet_id);
    json_raw(out, ",\"applet_version\":");
    json_string(out, invocation->applet_version);
    json_raw(out, ",\"permissions\":[");
    for (size_t place = 0; place < invocation->permissions.len; place++) {
        json_raw(out, place > 0 ? "," : "");
        answer_permission(out, &invocation->permissions.ptr[place]);
    }
    json_raw(out, "]}");
}
