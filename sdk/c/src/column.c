/* Reading columns. */
#include "internal.h"

bool ms_bit(const uint8_t *bitmap, uint32_t row) { return (bitmap[row >> 3] >> (row & 7) & 1) != 0; }

bool ms_column_is_present(const ms_column *column, uint32_t row) {
    return column->presence == NULL || ms_bit(column->presence, ms_physical(column, row));
}

bool ms_column_is_null(const ms_column *column, uint32_t row) {
    uint32_t at = ms_physical(column, row);
    return column->kind == MS_COL_NULL || (column->validity != NULL && !ms_bit(column->validity, at)) ||
           (column->presence != NULL && !ms_bit(column->presence, at));
}

bool ms_column_boolean(const ms_column *column, uint32_t row) { return ms_bit(column->data, ms_physical(column, row)); }

int64_t ms_column_integer(const ms_column *column, uint32_t row) {
    size_t at = ms_physical(column, row);
    switch (column->kind) {
    case MS_COL_INT8:
        return (int8_t)column->data[at];
    case MS_COL_INT16:
        return (int16_t)ms_u16(column->data + 2 * at);
    case MS_COL_INT32:
        return (int32_t)ms_u32(column->data + 4 * at);
    case MS_COL_INT64:
    case MS_COL_INSTANT:
        return (int64_t)ms_u64(column->data + 8 * at);
    default:
        return 0;
    }
}

double ms_column_number(const ms_column *column, uint32_t row) {
    size_t at = ms_physical(column, row);
    if (column->kind == MS_COL_FLOAT32) {
        float number;
        memcpy(&number, column->data + 4 * at, 4);
        return number;
    }
    double number = 0;
    if (column->kind == MS_COL_FLOAT64) {
        memcpy(&number, column->data + 8 * at, 8);
    }
    return number;
}

/* The bytes of a row behind the offsets. */
static ms_str heap(const ms_column *column, uint32_t row) {
    size_t at = ms_physical(column, row), rows = ms_physical_rows(column);
    uint32_t first = ms_u32(column->data + 4 * at), end = ms_u32(column->data + 4 * at + 4);
    return ms_sn(column->data + 4 * (rows + 1) + first, end - first);
}

ms_str ms_column_text(const ms_column *column, uint32_t row) {
    if (ms_column_is_null(column, row)) {
        return ms_none();
    }
    if (column->kind == MS_COL_DICTIONARY) {
        return heap(column->children[0], ms_u32(column->data + 4 * (size_t)ms_physical(column, row)));
    }
    return column->kind == MS_COL_TEXT || column->kind == MS_COL_BYTES ? heap(column, row) : ms_none();
}

void ms_column_range(const ms_column *column, uint32_t row, uint32_t *first, uint32_t *end) {
    size_t at = ms_physical(column, row);
    *first = ms_u32(column->data + 4 * at);
    *end = ms_u32(column->data + 4 * at + 4);
}

ms_column *ms_column_child(const ms_column *column, ms_str name) {
    for (uint32_t i = 0; i < column->n_children; i++) {
        if (ms_eq(column->children[i]->name, name)) {
            return column->children[i];
        }
    }
    return NULL;
}

void ms_column_replace_child(ms_column *column, uint32_t place, ms_column *other) {
    const ms_column *old = column->children[place];
    other->name = old->name;
    if (other->presence == NULL && old->constant == other->constant) {
        other->presence = old->presence;
    }
    column->children[place] = other;
}

static ms_value list_value(ms_batch *batch, const ms_column *column, uint32_t row, const ms_schema *schema) {
    uint32_t first, end;
    ms_column_range(column, row, &first, &end);
    ms_value *items = MS_NEW_ARRAY(batch->arena, ms_value, end - first);
    const ms_schema *element = schema == NULL ? NULL : schema->element;
    for (uint32_t i = first; i < end; i++) {
        items[i - first] = ms_column_value(batch, column->children[0], i, element);
    }
    return ms_list(items, end - first);
}

static ms_value map_value(ms_batch *batch, const ms_column *column, uint32_t row, const ms_schema *schema) {
    uint32_t first, end;
    ms_column_range(column, row, &first, &end);
    ms_entry *entries = MS_NEW_ARRAY(batch->arena, ms_entry, end - first);
    for (uint32_t i = first; i < end; i++) {
        entries[i - first].key = ms_column_value(batch, column->children[0], i, schema == NULL ? NULL : schema->key);
        entries[i - first].value = ms_column_value(batch, column->children[1], i, schema == NULL ? NULL : schema->element);
    }
    return ms_map(entries, end - first);
}

static ms_value object_value(ms_batch *batch, const ms_column *column, uint32_t row) {
    uint32_t at = ms_physical(column, row);
    size_t count = 0;
    ms_entry *entries = MS_NEW_ARRAY(batch->arena, ms_entry, column->n_children);
    for (uint32_t i = 0; i < column->n_children; i++) {
        const ms_column *child = column->children[i];
        if (ms_column_is_present(child, at)) {
            entries[count].key = ms_string(child->name);
            entries[count++].value = ms_column_value(batch, child, at, NULL);
        }
    }
    return ms_map(entries, count);
}

ms_value ms_column_value(ms_batch *batch, const ms_column *column, uint32_t row, const ms_schema *schema) {
    if (ms_column_is_null(column, row)) {
        return ms_null();
    }
    switch (column->kind) {
    case MS_COL_BOOLEAN:
        return ms_boolean(ms_column_boolean(column, row));
    case MS_COL_INT8:
    case MS_COL_INT16:
    case MS_COL_INT32:
    case MS_COL_INT64:
        return ms_integer((ms_type)(MS_INT8 + (column->kind - MS_COL_INT8)), ms_column_integer(column, row));
    case MS_COL_INSTANT:
        return ms_instant(ms_column_integer(column, row));
    case MS_COL_FLOAT32:
        return ms_float32((float)ms_column_number(column, row));
    case MS_COL_FLOAT64:
        return ms_float64(ms_column_number(column, row));
    case MS_COL_TEXT:
    case MS_COL_DICTIONARY:
        return ms_string(ms_column_text(column, row));
    case MS_COL_BYTES:
        return ms_bytes_value(heap(column, row));
    case MS_COL_DECIMAL: {
        ms_str bytes = heap(column, row);
        return bytes.len < 5 ? ms_null() : ms_decimal(ms_sn(bytes.data + 4, bytes.len - 4), (int32_t)ms_u32(bytes.data));
    }
    case MS_COL_LIST:
        return list_value(batch, column, row, schema);
    case MS_COL_MAP:
        return map_value(batch, column, row, schema);
    case MS_COL_OBJECT:
        return object_value(batch, column, row);
    case MS_COL_STRUCT: {
        if (schema == NULL || schema->n_fields != column->n_children) {
            return ms_null();
        }
        ms_value *fields;
        ms_value value = ms_struct(batch->arena, schema, &fields);
        uint32_t at = ms_physical(column, row);
        for (uint32_t i = 0; i < column->n_children; i++) {
            fields[i] = ms_column_value(batch, column->children[i], at, schema->fields[i].schema);
        }
        return value;
    }
    case MS_COL_VARIANT: {
        ms_str bytes = heap(column, row);
        const uint8_t *start = (const uint8_t *)bytes.data;
        ms_variant_reader reader = { batch->arena, start, start + bytes.len, column->children[0], batch, false };
        return ms_variant_decode(&reader);
    }
    default:
        return ms_null();
    }
}

size_t ms_column_headers(ms_batch *batch, const ms_column *column, uint32_t row, const ms_header **headers) {
    *headers = NULL;
    if (column == NULL || ms_column_is_null(column, row)) {
        return 0;
    }
    ms_str bytes = heap(column, row);
    ms_buf found = ms_buf_in(batch->arena);
    while (10 <= bytes.len) {
        ms_header header;
        memset(&header, 0, sizeof header);
        uint32_t len = ms_u32(bytes.data);
        if (bytes.len - 10 < len) {
            break;
        }
        header.key = ms_sn(bytes.data + 4, len);
        uint16_t place = ms_u16(bytes.data + 4 + len);
        uint32_t value_len = ms_u32(bytes.data + 6 + len);
        const uint8_t *value = (const uint8_t *)bytes.data + 10 + len;
        if (bytes.len - 10 - len < value_len) {
            break;
        }
        header.schema = place == 0xffff ? NULL : ms_batch_schema_at(batch, place);
        ms_variant_reader reader = { batch->arena, value, value + value_len, NULL, batch, false };
        header.value = ms_variant_decode(&reader);
        ms_buf_add(&found, &header, sizeof header);
        bytes = ms_sn(value + value_len, bytes.len - 10 - len - value_len);
    }
    *headers = (const ms_header *)(void *)found.data;
    return found.len / sizeof(ms_header);
}
