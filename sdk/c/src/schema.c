/* Schemas: making, comparing, and their bytes in a batch. */
#include "internal.h"

#define MAX_SCHEMA_DEPTH 64

ms_schema *ms_schema_of(ms_arena *arena, ms_schema_type type, bool optional) {
    ms_schema *schema = MS_NEW(arena, ms_schema);
    schema->type = type;
    schema->optional = optional;
    return schema;
}

ms_schema *ms_schema_logical(ms_arena *arena, const char *name, bool optional) {
    bool is_timestamp = strcmp(name, MS_TIMESTAMP_NAME) == 0;
    ms_schema *schema = ms_schema_of(arena, is_timestamp ? MS_SCHEMA_INT64 : MS_SCHEMA_INT32, optional);
    schema->name = ms_s(name);
    schema->has_version = true;
    schema->version = 1;
    return schema;
}

ms_schema *ms_schema_decimal(ms_arena *arena, int32_t scale, bool optional) {
    ms_schema *schema = ms_schema_logical(arena, MS_DECIMAL_NAME, optional);
    schema->type = MS_SCHEMA_BYTES;
    ms_parameter *parameter = MS_NEW(arena, ms_parameter);
    parameter->key = ms_s("scale");
    parameter->value = ms_format(arena, "%d", (int)scale);
    schema->parameters = parameter;
    schema->n_parameters = 1;
    return schema;
}

ms_schema *ms_schema_struct(ms_arena *arena, const char *name, const ms_field *fields, size_t n_fields) {
    ms_schema *schema = ms_schema_of(arena, MS_SCHEMA_STRUCT, false);
    ms_field *copy = MS_NEW_ARRAY(arena, ms_field, n_fields);
    if (n_fields != 0) {
        memcpy(copy, fields, n_fields * sizeof *copy);
    }
    schema->name = ms_s(name);
    schema->fields = copy;
    schema->n_fields = n_fields;
    return schema;
}

static bool has_parameters(const ms_schema *schema) { return schema->has_parameters || schema->n_parameters != 0; }

static bool both_equal(const ms_schema *a, const ms_schema *b) {
    return a == b || (a != NULL && b != NULL && ms_schema_equal(a, b));
}

bool ms_schema_equal(const ms_schema *a, const ms_schema *b) {
    if (a == b) {
        return true;
    }
    if (a == NULL || b == NULL || a->type != b->type || a->optional != b->optional || a->has_version != b->has_version ||
        (a->has_version && a->version != b->version) || !ms_eq(a->name, b->name) || !ms_eq(a->doc, b->doc) ||
        has_parameters(a) != has_parameters(b) || a->n_parameters != b->n_parameters || a->n_fields != b->n_fields ||
        (a->default_value == NULL) != (b->default_value == NULL) || !both_equal(a->key, b->key) || !both_equal(a->element, b->element)) {
        return false;
    }
    if (a->default_value != NULL && !ms_value_equal(a->default_value, b->default_value)) {
        return false;
    }
    for (size_t i = 0; i < a->n_parameters; i++) {
        if (!ms_eq(a->parameters[i].key, b->parameters[i].key) || !ms_eq(a->parameters[i].value, b->parameters[i].value)) {
            return false;
        }
    }
    for (size_t i = 0; i < a->n_fields; i++) {
        if (!ms_eq(a->fields[i].name, b->fields[i].name) || !ms_schema_equal(a->fields[i].schema, b->fields[i].schema)) {
            return false;
        }
    }
    return true;
}

ptrdiff_t ms_schema_field(const ms_schema *schema, ms_str name) {
    for (size_t i = 0; i < schema->n_fields; i++) {
        if (ms_eq(schema->fields[i].name, name)) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

bool ms_schema_is_instant(const ms_schema *schema) {
    return (schema->type == MS_SCHEMA_INT64 && ms_is(schema->name, MS_TIMESTAMP_NAME)) ||
           (schema->type == MS_SCHEMA_INT32 && (ms_is(schema->name, MS_DATE_NAME) || ms_is(schema->name, MS_TIME_NAME)));
}

bool ms_schema_is_decimal(const ms_schema *schema) { return schema->type == MS_SCHEMA_BYTES && ms_is(schema->name, MS_DECIMAL_NAME); }

ms_column_kind ms_schema_kind(const ms_schema *schema) {
    static const ms_column_kind kinds[] = { MS_COL_INT8, MS_COL_INT16, MS_COL_INT32, MS_COL_INT64, MS_COL_FLOAT32, MS_COL_FLOAT64,
                                            MS_COL_BOOLEAN, MS_COL_TEXT, MS_COL_BYTES, MS_COL_LIST, MS_COL_MAP, MS_COL_STRUCT };
    return ms_schema_is_decimal(schema) ? MS_COL_DECIMAL : ms_schema_is_instant(schema) ? MS_COL_INSTANT : kinds[schema->type];
}

/* ---- checking */

static ms_status refuse(ms_call *call, const char *what) { return ms_fail(call, MS_DATA, "put a schema into a batch: %s", what); }

static bool text_or_none(ms_str text) { return text.data == NULL || ms_is_utf8(text); }

static ms_status check(ms_call *call, const ms_schema *schema, unsigned depth) {
    if (schema == NULL) {
        return refuse(call, "a field has none");
    }
    if (MAX_SCHEMA_DEPTH < depth) {
        return refuse(call, "it is nested deeper than 64 levels");
    }
    if (schema->type < MS_SCHEMA_INT8 || MS_SCHEMA_STRUCT < schema->type) {
        return refuse(call, "it has no type");
    }
    if (!text_or_none(schema->name) || !text_or_none(schema->doc)) {
        return refuse(call, "its name or its doc is not UTF-8");
    }
    for (size_t i = 0; i < schema->n_parameters; i++) {
        const ms_parameter *parameter = &schema->parameters[i];
        if (parameter->key.data == NULL || parameter->value.data == NULL || !ms_is_utf8(parameter->key) || !ms_is_utf8(parameter->value)) {
            return refuse(call, "a parameter is missing or not UTF-8");
        }
    }
    if (schema->default_value != NULL && ms_value_check(call, schema->default_value) != MS_OK) {
        return MS_FAILED;
    }
    if ((schema->key != NULL && check(call, schema->key, depth + 1) != MS_OK) ||
        (schema->element != NULL && check(call, schema->element, depth + 1) != MS_OK)) {
        return MS_FAILED;
    }
    for (size_t i = 0; i < schema->n_fields; i++) {
        const ms_field *field = &schema->fields[i];
        if (field->name.len == 0 || !ms_is_utf8(field->name)) {
            return refuse(call, "the name of a field is empty or not UTF-8");
        }
        if (ms_schema_field(schema, field->name) != (ptrdiff_t)i) {
            return ms_fail(call, MS_DATA, "put a schema into a batch: it has the field '%.*s' twice", MS_ARG(field->name));
        }
        if (check(call, field->schema, depth + 1) != MS_OK) {
            return MS_FAILED;
        }
    }
    return MS_OK;
}

ms_status ms_schema_check(ms_call *call, const ms_schema *schema) {
    /* Records of a batch share few schemas, so that each is looked at once in a call, and once more when it gets into the batch. */
    for (int i = 0; i < 4; i++) {
        if (call->seen[i] == schema) {
            return MS_OK;
        }
    }
    if (check(call, schema, 1) != MS_OK) {
        return MS_FAILED;
    }
    call->seen[call->n_seen++ % 4] = schema;
    return MS_OK;
}

ms_status ms_schema_check_anew(ms_call *call, const ms_schema *schema) { return check(call, schema, 1); }

/* ---- bytes */

enum { OPTIONAL = 1, NAME = 2, VERSION = 4, DOC = 8, PARAMETERS = 16, DEFAULT = 32 };

static void put_text(ms_buf *buf, ms_str text) {
    ms_buf_u32(buf, (uint32_t)text.len);
    ms_buf_str(buf, text);
}

/* In a default a struct is the list of its slots. */
static ms_value without_structs(ms_arena *arena, const ms_value *value) {
    if (value->type == MS_STRUCT) {
        size_t count = value->as.record.schema->n_fields;
        ms_value *slots = MS_NEW_ARRAY(arena, ms_value, count);
        for (size_t i = 0; i < count; i++) {
            slots[i] = without_structs(arena, &value->as.record.fields[i]);
        }
        return ms_list(slots, count);
    }
    if (value->type == MS_LIST) {
        ms_value *items = MS_NEW_ARRAY(arena, ms_value, value->as.list.len);
        for (size_t i = 0; i < value->as.list.len; i++) {
            items[i] = without_structs(arena, &value->as.list.items[i]);
        }
        return ms_list(items, value->as.list.len);
    }
    if (value->type == MS_MAP) {
        ms_entry *entries = MS_NEW_ARRAY(arena, ms_entry, value->as.map.len);
        for (size_t i = 0; i < value->as.map.len; i++) {
            entries[i].key = without_structs(arena, &value->as.map.entries[i].key);
            entries[i].value = without_structs(arena, &value->as.map.entries[i].value);
        }
        return ms_map(entries, value->as.map.len);
    }
    return *value;
}

void ms_schema_encode(ms_buf *buf, const ms_schema *schema) {
    ms_buf_char(buf, (char)schema->type);
    ms_buf_char(buf, (char)((schema->optional ? OPTIONAL : 0) | (schema->name.data ? NAME : 0) | (schema->has_version ? VERSION : 0) |
                            (schema->doc.data ? DOC : 0) | (has_parameters(schema) ? PARAMETERS : 0) | (schema->default_value ? DEFAULT : 0)));
    if (schema->name.data != NULL) {
        put_text(buf, schema->name);
    }
    if (schema->has_version) {
        ms_buf_u32(buf, (uint32_t)schema->version);
    }
    if (schema->doc.data != NULL) {
        put_text(buf, schema->doc);
    }
    if (has_parameters(schema)) {
        ms_buf_u32(buf, (uint32_t)schema->n_parameters);
        for (size_t i = 0; i < schema->n_parameters; i++) {
            put_text(buf, schema->parameters[i].key);
            put_text(buf, schema->parameters[i].value);
        }
    }
    if (schema->default_value != NULL) {
        ms_value plain = without_structs(buf->arena, schema->default_value);
        ms_buf variant = ms_buf_in(buf->arena);
        ms_variant_encode(&variant, &plain, NULL, NULL);
        put_text(buf, ms_buf_done(&variant));
    }
    const ms_schema *inner[2] = { schema->key, schema->element };
    for (int i = schema->type == MS_SCHEMA_MAP ? 0 : 1; (schema->type == MS_SCHEMA_MAP || schema->type == MS_SCHEMA_ARRAY) && i < 2; i++) {
        ms_buf_char(buf, inner[i] != NULL);
        if (inner[i] != NULL) {
            ms_schema_encode(buf, inner[i]);
        }
    }
    if (schema->type == MS_SCHEMA_STRUCT) {
        ms_buf_u32(buf, (uint32_t)schema->n_fields);
        for (size_t i = 0; i < schema->n_fields; i++) {
            put_text(buf, schema->fields[i].name);
            ms_schema_encode(buf, schema->fields[i].schema);
        }
    }
}

typedef struct reader {
    ms_arena *arena;
    const char *at, *end;
    bool failed;
} reader;

static const char *take(reader *reader, size_t len) {
    if (reader->failed || (size_t)(reader->end - reader->at) < len) {
        reader->failed = true;
        return NULL;
    }
    const char *at = reader->at;
    reader->at += len;
    return at;
}

static uint32_t take_u32(reader *reader) {
    const char *at = take(reader, 4);
    return at == NULL ? 0 : ms_u32(at);
}

static uint8_t take_u8(reader *reader) {
    const char *at = take(reader, 1);
    return at == NULL ? 0 : (uint8_t)*at;
}

static ms_str take_text(reader *reader) {
    uint32_t len = take_u32(reader);
    const char *at = take(reader, len);
    return ms_sn(at == NULL ? "" : at, at == NULL ? 0 : len);
}

/* The slots of a struct in a default become a struct again. */
static ms_value with_structs(ms_arena *arena, const ms_schema *schema, ms_value value) {
    if (schema->type == MS_SCHEMA_STRUCT && value.type == MS_LIST && value.as.list.len == schema->n_fields) {
        ms_value *slots;
        ms_value structure = ms_struct(arena, schema, &slots);
        for (size_t i = 0; i < schema->n_fields; i++) {
            slots[i] = with_structs(arena, schema->fields[i].schema, value.as.list.items[i]);
        }
        return structure;
    }
    if (schema->type == MS_SCHEMA_ARRAY && schema->element != NULL && value.type == MS_LIST) {
        ms_value *items = MS_NEW_ARRAY(arena, ms_value, value.as.list.len);
        for (size_t i = 0; i < value.as.list.len; i++) {
            items[i] = with_structs(arena, schema->element, value.as.list.items[i]);
        }
        return ms_list(items, value.as.list.len);
    }
    if (schema->type == MS_SCHEMA_MAP && schema->element != NULL && value.type == MS_MAP) {
        ms_entry *entries = MS_NEW_ARRAY(arena, ms_entry, value.as.map.len);
        for (size_t i = 0; i < value.as.map.len; i++) {
            entries[i].key = value.as.map.entries[i].key;
            entries[i].value = with_structs(arena, schema->element, value.as.map.entries[i].value);
        }
        return ms_map(entries, value.as.map.len);
    }
    return value;
}

static const ms_schema *decode(reader *reader, unsigned depth) {
    uint8_t type = take_u8(reader), flags = take_u8(reader);
    if (reader->failed || MS_SCHEMA_STRUCT < type || MAX_SCHEMA_DEPTH < depth) {
        reader->failed = true;
        return NULL;
    }
    ms_schema *schema = ms_schema_of(reader->arena, (ms_schema_type)type, (flags & OPTIONAL) != 0);
    if (flags & NAME) {
        schema->name = take_text(reader);
    }
    if (flags & VERSION) {
        schema->has_version = true;
        schema->version = (int32_t)take_u32(reader);
    }
    if (flags & DOC) {
        schema->doc = take_text(reader);
    }
    if (flags & PARAMETERS) {
        uint32_t count = take_u32(reader);
        if ((size_t)(reader->end - reader->at) / 8 < count) {
            reader->failed = true;
            return NULL;
        }
        ms_parameter *parameters = MS_NEW_ARRAY(reader->arena, ms_parameter, count);
        for (uint32_t i = 0; i < count; i++) {
            parameters[i].key = take_text(reader);
            parameters[i].value = take_text(reader);
        }
        schema->parameters = parameters;
        schema->n_parameters = count;
        schema->has_parameters = true;
    }
    ms_value *default_value = NULL;
    if (flags & DEFAULT) {
        ms_str bytes = take_text(reader);
        ms_variant_reader variant = { reader->arena, (const uint8_t *)bytes.data, (const uint8_t *)bytes.data + bytes.len, NULL, NULL, false };
        default_value = MS_NEW(reader->arena, ms_value);
        *default_value = ms_variant_decode(&variant);
        reader->failed = reader->failed || variant.failed;
    }
    if (type == MS_SCHEMA_MAP && take_u8(reader) != 0) {
        schema->key = decode(reader, depth + 1);
    }
    if ((type == MS_SCHEMA_MAP || type == MS_SCHEMA_ARRAY) && take_u8(reader) != 0) {
        schema->element = decode(reader, depth + 1);
    }
    if (type == MS_SCHEMA_STRUCT) {
        uint32_t count = take_u32(reader);
        if ((size_t)(reader->end - reader->at) / 6 < count) {
            reader->failed = true;
            return NULL;
        }
        ms_field *fields = MS_NEW_ARRAY(reader->arena, ms_field, count);
        for (uint32_t i = 0; i < count && !reader->failed; i++) {
            fields[i].name = take_text(reader);
            fields[i].schema = decode(reader, depth + 1);
        }
        schema->fields = fields;
        schema->n_fields = count;
    }
    if (default_value != NULL && !reader->failed) {
        *default_value = with_structs(reader->arena, schema, *default_value);
        schema->default_value = default_value;
    }
    return reader->failed ? NULL : schema;
}

ms_status ms_schema_decode(ms_call *call, ms_bytes bytes, const ms_schema **schema) {
    reader reader = { call->arena, bytes.data, bytes.data + bytes.len, false };
    *schema = decode(&reader, 1);
    return *schema != NULL ? MS_OK : ms_fail(call, MS_FATAL, "read a schema of a batch: its bytes are damaged");
}
