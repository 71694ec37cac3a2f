/* Values and schemas: Connect's data. */
#ifndef MILLSTREAM_VALUE_H
#define MILLSTREAM_VALUE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a value is. The numbers are the SDK's own. */
typedef enum ms_type {
    MS_NULL = 0,
    MS_BOOLEAN,
    MS_INT8,
    MS_INT16,
    MS_INT32,
    MS_INT64,
    MS_FLOAT32,
    MS_FLOAT64,
    MS_STRING,
    MS_BYTES,
    /* java.math.BigDecimal: `decimal` */
    MS_DECIMAL,
    /* java.math.BigInteger: `bytes`, big-endian two's complement, at least one byte */
    MS_BIG_INTEGER,
    /* java.util.Date: `integer` has milliseconds since 1970-01-01 UTC */
    MS_INSTANT,
    MS_LIST,
    MS_MAP,
    MS_STRUCT
} ms_type;

typedef struct ms_schema ms_schema;
typedef struct ms_value ms_value;
typedef struct ms_entry ms_entry;

/* A value. What it points at is not to be changed: a value that differs is a new one. */
struct ms_value {
    ms_type type;
    /* Decimals: digits behind the point. */
    int32_t scale;
    union {
        bool boolean;
        /* INT8 to INT64 and instants */
        int64_t integer;
        /* FLOAT32 and FLOAT64 */
        double number;
        ms_str text;
        /* BYTES, BIG_INTEGER, and the unscaled integer of a DECIMAL: big-endian two's complement */
        ms_bytes bytes;
        struct {
            const ms_value *items;
            size_t len;
        } list;
        struct {
            const ms_entry *entries;
            size_t len;
        } map;
        struct {
            const ms_schema *schema;
            /* One for each field of the schema. */
            const ms_value *fields;
        } record;
    } as;
};

struct ms_entry {
    ms_value key, value;
};

/* A value with its schema; NULL for schemaless data. */
typedef struct ms_datum {
    const ms_schema *schema;
    ms_value value;
} ms_datum;

static inline ms_value ms_value_of(ms_type type) {
    ms_value value;
    memset(&value, 0, sizeof value);
    value.type = type;
    return value;
}

static inline ms_value ms_null(void) { return ms_value_of(MS_NULL); }

static inline ms_value ms_boolean(bool boolean) {
    ms_value value = ms_value_of(MS_BOOLEAN);
    value.as.boolean = boolean;
    return value;
}

static inline ms_value ms_integer(ms_type type, int64_t integer) {
    ms_value value = ms_value_of(type);
    value.as.integer = integer;
    return value;
}

static inline ms_value ms_int8(int8_t integer) { return ms_integer(MS_INT8, integer); }
static inline ms_value ms_int16(int16_t integer) { return ms_integer(MS_INT16, integer); }
static inline ms_value ms_int32(int32_t integer) { return ms_integer(MS_INT32, integer); }
static inline ms_value ms_int64(int64_t integer) { return ms_integer(MS_INT64, integer); }
static inline ms_value ms_instant(int64_t ms) { return ms_integer(MS_INSTANT, ms); }

static inline ms_value ms_float32(float number) {
    ms_value value = ms_value_of(MS_FLOAT32);
    value.as.number = number;
    return value;
}

static inline ms_value ms_float64(double number) {
    ms_value value = ms_value_of(MS_FLOAT64);
    value.as.number = number;
    return value;
}

/* A text; null for the absent one. */
static inline ms_value ms_string(ms_str text) {
    ms_value value = ms_value_of(text.data ? MS_STRING : MS_NULL);
    value.as.text = text;
    return value;
}

static inline ms_value ms_text(const char *text) { return ms_string(ms_s(text)); }

/* Bytes; null for the absent ones. */
static inline ms_value ms_bytes_value(ms_bytes bytes) {
    ms_value value = ms_value_of(bytes.data ? MS_BYTES : MS_NULL);
    value.as.bytes = bytes;
    return value;
}

/* A decimal from its unscaled integer, big-endian two's complement. */
static inline ms_value ms_decimal(ms_bytes unscaled, int32_t scale) {
    ms_value value = ms_value_of(MS_DECIMAL);
    value.as.bytes = unscaled;
    value.scale = scale;
    return value;
}

/* A decimal from a whole number: ms_decimal_of(arena, 314, 2) is 3.14. */
ms_value ms_decimal_of(ms_arena *arena, int64_t unscaled, int32_t scale);

/* A list over an array, which stays where it is. */
static inline ms_value ms_list(const ms_value *items, size_t len) {
    ms_value value = ms_value_of(MS_LIST);
    value.as.list.items = items;
    value.as.list.len = len;
    return value;
}

/* A map over an array, which stays where it is. */
static inline ms_value ms_map(const ms_entry *entries, size_t len) {
    ms_value value = ms_value_of(MS_MAP);
    value.as.map.entries = entries;
    value.as.map.len = len;
    return value;
}

/* A map with one text key, copied into an arena: a source partition or offset as most are. */
ms_value ms_map1(ms_arena *arena, const char *key, ms_value item);
/* A struct of a schema with null in all fields; fill `fields[i]` through the pointer that is returned in `fields`. */
ms_value ms_struct(ms_arena *arena, const ms_schema *schema, ms_value **fields);

/* The value of a text key of a map or of a field of a struct; NULL if there is none. */
const ms_value *ms_get(const ms_value *container, const char *name);
/* A copy of a map or struct in which one key or field has another value; a map gets the key if it has none. */
ms_value ms_with(ms_arena *arena, const ms_value *container, const char *name, ms_value item);
/* A copy of a map without a key. */
ms_value ms_without(ms_arena *arena, const ms_value *map, const char *name);
/* A copy of all that a value points at. */
ms_value ms_value_copy(ms_arena *arena, const ms_value *value);

/* Equality as Java's equals sees it: floats by bits (NaN equals NaN), maps without regard to order. */
bool ms_value_equal(const ms_value *a, const ms_value *b);
/* As Java prints it: `{a=1, b=[x, y]}`, `Struct{a=1}`, `null`; dates in the worker's time zone. */
ms_str ms_value_text(ms_arena *arena, const ms_value *value);
/* The name of its Java class, for messages: `java.lang.String`. */
const char *ms_java_class(const ms_value *value);

/* Whole numbers of any width and instants; false for all else. */
static inline bool ms_as_integer(const ms_value *value, int64_t *integer) {
    if (value == NULL || !((MS_INT8 <= value->type && value->type <= MS_INT64) || value->type == MS_INSTANT)) {
        return false;
    }
    *integer = value->as.integer;
    return true;
}

/* ---- schemas */

typedef enum ms_schema_type {
    MS_SCHEMA_INT8 = 0,
    MS_SCHEMA_INT16,
    MS_SCHEMA_INT32,
    MS_SCHEMA_INT64,
    MS_SCHEMA_FLOAT32,
    MS_SCHEMA_FLOAT64,
    MS_SCHEMA_BOOLEAN,
    MS_SCHEMA_STRING,
    MS_SCHEMA_BYTES,
    MS_SCHEMA_ARRAY,
    MS_SCHEMA_MAP,
    MS_SCHEMA_STRUCT
} ms_schema_type;

typedef struct ms_field {
    ms_str name;
    const ms_schema *schema;
} ms_field;

typedef struct ms_parameter {
    ms_str key, value;
} ms_parameter;

/* A schema. Set the members that differ from zero; it may stand in static memory. */
struct ms_schema {
    ms_schema_type type;
    bool optional;
    bool has_version;
    int32_t version;
    /* Absent texts for none. */
    ms_str name, doc;
    const ms_parameter *parameters;
    size_t n_parameters;
    /* Whether there are parameters at all: an empty list is another schema than none. Taken for true if `n_parameters` is not 0. */
    bool has_parameters;
    const ms_value *default_value;
    /* MAP: schema of its keys; NULL for none. */
    const ms_schema *key;
    /* ARRAY and MAP: schema of the elements; NULL for none. */
    const ms_schema *element;
    /* STRUCT */
    const ms_field *fields;
    size_t n_fields;
};

#define MS_DECIMAL_NAME "org.apache.kafka.connect.data.Decimal"
#define MS_DATE_NAME "org.apache.kafka.connect.data.Date"
#define MS_TIME_NAME "org.apache.kafka.connect.data.Time"
#define MS_TIMESTAMP_NAME "org.apache.kafka.connect.data.Timestamp"

/* A schema of a type, in an arena; its members can be set afterwards. */
ms_schema *ms_schema_of(ms_arena *arena, ms_schema_type type, bool optional);
/* Connect's Decimal with so many digits behind the point. */
ms_schema *ms_schema_decimal(ms_arena *arena, int32_t scale, bool optional);
/* Connect's Date, Time or Timestamp, by its name. */
ms_schema *ms_schema_logical(ms_arena *arena, const char *name, bool optional);
/* A STRUCT; the fields are copied. */
ms_schema *ms_schema_struct(ms_arena *arena, const char *name, const ms_field *fields, size_t n_fields);
/* Same in all members. */
bool ms_schema_equal(const ms_schema *a, const ms_schema *b);
/* Place of a field, -1 if there is none. */
ptrdiff_t ms_schema_field(const ms_schema *schema, ms_str name);

/* ---- JSON */

/* A value as JSON text; the absent text and a failure for what JSON cannot hold (bytes, decimals, structs, NaN). */
ms_status ms_to_json(ms_call *call, const ms_value *value, ms_str *json);
/* A value from JSON text: whole numbers become INT64, others FLOAT64, objects maps. */
ms_status ms_from_json(ms_call *call, ms_str json, ms_value *value);
/* Appends a text as JSON, with its quotes. */
void ms_buf_json(ms_buf *buf, ms_str text);

#ifdef __cplusplus
}
#endif

#endif
