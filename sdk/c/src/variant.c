/* Values as bytes that say themselves what they are: `batch.md`, Variants. */
#include "internal.h"

enum {
    TAG_NULL, TAG_FALSE, TAG_TRUE, TAG_INT8, TAG_INT16, TAG_INT32, TAG_INT64, TAG_FLOAT32, TAG_FLOAT64, TAG_TEXT, TAG_BYTES, TAG_DECIMAL,
    TAG_BIG_INTEGER, TAG_INSTANT, TAG_LIST, TAG_MAP, TAG_OBJECT, TAG_STRUCT
};

#define INLINE_NAME 0xffffu

static void tagged(ms_buf *buf, int tag, const void *data, size_t len) {
    ms_buf_char(buf, (char)tag);
    ms_buf_add(buf, data, len);
}

static bool has_text_keys(const ms_value *map) {
    for (size_t i = 0; i < map->as.map.len; i++) {
        if (map->as.map.entries[i].key.type != MS_STRING) {
            return false;
        }
    }
    return true;
}

/* Begins a container; its length is filled in when it ends. */
static size_t begin(ms_buf *buf, int tag) {
    ms_buf_char(buf, (char)tag);
    ms_buf_u32(buf, 0);
    return buf->len;
}

static void end(ms_buf *buf, size_t start) { ms_put_u32(buf->data + start - 4, (uint32_t)(buf->len - start)); }

void ms_variant_encode(ms_buf *buf, const ms_value *value, ms_place_of place_of, void *context) {
    switch (value->type) {
    case MS_NULL:
        ms_buf_char(buf, TAG_NULL);
        break;
    case MS_BOOLEAN:
        ms_buf_char(buf, value->as.boolean ? TAG_TRUE : TAG_FALSE);
        break;
    case MS_INT8:
        tagged(buf, TAG_INT8, &value->as.integer, 1);
        break;
    case MS_INT16:
        tagged(buf, TAG_INT16, &value->as.integer, 2);
        break;
    case MS_INT32:
        tagged(buf, TAG_INT32, &value->as.integer, 4);
        break;
    case MS_INT64:
        tagged(buf, TAG_INT64, &value->as.integer, 8);
        break;
    case MS_INSTANT:
        tagged(buf, TAG_INSTANT, &value->as.integer, 8);
        break;
    case MS_FLOAT32: {
        float number = (float)value->as.number;
        tagged(buf, TAG_FLOAT32, &number, 4);
        break;
    }
    case MS_FLOAT64:
        tagged(buf, TAG_FLOAT64, &value->as.number, 8);
        break;
    case MS_STRING:
    case MS_BYTES:
    case MS_BIG_INTEGER:
        ms_buf_char(buf, value->type == MS_STRING ? TAG_TEXT : value->type == MS_BYTES ? TAG_BYTES : TAG_BIG_INTEGER);
        ms_buf_u32(buf, (uint32_t)value->as.bytes.len);
        ms_buf_str(buf, value->as.bytes);
        break;
    case MS_DECIMAL:
        ms_buf_char(buf, TAG_DECIMAL);
        ms_buf_u32(buf, (uint32_t)value->as.bytes.len + 4);
        ms_buf_u32(buf, (uint32_t)value->scale);
        ms_buf_str(buf, value->as.bytes);
        break;
    case MS_LIST: {
        size_t start = begin(buf, TAG_LIST);
        ms_buf_u32(buf, (uint32_t)value->as.list.len);
        for (size_t i = 0; i < value->as.list.len; i++) {
            ms_variant_encode(buf, &value->as.list.items[i], place_of, context);
        }
        end(buf, start);
        break;
    }
    case MS_MAP: {
        bool is_object = has_text_keys(value);
        size_t start = begin(buf, is_object ? TAG_OBJECT : TAG_MAP);
        ms_buf_u32(buf, (uint32_t)value->as.map.len);
        for (size_t i = 0; i < value->as.map.len; i++) {
            const ms_entry *entry = &value->as.map.entries[i];
            if (is_object) {
                ms_buf_u16(buf, INLINE_NAME);
                ms_buf_u32(buf, (uint32_t)entry->key.as.text.len);
                ms_buf_str(buf, entry->key.as.text);
            } else {
                ms_variant_encode(buf, &entry->key, place_of, context);
            }
            ms_variant_encode(buf, &entry->value, place_of, context);
        }
        end(buf, start);
        break;
    }
    case MS_STRUCT: {
        size_t start = begin(buf, TAG_STRUCT);
        const ms_schema *schema = value->as.record.schema;
        ms_buf_u32(buf, (uint32_t)schema->n_fields);
        ms_buf_u16(buf, (uint16_t)place_of(context, schema));
        for (size_t i = 0; i < schema->n_fields; i++) {
            ms_variant_encode(buf, &value->as.record.fields[i], place_of, context);
        }
        end(buf, start);
        break;
    }
    }
}

/* ---- reading */

static const uint8_t *take(ms_variant_reader *reader, size_t len) {
    if (reader->failed || (size_t)(reader->end - reader->at) < len) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at += len;
    return at;
}

static uint32_t take_u32(ms_variant_reader *reader) {
    const uint8_t *at = take(reader, 4);
    return at == NULL ? 0 : ms_u32(at);
}

static uint16_t take_u16(ms_variant_reader *reader) {
    const uint8_t *at = take(reader, 2);
    return at == NULL ? 0 : ms_u16(at);
}

static ms_str take_text(ms_variant_reader *reader) {
    uint32_t len = take_u32(reader);
    const uint8_t *at = take(reader, len);
    return ms_sn(at == NULL ? (const void *)"" : at, at == NULL ? 0 : len);
}

/* How many values a container has, each of which takes at least `least` bytes. */
static uint32_t take_count(ms_variant_reader *reader, size_t least) {
    uint32_t count = take_u32(reader);
    if ((size_t)(reader->end - reader->at) / least < count) {
        reader->failed = true;
        return 0;
    }
    return count;
}

static ms_str take_name(ms_variant_reader *reader) {
    uint16_t place = take_u16(reader);
    if (place == INLINE_NAME) {
        return take_text(reader);
    }
    if (reader->names == NULL || reader->names->rows <= place) {
        reader->failed = true;
        return ms_s("");
    }
    return ms_column_text(reader->names, place);
}

ms_value ms_variant_decode(ms_variant_reader *reader) {
    const uint8_t *tag = take(reader, 1), *at;
    if (tag == NULL) {
        return ms_null();
    }
    switch (*tag) {
    case TAG_NULL:
        return ms_null();
    case TAG_FALSE:
    case TAG_TRUE:
        return ms_boolean(*tag == TAG_TRUE);
    case TAG_INT8:
        return (at = take(reader, 1)) == NULL ? ms_null() : ms_int8((int8_t)*at);
    case TAG_INT16:
        return (at = take(reader, 2)) == NULL ? ms_null() : ms_int16((int16_t)ms_u16(at));
    case TAG_INT32:
        return (at = take(reader, 4)) == NULL ? ms_null() : ms_int32((int32_t)ms_u32(at));
    case TAG_INT64:
        return (at = take(reader, 8)) == NULL ? ms_null() : ms_int64((int64_t)ms_u64(at));
    case TAG_INSTANT:
        return (at = take(reader, 8)) == NULL ? ms_null() : ms_instant((int64_t)ms_u64(at));
    case TAG_FLOAT32: {
        float number = 0;
        if ((at = take(reader, 4)) != NULL) {
            memcpy(&number, at, 4);
        }
        return ms_float32(number);
    }
    case TAG_FLOAT64: {
        double number = 0;
        if ((at = take(reader, 8)) != NULL) {
            memcpy(&number, at, 8);
        }
        return ms_float64(number);
    }
    case TAG_TEXT:
        return ms_string(take_text(reader));
    case TAG_BYTES:
        return ms_bytes_value(take_text(reader));
    case TAG_BIG_INTEGER: {
        ms_value value = ms_bytes_value(take_text(reader));
        value.type = MS_BIG_INTEGER;
        return value;
    }
    case TAG_DECIMAL: {
        ms_str bytes = take_text(reader);
        if (bytes.len < 5) {
            reader->failed = true;
            return ms_null();
        }
        return ms_decimal(ms_sn(bytes.data + 4, bytes.len - 4), (int32_t)ms_u32(bytes.data));
    }
    case TAG_LIST: {
        take_u32(reader);
        uint32_t count = take_count(reader, 1);
        ms_value *items = MS_NEW_ARRAY(reader->arena, ms_value, count);
        for (uint32_t i = 0; i < count && !reader->failed; i++) {
            items[i] = ms_variant_decode(reader);
        }
        return ms_list(items, count);
    }
    case TAG_MAP:
    case TAG_OBJECT: {
        take_u32(reader);
        uint32_t count = take_count(reader, 2);
        ms_entry *entries = MS_NEW_ARRAY(reader->arena, ms_entry, count);
        for (uint32_t i = 0; i < count && !reader->failed; i++) {
            entries[i].key = *tag == TAG_MAP ? ms_variant_decode(reader) : ms_string(take_name(reader));
            entries[i].value = ms_variant_decode(reader);
        }
        return ms_map(entries, count);
    }
    case TAG_STRUCT: {
        take_u32(reader);
        uint32_t count = take_u32(reader);
        uint16_t place = take_u16(reader);
        const ms_schema *schema = reader->batch == NULL || reader->failed ? NULL : ms_batch_schema_at(reader->batch, place);
        if (schema == NULL || schema->type != MS_SCHEMA_STRUCT || schema->n_fields != count) {
            reader->failed = true;
            return ms_null();
        }
        ms_value *fields;
        ms_value value = ms_struct(reader->arena, schema, &fields);
        for (uint32_t i = 0; i < count && !reader->failed; i++) {
            fields[i] = ms_variant_decode(reader);
        }
        return value;
    }
    default:
        reader->failed = true;
        return ms_null();
    }
}
