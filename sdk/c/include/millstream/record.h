/* Records by themselves, and batches on their way through plugins: the comfortable way. */
#ifndef MILLSTREAM_RECORD_H
#define MILLSTREAM_RECORD_H

#include "batch.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ms_header {
    ms_str key;
    const ms_schema *schema;
    ms_value value;
} ms_header;

/* A record with all that belongs to it. */
typedef struct ms_record {
    ms_str topic;
    /* Unless set, the producer chooses the partition by the key. */
    bool has_partition;
    /* Unless set, the producer sets the time: milliseconds since the epoch. */
    bool has_timestamp;
    /* Sinks and what runs before them: whether the record has a place in a topic; `ms_record` of a source has none. */
    bool has_offset;
    int32_t partition;
    int64_t timestamp;
    /* NULL for schemaless data. */
    const ms_schema *key_schema;
    ms_value key;
    const ms_schema *value_schema;
    /* Null for a tombstone. */
    ms_value value;
    const ms_header *headers;
    size_t n_headers;
    /* Sources: what the record came from, as a map: {"filename": "a.txt"}; null for none. */
    ms_value source_partition;
    /* Sources: where to go on behind this record, as a map: {"position": 42}; null for none. */
    ms_value source_offset;
    /* With `has_offset`: where it stands, and stood before any transform. */
    int64_t offset, original_offset;
    ms_str original_topic;
    int32_t original_partition;
} ms_record;

/* A record without anything but topic and value. */
static inline ms_record ms_record_new(ms_str topic, ms_value value) {
    ms_record record;
    memset(&record, 0, sizeof record);
    record.topic = topic;
    record.value = value;
    return record;
}

/* Appends a header to a copy of the record's headers. */
void ms_record_add_header(ms_arena *arena, ms_record *record, ms_header header);
/* The last header of this key; NULL if there is none. */
const ms_header *ms_record_header(const ms_record *record, const char *key);

/* A row that failed, by its number in the batch that the host passed in. */
typedef struct ms_row_error {
    uint32_t row, link;
    const ms_error *error;
} ms_row_error;

/* The records that a callback works on: a batch, and which of its rows are meant. Rows that are not active were filtered, have
 * failed before, or are not meant: leave them as they are. */
typedef struct ms_records {
    ms_batch *batch;
    ms_call *call;
    /* Rows that are meant beside the selection; NULL for all. */
    const uint8_t *only;
    /* Row of the batch that was passed in, per row; NULL if it is the same. */
    uint32_t *inputs;
    ms_row_error *errors;
    size_t n_errors, errors_room;
    uint32_t link;
    /* To be set by whoever changes the batch; the functions below do. */
    bool changed;
} ms_records;

/* Whether a row is one to work on. */
bool ms_is_active(const ms_records *records, uint32_t row);
/* Whether the rows that are not active do not matter any more, so that whole columns may be replaced. */
bool ms_all_matter(const ms_records *records);
/* Replaces the column in a role. */
void ms_set(ms_records *records, ms_role role, ms_column *column);
/* Leaves a row out on purpose. It counts as ended. */
void ms_filter(ms_records *records, uint32_t row);
/* Names a row that has failed, with what ms_fail has said, which is forgotten then; the callback goes on. In a sink, the row goes
 * to the error policy when `put` returns, or when ms_report is called. */
void ms_fail_row(ms_records *records, uint32_t row);

/* A walk over the active rows. */
typedef struct ms_cursor {
    ms_records *records;
    ms_batch *batch;
    /* The row that it is at. */
    uint32_t row;
    bool begun;
} ms_cursor;

/* Before the first row. */
static inline ms_cursor ms_walk(ms_records *records) {
    ms_cursor cursor;
    cursor.records = records;
    cursor.batch = records->batch;
    cursor.row = 0;
    cursor.begun = false;
    return cursor;
}

/* The next active row; false behind the last one. */
bool ms_next(ms_cursor *cursor);
/* The row as a record. Texts and bytes point into the batch. */
ms_record ms_row_record(ms_batch *batch, uint32_t row);

/* Records that are put together into a batch. */
typedef struct ms_collector ms_collector;

/* A collector of the author's own, in an arena: for tests. Callbacks are given one. */
ms_collector *ms_collector_new(ms_arena *arena);
/* Appends a record, of which a copy is kept. Fails for one that no batch can carry; nothing is appended then. */
ms_status ms_push(ms_call *call, ms_collector *collector, const ms_record *record);
/* How many there are. */
uint32_t ms_collected(const ms_collector *collector);
/* A batch made column by column in place of records. */
void ms_push_batch(ms_collector *collector, ms_batch *batch);
/* The batch; NULL if there are no records. */
ms_status ms_collector_batch(ms_call *call, ms_collector *collector, ms_batch **batch);

#ifdef __cplusplus
}
#endif

#endif
