/* What the parts of the SDK know of each other beside the public headers. */
#ifndef MS_INTERNAL_H
#define MS_INTERNAL_H

#include "../include/millstream.h"

/* ---- arena.c, text.c, number.c */

/* Memory that is not zeroed. */
void *ms_alloc_dirty(ms_arena *arena, size_t size);
/* Copies a buffer that may be large. */
void ms_copy(void *to, const void *from, size_t len);
/* Makes the last allocation larger where it stands, if there is room. */
bool ms_alloc_grow(ms_arena *arena, void *memory, size_t old_size, size_t new_size);
void ms_buf_vformat(ms_buf *buf, const char *format, va_list arguments);
void ms_buf_utf8(ms_buf *buf, uint32_t code);
/* Writes at most 32 bytes, and returns how many. */
size_t ms_double_text(double number, char *text);
size_t ms_float_text(float number, char *text);
ms_str ms_big_integer_text(ms_arena *arena, ms_bytes bytes);
ms_str ms_decimal_text(ms_arena *arena, ms_bytes unscaled, int32_t scale);

/* ---- error.c */

/* Takes over a failure that was made elsewhere. */
ms_status ms_fail_with(ms_call *call, const ms_error *error);
/* The failure as it crosses the contract; one that was not said gets words. */
const ms_error *ms_failure(ms_call *call, const char *during);
/* The message with its causes behind it, as in a trace: rows have no list of causes. */
ms_str ms_row_message(ms_arena *arena, const ms_error *error);

/* ---- value.c, variant.c, schema.c */

#define MS_MAX_DEPTH 1000
#define MS_INSTANT_SCHEMA(schema) ms_schema_is_instant(schema)
bool ms_schema_is_instant(const ms_schema *schema);
bool ms_schema_is_decimal(const ms_schema *schema);
/* The column kind that a schema calls for. */
ms_column_kind ms_schema_kind(const ms_schema *schema);
/* Whether a batch can carry the value: depth, UTF-8, bytes of numbers, names given once. */
ms_status ms_value_check(ms_call *call, const ms_value *value);
/* The same of a schema, which is looked at once in a call; and whether it was or not. */
ms_status ms_schema_check(ms_call *call, const ms_schema *schema);
ms_status ms_schema_check_anew(ms_call *call, const ms_schema *schema);
void ms_schema_encode(ms_buf *buf, const ms_schema *schema);
ms_status ms_schema_decode(ms_call *call, ms_bytes bytes, const ms_schema **schema);

/* Reads little-endian numbers wherever they stand. */
static inline uint16_t ms_u16(const void *at) {
    uint16_t n;
    memcpy(&n, at, 2);
    return n;
}
static inline uint32_t ms_u32(const void *at) {
    uint32_t n;
    memcpy(&n, at, 4);
    return n;
}
static inline uint64_t ms_u64(const void *at) {
    uint64_t n;
    memcpy(&n, at, 8);
    return n;
}
static inline void ms_put_u16(void *at, uint16_t n) { memcpy(at, &n, 2); }
static inline void ms_put_u32(void *at, uint32_t n) { memcpy(at, &n, 4); }
static inline void ms_put_u64(void *at, uint64_t n) { memcpy(at, &n, 8); }
static inline void ms_buf_u16(ms_buf *buf, uint16_t n) { ms_buf_add(buf, &n, 2); }
static inline void ms_buf_u32(ms_buf *buf, uint32_t n) { ms_buf_add(buf, &n, 4); }
static inline void ms_buf_u64(ms_buf *buf, uint64_t n) { ms_buf_add(buf, &n, 8); }

/* Finds out, for the encoding of variants, the place of a schema. */
typedef int32_t (*ms_place_of)(void *context, const ms_schema *schema);
/* Appends a value with all names inline. The value was checked. */
void ms_variant_encode(ms_buf *buf, const ms_value *value, ms_place_of place_of, void *context);

/* Reads variants: names of the dictionary, and schemas by their places. */
typedef struct ms_variant_reader {
    ms_arena *arena;
    const uint8_t *at, *end;
    const ms_column *names;
    struct ms_batch *batch;
    bool failed;
} ms_variant_reader;

ms_value ms_variant_decode(ms_variant_reader *reader);

/* ---- zone.c */

/* How far clocks of the worker's time zone are ahead of UTC at an instant, in seconds; appends what Java calls that time. */
int32_t ms_zone_at(int64_t second, ms_buf *name);
/* Takes a zone by its description; false if that is none. The arena has to stay. For tests, beside ms_zone_at itself. */
bool ms_zone_describe(ms_arena *arena, ms_str text);
/* NULL is UTC. */
void ms_zone_set(const void *made);

/* ---- batch.c */

typedef struct ms_schema_entry {
    uint32_t number;
    ms_bytes bytes;
    /* Once it was asked for. */
    const ms_schema *schema;
} ms_schema_entry;

struct ms_batch {
    ms_arena *arena;
    uint32_t rows;
    /* Top-level columns but tags and blocks, in their order. */
    ms_column **envelope;
    uint32_t n_envelope, envelope_room;
    /* The columns of the usual roles, for speed. */
    ms_column *by_role[MS_ROLE_VALUE_BLOCK + 1];
    ms_column *tags[2];
    ms_side_data sides[2];
    bool has_places[2];
    ms_schema_entry *schemas;
    uint32_t n_schemas, schemas_room;
    /* The schema that was asked for last, and its place. */
    const ms_schema *last_schema;
    int32_t last_place;
};

/* The schema at a place of the table. */
const ms_schema *ms_batch_schema_at(ms_batch *batch, int32_t place);
/* Appends a column to the envelope, whatever its role. */
void ms_batch_keep(ms_batch *batch, ms_column *column);
/* Replaces a side by rows with a schema each. */
ms_status ms_batch_build_side(ms_call *call, ms_batch *batch, ms_side side, const ms_datum *data);
/* Takes rows out of the selection. */
void ms_batch_deselect(ms_batch *batch, uint32_t row);
/* A column of values that were checked. */
ms_status ms_column_build(ms_call *call, ms_batch *batch, const ms_schema *schema, const ms_value *values, uint32_t rows, ms_column **column);
/* A column of headers from those of rows. */
ms_status ms_column_of_headers(ms_call *call, ms_batch *batch, const ms_header *const *headers, const size_t *counts, uint32_t rows,
                               ms_column **column);
size_t ms_column_headers(ms_batch *batch, const ms_column *column, uint32_t row, const ms_header **headers);
ms_column *ms_column_new(ms_arena *arena, ms_column_kind kind, uint32_t rows);
/* Topics: constant, or a dictionary. */
ms_column *ms_column_topics(ms_arena *arena, const ms_str *topics, uint32_t rows);
/* Bytes per row of fixed-width kinds, else 0. */
static inline uint32_t ms_kind_width(uint8_t kind) {
    static const uint8_t widths[] = { 0, 0, 1, 2, 4, 8, 4, 8, 0, 0, 0, 8, 0, 0, 0, 0, 0, 4, 0 };
    return kind < sizeof widths ? widths[kind] : 0;
}
static inline uint32_t ms_physical(const ms_column *column, uint32_t row) { return column->constant ? 0 : row; }
static inline uint32_t ms_physical_rows(const ms_column *column) { return column->constant ? 1 : column->rows; }

/* ---- record.c, records.c */

/* Parts of records that become columns. */
enum {
    MS_PART_TOPIC = 1,
    MS_PART_PARTITION = 2,
    MS_PART_TIMESTAMP = 4,
    MS_PART_HEADERS = 8,
    MS_PART_KEY = 16,
    MS_PART_VALUE = 32,
    MS_PART_SOURCE = 64,
    MS_PART_ALL = 127
};

/* Makes these parts of a batch from records, one for each row. */
ms_status ms_set_envelope(ms_call *call, ms_batch *batch, const ms_record *records, unsigned parts);
ms_record *ms_collector_records(ms_collector *collector, uint32_t *count);
void ms_collector_clear(ms_collector *collector);
/* Whether a batch can carry these parts of the record. */
ms_status ms_record_check(ms_call *call, const ms_record *record, unsigned parts);
ms_records *ms_records_new(ms_call *call, ms_batch *batch);
void ms_records_fail(ms_records *records, uint32_t row, const ms_error *error);
/* Replaces each active row by the records that the call's transform makes of it. */
ms_status ms_records_replace(ms_records *records);

/* ---- config.c */

/* Parses settings with the plugin's table; fails with the words of Kafka Connect. */
ms_status ms_config_parse(ms_call *call, const ms_plugin *plugin, const ms_setting *settings, size_t count, ms_config **config);
/* What the plugin's own checks say: called with key and text. */
void ms_config_run_checks(ms_call *call, const ms_plugin *plugin, const ms_setting *settings, size_t count, ms_problems *problems);
/* Appends the rule in the description's form. */
void ms_rule_describe(ms_buf *buf, const ms_rule *rule);
/* The refusal of a value; absent for none. `whole` if it is the message as a whole; `item` is shown in place of the value. */
ms_str ms_rule_check(ms_arena *arena, const ms_rule *rule, const ms_key *key, const ms_config_value *value, bool *whole, ms_str *item);
ms_config *ms_config_of(ms_arena *memory, const ms_setting *settings, size_t count);
const char *ms_key_type_name(ms_key_type type);
void ms_buf_json_list(ms_buf *buf, const char *const *texts);
/* As Java prints the value in messages. */
ms_str ms_config_value_text(ms_arena *arena, const ms_config_value *value);

/* ---- describe.c */

/* The JSON document about the component. */
ms_str ms_describe(ms_arena *arena, const ms_plugin *const *plugins);

#endif
