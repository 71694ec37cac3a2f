/* Batches as columns: the fast way. `batch.md` beside the contract specifies the format. */
#ifndef MILLSTREAM_BATCH_H
#define MILLSTREAM_BATCH_H

#include "value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a column holds; the numbers are those of the format. */
typedef enum ms_column_kind {
    MS_COL_NULL = 0,
    MS_COL_BOOLEAN = 1,
    MS_COL_INT8 = 2,
    MS_COL_INT16 = 3,
    MS_COL_INT32 = 4,
    MS_COL_INT64 = 5,
    MS_COL_FLOAT32 = 6,
    MS_COL_FLOAT64 = 7,
    MS_COL_TEXT = 8,
    MS_COL_BYTES = 9,
    MS_COL_DECIMAL = 10,
    MS_COL_INSTANT = 11,
    MS_COL_LIST = 12,
    MS_COL_MAP = 13,
    MS_COL_STRUCT = 14,
    MS_COL_OBJECT = 15,
    MS_COL_VARIANT = 16,
    MS_COL_DICTIONARY = 17,
    MS_COL_HEADERS = 18
} ms_column_kind;

/* What a top-level column is for; the numbers are those of the format. */
typedef enum ms_role {
    MS_ROLE_TOPIC = 1,
    MS_ROLE_PARTITION = 2,
    MS_ROLE_TIMESTAMP = 3,
    MS_ROLE_TIMESTAMP_TYPE = 4,
    MS_ROLE_HEADERS = 5,
    MS_ROLE_SOURCE_PARTITION = 6,
    MS_ROLE_SOURCE_OFFSET = 7,
    MS_ROLE_OFFSET = 8,
    MS_ROLE_ORIGINAL_TOPIC = 9,
    MS_ROLE_ORIGINAL_PARTITION = 10,
    MS_ROLE_ORIGINAL_OFFSET = 11,
    MS_ROLE_ORIGIN = 12,
    MS_ROLE_CHILD = 13,
    MS_ROLE_SELECTION = 14,
    MS_ROLE_KEY_TAGS = 15,
    MS_ROLE_VALUE_TAGS = 16,
    MS_ROLE_KEY_BLOCK = 17,
    MS_ROLE_VALUE_BLOCK = 18
} ms_role;

/* A column. Buffers have no alignment: read and write them through the functions below or memcpy. They belong to the batch
 * or an arena and are not to be changed once the column is in a batch. */
typedef struct ms_column {
    uint8_t kind;
    /* One physical row stands for all `rows`; its children have one row then. */
    bool constant;
    uint8_t role;
    uint32_t rows;
    /* Members of objects and fields of structs; absent for none. */
    ms_str name;
    /* Bitmaps, least significant bit first; NULL if every bit is set. */
    const uint8_t *validity, *presence;
    const uint8_t *data;
    uint32_t data_len;
    /* Blocks: place of the schema in the batch's table, -1 for schemaless data. */
    int32_t schema;
    struct ms_column **children;
    uint32_t n_children;
} ms_column;

/* The keys or the values of a batch: one block of rows for each schema. */
typedef struct ms_side_data {
    ms_column **blocks;
    uint32_t n_blocks;
    /* Per row: its block, 255 for none, and its row there. */
    const uint8_t *block_of;
    const uint32_t *row_of;
} ms_side_data;

typedef enum ms_side { MS_KEY = 0, MS_VALUE = 1 } ms_side;

/* A batch opened. */
typedef struct ms_batch ms_batch;

/* Opens the bytes of a batch that the host has checked; the bytes have to stay where they are. Fails for what is no batch. */
ms_status ms_batch_open(ms_call *call, ms_bytes bytes, ms_batch **batch);
/* A batch of so many rows, without any column. */
ms_batch *ms_batch_new(ms_arena *arena, uint32_t rows);
/* The batch's bytes, made with malloc. */
ms_bytes ms_batch_write(ms_batch *batch);

uint32_t ms_batch_rows(const ms_batch *batch);
/* Where the batch allocates; new columns for it belong here. */
ms_arena *ms_batch_arena(const ms_batch *batch);
/* The column in a role; NULL if there is none. */
ms_column *ms_batch_get(const ms_batch *batch, ms_role role);
/* Sets or, with NULL, removes the column in a role (not those of keys and values). */
void ms_batch_set(ms_batch *batch, ms_role role, ms_column *column);
/* Keys or values. To change a column in a block, put another into `blocks[i]` or change `children`; rows and order stay. */
ms_side_data *ms_batch_side(ms_batch *batch, ms_side side);
/* Replaces a side by one block of as many rows as the batch has. The schema is put into the table. */
ms_status ms_batch_set_side(ms_call *call, ms_batch *batch, ms_side side, const ms_schema *schema, ms_column *column);
/* The schema of a block; NULL for schemaless data. */
const ms_schema *ms_batch_schema(ms_batch *batch, const ms_column *block);
/* Place of a schema in the table, which gets it if it is not there; fails if the table is full. */
ms_status ms_batch_add_schema(ms_call *call, ms_batch *batch, const ms_schema *schema, int32_t *place);
/* Whether a row is still under way. */
bool ms_batch_is_selected(const ms_batch *batch, uint32_t row);
/* The topic of a row; absent for none. */
ms_str ms_batch_topic(const ms_batch *batch, uint32_t row);
/* A number of the envelope; false if it is not set. */
bool ms_batch_integer(const ms_batch *batch, ms_role role, uint32_t row, int64_t *integer);
/* Key or value of a row. Texts and bytes point into the batch. */
ms_datum ms_batch_datum(ms_batch *batch, ms_side side, uint32_t row);
/* A part of a key or value by its path, `customer.address.city`, without building what is around it: maps with text keys and
 * structs are gone through. False if the row has no such part. */
bool ms_batch_field(ms_batch *batch, ms_side side, uint32_t row, const char *path, ms_value *value);

/* ---- reading columns */

bool ms_bit(const uint8_t *bitmap, uint32_t row);
/* Whether the row is null or, in an object, absent. */
bool ms_column_is_null(const ms_column *column, uint32_t row);
/* Whether the object has the member in this row. */
bool ms_column_is_present(const ms_column *column, uint32_t row);
bool ms_column_boolean(const ms_column *column, uint32_t row);
/* INT8 to INT64 and instants. */
int64_t ms_column_integer(const ms_column *column, uint32_t row);
/* FLOAT32 and FLOAT64. */
double ms_column_number(const ms_column *column, uint32_t row);
/* Texts, plain or from a dictionary, and bytes; absent for null. */
ms_str ms_column_text(const ms_column *column, uint32_t row);
/* Lists and maps: first row of the children and the row behind the last one. */
void ms_column_range(const ms_column *column, uint32_t row, uint32_t *first, uint32_t *end);
/* The value of a row. `schema` is that of the column, NULL if it has none. */
ms_value ms_column_value(ms_batch *batch, const ms_column *column, uint32_t row, const ms_schema *schema);
/* The child of this name; NULL if there is none. */
ms_column *ms_column_child(const ms_column *column, ms_str name);
/* Puts another column into the place of a child: it gets the child's name and, where it has none, its presence. */
void ms_column_replace_child(ms_column *column, uint32_t place, ms_column *other);

/* ---- making columns */

ms_column *ms_column_nulls(ms_arena *arena, uint32_t rows);
ms_column *ms_column_constant_text(ms_arena *arena, uint32_t rows, ms_str text);
ms_column *ms_column_constant_integer(ms_arena *arena, ms_column_kind kind, uint32_t rows, int64_t integer);
/* Texts or bytes; absent ones are null. */
ms_column *ms_column_texts(ms_arena *arena, ms_column_kind kind, const ms_str *texts, uint32_t rows);
/* INT8 to INT64 and instants; `validity` NULL if none is null. */
ms_column *ms_column_integers(ms_arena *arena, ms_column_kind kind, const int64_t *integers, const uint8_t *validity, uint32_t rows);
ms_column *ms_column_numbers(ms_arena *arena, ms_column_kind kind, const double *numbers, const uint8_t *validity, uint32_t rows);
/* Booleans from a bitmap. */
ms_column *ms_column_booleans(ms_arena *arena, const uint8_t *bits, const uint8_t *validity, uint32_t rows);
/* A column of any values: of the kind that the schema calls for, or that they share, or of variants. Fails for values that no
 * batch can carry. */
ms_status ms_column_of_values(ms_call *call, ms_batch *batch, const ms_schema *schema, const ms_value *values, uint32_t rows, ms_column **column);
/* A column of these rows of another one, in this order. */
ms_column *ms_column_take(ms_arena *arena, const ms_column *column, const uint32_t *rows, uint32_t n_rows);
/* A bitmap with every bit as said, and one that is changed. */
uint8_t *ms_bits(ms_arena *arena, uint32_t rows, bool set);
void ms_bit_set(uint8_t *bitmap, uint32_t row, bool set);

/* Texts or bytes put together row by row. */
typedef struct ms_texts {
    ms_arena *arena;
    ms_column_kind kind;
    uint32_t rows, row;
    char *data;
    size_t len, room;
    uint8_t *validity;
} ms_texts;

/* For exactly so many rows, with room for about so many bytes. */
ms_texts ms_texts_begin(ms_arena *arena, ms_column_kind kind, uint32_t rows, size_t bytes);
/* Appends a row; the absent text is null. */
void ms_texts_add(ms_texts *texts, ms_str text);
/* Appends a row of so many bytes, which the caller writes where it is told, before anything else. */
char *ms_texts_room(ms_texts *texts, size_t len);
ms_column *ms_texts_end(ms_texts *texts);

#ifdef __cplusplus
}
#endif

#endif
