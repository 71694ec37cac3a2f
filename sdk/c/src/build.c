/* Columns of values: of the kind that a schema calls for or that the values share, and of variants where there is none. */
#include "internal.h"

/* How deep columns nest before variants take over. */
#define MAX_NESTING 24

typedef struct builder {
    ms_call *call;
    ms_batch *batch;
    bool failed;
} builder;

static ms_column *build(builder *builder, const ms_schema *schema, const ms_value *values, uint32_t rows, unsigned depth);

static int32_t place_of(void *context, const ms_schema *schema) {
    builder *builder = context;
    int32_t place = 0;
    if (ms_batch_add_schema(builder->call, builder->batch, schema, &place) != MS_OK) {
        builder->failed = true;
    }
    return place;
}

static const uint8_t *validity_of(ms_arena *arena, const ms_value *values, uint32_t rows) {
    uint8_t *bits = NULL;
    for (uint32_t row = 0; row < rows; row++) {
        if (values[row].type == MS_NULL) {
            bits = bits == NULL ? ms_bits(arena, rows, true) : bits;
            ms_bit_set(bits, row, false);
        }
    }
    return bits;
}

static ms_column *variants(builder *builder, const ms_value *values, uint32_t rows) {
    ms_arena *arena = builder->batch->arena;
    ms_column *column = ms_column_new(arena, MS_COL_VARIANT, rows);
    column->validity = validity_of(arena, values, rows);
    ms_buf data = ms_buf_in(arena);
    ms_buf_add(&data, NULL, 4 * ((size_t)rows + 1));
    size_t start = data.len;
    for (uint32_t row = 0; row < rows; row++) {
        if (values[row].type != MS_NULL) {
            ms_variant_encode(&data, &values[row], place_of, builder);
        }
        ms_put_u32(data.data + 4 * ((size_t)row + 1), (uint32_t)(data.len - start));
    }
    column->data = (const uint8_t *)data.data;
    column->data_len = (uint32_t)data.len;
    column->children = MS_NEW(arena, ms_column *);
    column->children[0] = ms_column_texts(arena, MS_COL_TEXT, NULL, 0);
    column->n_children = 1;
    return column;
}

static ms_column *fixed(builder *builder, ms_column_kind kind, const ms_value *values, uint32_t rows) {
    ms_arena *arena = builder->batch->arena;
    ms_column *column = ms_column_new(arena, kind, rows);
    uint32_t width = ms_kind_width((uint8_t)kind);
    uint8_t *data = ms_alloc(arena, (size_t)width * rows);
    for (uint32_t row = 0; row < rows; row++) {
        const ms_value *value = &values[row];
        float narrow = value->type == MS_FLOAT32 ? (float)value->as.number : 0;
        if (value->type != MS_NULL) {
            const void *bytes = kind == MS_COL_FLOAT32   ? (const void *)&narrow
                                : kind == MS_COL_FLOAT64 ? (const void *)&value->as.number
                                                         : (const void *)&value->as.integer;
            memcpy(data + (size_t)width * row, bytes, width);
        }
    }
    column->data = data;
    column->data_len = width * rows;
    return column;
}

static ms_column *heap(builder *builder, ms_column_kind kind, const ms_value *values, uint32_t rows) {
    size_t bytes = 0;
    for (uint32_t row = 0; row < rows; row++) {
        bytes += values[row].type == MS_NULL ? 0 : values[row].as.bytes.len + 4;
    }
    ms_texts texts = ms_texts_begin(builder->batch->arena, kind, rows, bytes);
    for (uint32_t row = 0; row < rows; row++) {
        const ms_value *value = &values[row];
        if (value->type == MS_NULL) {
            ms_texts_room(&texts, 0);
        } else if (kind == MS_COL_DECIMAL) {
            char *place = ms_texts_room(&texts, value->as.bytes.len + 4);
            ms_put_u32(place, (uint32_t)value->scale);
            memcpy(place + 4, value->as.bytes.data, value->as.bytes.len);
        } else {
            ms_texts_add(&texts, value->as.bytes);
        }
    }
    return ms_texts_end(&texts);
}

static ms_column *booleans(builder *builder, const ms_value *values, uint32_t rows) {
    uint8_t *bits = ms_bits(builder->batch->arena, rows, false);
    for (uint32_t row = 0; row < rows; row++) {
        ms_bit_set(bits, row, values[row].type == MS_BOOLEAN && values[row].as.boolean);
    }
    return ms_column_booleans(builder->batch->arena, bits, NULL, rows);
}

/* Lists, and maps of any keys: one behind the other in the children. */
static ms_column *nested(builder *builder, const ms_schema *schema, const ms_value *values, uint32_t rows, bool is_map, unsigned depth) {
    ms_arena *arena = builder->batch->arena;
    ms_column *column = ms_column_new(arena, is_map ? MS_COL_MAP : MS_COL_LIST, rows);
    uint8_t *offsets = ms_alloc(arena, 4 * ((size_t)rows + 1));
    size_t total = 0;
    for (uint32_t row = 0; row < rows; row++) {
        total += values[row].type == MS_NULL ? 0 : is_map ? values[row].as.map.len : values[row].as.list.len;
        ms_put_u32(offsets + 4 * ((size_t)row + 1), (uint32_t)total);
    }
    ms_value *inner = ms_alloc_dirty(arena, sizeof(ms_value) * total), *keys = is_map ? ms_alloc_dirty(arena, sizeof(ms_value) * total) : NULL;
    size_t at = 0;
    for (uint32_t row = 0; row < rows; row++) {
        const ms_value *value = &values[row];
        if (value->type == MS_NULL) {
            continue;
        }
        if (!is_map) {
            if (value->as.list.len != 0) {
                memcpy(inner + at, value->as.list.items, value->as.list.len * sizeof *inner);
            }
            at += value->as.list.len;
        }
        for (size_t i = 0; is_map && i < value->as.map.len; i++, at++) {
            keys[at] = value->as.map.entries[i].key;
            inner[at] = value->as.map.entries[i].value;
        }
    }
    column->data = offsets;
    column->data_len = 4 * (rows + 1);
    column->n_children = is_map ? 2 : 1;
    column->children = MS_NEW_ARRAY(arena, ms_column *, 2);
    if (is_map) {
        column->children[0] = build(builder, schema == NULL ? NULL : schema->key, keys, (uint32_t)total, depth + 1);
    }
    column->children[is_map ? 1 : 0] = build(builder, schema == NULL ? NULL : schema->element, inner, (uint32_t)total, depth + 1);
    return column;
}

static ms_column *structs(builder *builder, const ms_schema *schema, const ms_value *values, uint32_t rows, unsigned depth) {
    ms_arena *arena = builder->batch->arena;
    ms_column *column = ms_column_new(arena, MS_COL_STRUCT, rows);
    column->children = MS_NEW_ARRAY(arena, ms_column *, schema->n_fields);
    column->n_children = (uint32_t)schema->n_fields;
    for (size_t field = 0; field < schema->n_fields; field++) {
        ms_value *slots = ms_alloc_dirty(arena, sizeof(ms_value) * (size_t)rows);
        for (uint32_t row = 0; row < rows; row++) {
            slots[row] = values[row].type == MS_NULL ? ms_null() : values[row].as.record.fields[field];
        }
        column->children[field] = build(builder, schema->fields[field].schema, slots, rows, depth + 1);
        column->children[field]->name = schema->fields[field].name;
    }
    return column;
}

/* A member of an object, while its rows are gathered. */
typedef struct member {
    ms_str name;
    ms_value *values;
    uint8_t *presence;
    uint32_t count;
} member;

/* Maps with text keys: a column for each key. NULL if they have too little in common. */
static ms_column *objects(builder *builder, const ms_value *values, uint32_t rows, unsigned depth) {
    ms_arena *arena = builder->batch->arena;
    size_t entries = 0, n_members = 0, room = 8;
    member *members = MS_NEW_ARRAY(arena, member, room);
    for (uint32_t row = 0; row < rows; row++) {
        entries += values[row].type == MS_NULL ? 0 : values[row].as.map.len;
    }
    size_t most = entries * 4 / (rows == 0 ? 1 : rows) + 16;
    for (uint32_t row = 0; row < rows; row++) {
        if (values[row].type == MS_NULL) {
            continue;
        }
        for (size_t i = 0; i < values[row].as.map.len; i++) {
            const ms_entry *entry = &values[row].as.map.entries[i];
            /* Maps of one shape have the same key at the same place. */
            size_t at = i < n_members && ms_eq(members[i].name, entry->key.as.text) ? i : 0;
            while (at < n_members && !ms_eq(members[at].name, entry->key.as.text)) {
                at++;
            }
            if (at == n_members) {
                if (most <= n_members || 4096 <= n_members) {
                    return NULL;
                }
                if (n_members == room) {
                    member *more = MS_NEW_ARRAY(arena, member, room * 2);
                    memcpy(more, members, room * sizeof *more);
                    members = more;
                    room *= 2;
                }
                members[at].name = entry->key.as.text;
                members[at].values = MS_NEW_ARRAY(arena, ms_value, rows);
                members[at].presence = ms_bits(arena, rows, false);
                n_members++;
            }
            members[at].values[row] = entry->value;
            ms_bit_set(members[at].presence, row, true);
            members[at].count++;
        }
    }
    ms_column *column = ms_column_new(arena, MS_COL_OBJECT, rows);
    column->children = MS_NEW_ARRAY(arena, ms_column *, n_members);
    column->n_children = (uint32_t)n_members;
    for (size_t i = 0; i < n_members; i++) {
        ms_column *child = build(builder, NULL, members[i].values, rows, depth + 1);
        child->name = members[i].name;
        child->presence = members[i].count == rows ? NULL : members[i].presence;
        column->children[i] = child;
    }
    return column;
}

/* The kind that every value has which is not null; MS_COL_VARIANT if they differ. */
static ms_column_kind shared_kind(const ms_schema *schema, const ms_value *values, uint32_t rows) {
    static const ms_column_kind kinds[] = {
        MS_COL_NULL, MS_COL_BOOLEAN, MS_COL_INT8, MS_COL_INT16, MS_COL_INT32, MS_COL_INT64, MS_COL_FLOAT32, MS_COL_FLOAT64,
        MS_COL_TEXT, MS_COL_BYTES, MS_COL_DECIMAL, MS_COL_VARIANT, MS_COL_INSTANT, MS_COL_LIST, MS_COL_OBJECT, MS_COL_STRUCT,
    };
    ms_column_kind shared = MS_COL_NULL;
    for (uint32_t row = 0; row < rows; row++) {
        const ms_value *value = &values[row];
        ms_column_kind kind = kinds[value->type];
        if (kind == MS_COL_NULL) {
            continue;
        }
        if (kind == MS_COL_OBJECT && schema != NULL) {
            kind = MS_COL_MAP;
        }
        for (size_t i = 0; kind == MS_COL_OBJECT && i < value->as.map.len; i++) {
            if (value->as.map.entries[i].key.type != MS_STRING) {
                return MS_COL_VARIANT;
            }
        }
        if (kind == MS_COL_STRUCT && !ms_schema_equal(value->as.record.schema, schema)) {
            return MS_COL_VARIANT;
        }
        if (shared != MS_COL_NULL && shared != kind) {
            return MS_COL_VARIANT;
        }
        shared = kind;
    }
    return shared != MS_COL_NULL && schema != NULL && shared != ms_schema_kind(schema) ? MS_COL_VARIANT : shared;
}

static ms_column *build(builder *builder, const ms_schema *schema, const ms_value *values, uint32_t rows, unsigned depth) {
    ms_column_kind kind = shared_kind(schema, values, rows);
    ms_column *column = NULL;
    bool is_nested = kind == MS_COL_LIST || kind == MS_COL_MAP || kind == MS_COL_STRUCT || kind == MS_COL_OBJECT;
    if (is_nested && MAX_NESTING <= depth) {
        kind = MS_COL_VARIANT;
    }
    switch (kind) {
    case MS_COL_NULL:
        return ms_column_nulls(builder->batch->arena, rows);
    case MS_COL_BOOLEAN:
        column = booleans(builder, values, rows);
        break;
    case MS_COL_TEXT:
    case MS_COL_BYTES:
    case MS_COL_DECIMAL:
        column = heap(builder, kind, values, rows);
        break;
    case MS_COL_LIST:
    case MS_COL_MAP:
        column = nested(builder, schema, values, rows, kind == MS_COL_MAP, depth);
        break;
    case MS_COL_STRUCT:
        column = structs(builder, schema, values, rows, depth);
        break;
    case MS_COL_OBJECT:
        column = objects(builder, values, rows, depth);
        break;
    case MS_COL_VARIANT:
        break;
    default:
        column = fixed(builder, kind, values, rows);
        break;
    }
    if (column == NULL) {
        return variants(builder, values, rows);
    }
    column->validity = validity_of(builder->batch->arena, values, rows);
    return column;
}

ms_status ms_column_build(ms_call *call, ms_batch *batch, const ms_schema *schema, const ms_value *values, uint32_t rows, ms_column **column) {
    builder builder = { call, batch, false };
    *column = build(&builder, schema, values, rows, 0);
    return builder.failed ? MS_FAILED : MS_OK;
}

ms_status ms_column_of_values(ms_call *call, ms_batch *batch, const ms_schema *schema, const ms_value *values, uint32_t rows, ms_column **column) {
    for (uint32_t row = 0; row < rows; row++) {
        if (ms_value_check(call, &values[row]) != MS_OK) {
            return MS_FAILED;
        }
    }
    return ms_column_build(call, batch, schema, values, rows, column);
}

ms_status ms_column_of_headers(ms_call *call, ms_batch *batch, const ms_header *const *headers, const size_t *counts, uint32_t rows,
                               ms_column **column) {
    builder builder = { call, batch, false };
    ms_buf data = ms_buf_in(batch->arena);
    ms_buf_add(&data, NULL, 4 * ((size_t)rows + 1));
    size_t start = data.len;
    for (uint32_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < counts[row]; i++) {
            const ms_header *header = &headers[row][i];
            ms_buf_u32(&data, (uint32_t)header->key.len);
            ms_buf_str(&data, header->key);
            ms_buf_u16(&data, header->schema == NULL ? 0xffff : (uint16_t)place_of(&builder, header->schema));
            size_t length_at = data.len;
            ms_buf_u32(&data, 0);
            ms_variant_encode(&data, &header->value, place_of, &builder);
            ms_put_u32(data.data + length_at, (uint32_t)(data.len - length_at - 4));
        }
        ms_put_u32(data.data + 4 * ((size_t)row + 1), (uint32_t)(data.len - start));
    }
    ms_column *made = ms_column_new(batch->arena, MS_COL_HEADERS, rows);
    made->data = (const uint8_t *)data.data;
    made->data_len = (uint32_t)data.len;
    *column = made;
    return builder.failed ? MS_FAILED : MS_OK;
}
