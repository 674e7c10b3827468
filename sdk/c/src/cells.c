/* Reads packed cells; the format is in `wit/applet-host@0.1.0/types.wit`. */
#include "applet.h"

/* A length that no cell has. */
#define NULL_CELL UINT32_MAX

static const char *const TYPE_NAMES[] = {
    [APPLET_HOST_TYPES_COLUMN_TYPE_BOOLEAN] = "boolean",
    [APPLET_HOST_TYPES_COLUMN_TYPE_INT16] = "int16",
    [APPLET_HOST_TYPES_COLUMN_TYPE_INT32] = "int32",
    [APPLET_HOST_TYPES_COLUMN_TYPE_INT64] = "int64",
    [APPLET_HOST_TYPES_COLUMN_TYPE_FLOAT32] = "float32",
    [APPLET_HOST_TYPES_COLUMN_TYPE_FLOAT64] = "float64",
    [APPLET_HOST_TYPES_COLUMN_TYPE_NUMERIC] = "numeric",
    [APPLET_HOST_TYPES_COLUMN_TYPE_TEXT] = "text",
    [APPLET_HOST_TYPES_COLUMN_TYPE_BYTES] = "bytes",
    [APPLET_HOST_TYPES_COLUMN_TYPE_UUID] = "uuid",
    [APPLET_HOST_TYPES_COLUMN_TYPE_DATE] = "date",
    [APPLET_HOST_TYPES_COLUMN_TYPE_TIME] = "time",
    [APPLET_HOST_TYPES_COLUMN_TYPE_TIMESTAMP] = "timestamp",
    [APPLET_HOST_TYPES_COLUMN_TYPE_TIMESTAMPTZ] = "timestamptz",
    [APPLET_HOST_TYPES_COLUMN_TYPE_INTERVAL] = "interval",
    [APPLET_HOST_TYPES_COLUMN_TYPE_JSON] = "json",
    [APPLET_HOST_TYPES_COLUMN_TYPE_ARRAY] = "array",
};

const char *applet_type_name(applet_type type) {
    return type < sizeof TYPE_NAMES / sizeof *TYPE_NAMES ? TYPE_NAMES[type] : "unknown";
}

/* Copies a cell of exactly this many bytes; WebAssembly is little-endian, as cells are. */
static bool exactly(void *to, size_t size, const uint8_t *bytes, size_t length) {
    if (length != size) {
        return false;
    }
    memcpy(to, bytes, size);
    return true;
}

static bool read_int16(const uint8_t *bytes, size_t length, int64_t *integer) {
    int16_t number = 0;
    bool fits = exactly(&number, sizeof number, bytes, length);
    *integer = number;
    return fits;
}

static bool read_int32(const uint8_t *bytes, size_t length, int64_t *integer) {
    int32_t number = 0;
    bool fits = exactly(&number, sizeof number, bytes, length);
    *integer = number;
    return fits;
}

static bool read_boolean(const uint8_t *bytes, size_t length, bool *boolean) {
    uint8_t byte = 0;
    bool fits = exactly(&byte, sizeof byte, bytes, length);
    *boolean = byte != 0;
    return fits;
}

static bool read_interval(const uint8_t *bytes, size_t length, applet_interval *interval) {
    return length == 16 && exactly(&interval->months, 4, bytes, 4) && exactly(&interval->days, 4, bytes + 4, 4) &&
           exactly(&interval->microseconds, 8, bytes + 8, 8);
}

static bool read_cell(applet_cell *cell, const uint8_t *bytes, size_t length) {
    switch (cell->type) {
    case APPLET_HOST_TYPES_COLUMN_TYPE_BOOLEAN:
        return read_boolean(bytes, length, &cell->is.boolean);
    case APPLET_HOST_TYPES_COLUMN_TYPE_INT16:
        return read_int16(bytes, length, &cell->is.integer);
    case APPLET_HOST_TYPES_COLUMN_TYPE_INT32:
    case APPLET_HOST_TYPES_COLUMN_TYPE_DATE:
        return read_int32(bytes, length, &cell->is.integer);
    case APPLET_HOST_TYPES_COLUMN_TYPE_INT64:
    case APPLET_HOST_TYPES_COLUMN_TYPE_TIME:
    case APPLET_HOST_TYPES_COLUMN_TYPE_TIMESTAMP:
    case APPLET_HOST_TYPES_COLUMN_TYPE_TIMESTAMPTZ:
        return exactly(&cell->is.integer, 8, bytes, length);
    case APPLET_HOST_TYPES_COLUMN_TYPE_FLOAT32:
        return exactly(&cell->is.float32, 4, bytes, length);
    case APPLET_HOST_TYPES_COLUMN_TYPE_FLOAT64:
        return exactly(&cell->is.float64, 8, bytes, length);
    case APPLET_HOST_TYPES_COLUMN_TYPE_NUMERIC:
    case APPLET_HOST_TYPES_COLUMN_TYPE_TEXT:
    case APPLET_HOST_TYPES_COLUMN_TYPE_JSON:
    case APPLET_HOST_TYPES_COLUMN_TYPE_ARRAY:
        cell->is.text = (applet_text){(uint8_t *)bytes, length};
        return true;
    case APPLET_HOST_TYPES_COLUMN_TYPE_BYTES:
        cell->is.bytes = (bindings_list_u8_t){(uint8_t *)bytes, length};
        return true;
    case APPLET_HOST_TYPES_COLUMN_TYPE_UUID:
        return exactly(cell->is.uuid, sizeof cell->is.uuid, bytes, length);
    case APPLET_HOST_TYPES_COLUMN_TYPE_INTERVAL:
        return read_interval(bytes, length, &cell->is.interval);
    default:
        return false;
    }
}

bool applet_next(applet_cells *cells, applet_cell *cell) {
    const applet_rows *rows = cells->rows;
    if (cells->row >= rows->count || rows->columns.len == 0) {
        return false;
    }
    uint32_t length = 0;
    if (rows->data.len - cells->at < sizeof length) {
        return false;
    }
    memcpy(&length, rows->data.ptr + cells->at, sizeof length);
    size_t begin = cells->at + sizeof length;
    *cell = (applet_cell){.type = rows->columns.ptr[cells->column].kind, .is_null = length == NULL_CELL};
    if (!cell->is_null) {
        if (rows->data.len - begin < length || !read_cell(cell, rows->data.ptr + begin, length)) {
            return false;
        }
        begin += length;
    }
    cells->at = begin;
    if (++cells->column == rows->columns.len) {
        cells->column = 0;
        cells->row++;
    }
    return true;
}
