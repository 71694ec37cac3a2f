/* Records by themselves, and collecting them into a batch. */
#include "internal.h"

void ms_record_add_header(ms_arena *arena, ms_record *record, ms_header header) {
    ms_header *headers = MS_NEW_ARRAY(arena, ms_header, record->n_headers + 1);
    if (record->n_headers != 0) {
        memcpy(headers, record->headers, record->n_headers * sizeof *headers);
    }
    headers[record->n_headers++] = header;
    record->headers = headers;
}

const ms_header *ms_record_header(const ms_record *record, const char *key) {
    for (size_t i = record->n_headers; i-- != 0;) {
        if (ms_is(record->headers[i].key, key)) {
            return &record->headers[i];
        }
    }
    return NULL;
}

static ms_value envelope_value(ms_batch *batch, ms_role role, uint32_t row) {
    const ms_column *column = ms_batch_get(batch, role);
    return column == NULL ? ms_null() : ms_column_value(batch, column, row, NULL);
}

ms_record ms_row_record(ms_batch *batch, uint32_t row) {
    ms_record record;
    int64_t integer;
    memset(&record, 0, sizeof record);
    record.topic = ms_batch_topic(batch, row);
    if (ms_batch_integer(batch, MS_ROLE_PARTITION, row, &integer)) {
        record.has_partition = true;
        record.partition = (int32_t)integer;
    }
    record.has_timestamp = ms_batch_integer(batch, MS_ROLE_TIMESTAMP, row, &record.timestamp);
    ms_datum key = ms_batch_datum(batch, MS_KEY, row), value = ms_batch_datum(batch, MS_VALUE, row);
    record.key_schema = key.schema;
    record.key = key.value;
    record.value_schema = value.schema;
    record.value = value.value;
    record.n_headers = ms_column_headers(batch, ms_batch_get(batch, MS_ROLE_HEADERS), row, &record.headers);
    record.source_partition = envelope_value(batch, MS_ROLE_SOURCE_PARTITION, row);
    record.source_offset = envelope_value(batch, MS_ROLE_SOURCE_OFFSET, row);
    record.has_offset = ms_batch_integer(batch, MS_ROLE_OFFSET, row, &record.offset);
    const ms_column *topics = ms_batch_get(batch, MS_ROLE_ORIGINAL_TOPIC);
    record.original_topic = topics == NULL || ms_column_is_null(topics, row) ? record.topic : ms_column_text(topics, row);
    record.original_partition = ms_batch_integer(batch, MS_ROLE_ORIGINAL_PARTITION, row, &integer) ? (int32_t)integer : record.partition;
    if (!ms_batch_integer(batch, MS_ROLE_ORIGINAL_OFFSET, row, &record.original_offset)) {
        record.original_offset = record.offset;
    }
    return record;
}

static ms_status check_datum(ms_call *call, const ms_schema *schema, const ms_value *value) {
    return schema != NULL && ms_schema_check(call, schema) != MS_OK ? MS_FAILED : ms_value_check(call, value);
}

ms_status ms_record_check(ms_call *call, const ms_record *record, unsigned parts) {
    if ((parts & MS_PART_TOPIC) && (record->topic.data == NULL || !ms_is_utf8(record->topic))) {
        return ms_fail(call, MS_DATA, "put a record into a batch: its topic is %s", record->topic.data == NULL ? "missing" : "not UTF-8");
    }
    if (((parts & MS_PART_KEY) && check_datum(call, record->key_schema, &record->key) != MS_OK) ||
        ((parts & MS_PART_VALUE) && check_datum(call, record->value_schema, &record->value) != MS_OK) ||
        ((parts & MS_PART_SOURCE) &&
         (ms_value_check(call, &record->source_partition) != MS_OK || ms_value_check(call, &record->source_offset) != MS_OK))) {
        return MS_FAILED;
    }
    for (size_t i = 0; (parts & MS_PART_HEADERS) && i < record->n_headers; i++) {
        const ms_header *header = &record->headers[i];
        if (header->key.data == NULL || !ms_is_utf8(header->key)) {
            return ms_fail(call, MS_DATA, "put a record into a batch: the key of a header is %s",
                           header->key.data == NULL ? "missing" : "not UTF-8");
        }
        if (check_datum(call, header->schema, &header->value) != MS_OK) {
            return MS_FAILED;
        }
    }
    return MS_OK;
}

/* ---- collecting */

struct ms_collector {
    ms_arena *arena;
    ms_buf records;
    ms_batch *given;
};

ms_collector *ms_collector_new(ms_arena *arena) {
    ms_collector *collector = MS_NEW(arena, ms_collector);
    collector->arena = arena;
    collector->records = ms_buf_in(arena);
    return collector;
}

ms_status ms_push(ms_call *call, ms_collector *collector, const ms_record *record) {
    if (ms_record_check(call, record, MS_PART_ALL) != MS_OK) {
        return MS_FAILED;
    }
    /* Everything lives until the call ends, unless the author has its own memory; then a copy does. */
    ms_record copy = *record;
    ms_arena *arena = collector->arena;
    copy.topic = ms_dup(arena, record->topic);
    copy.key = ms_value_copy(arena, &record->key);
    copy.value = ms_value_copy(arena, &record->value);
    copy.source_partition = ms_value_copy(arena, &record->source_partition);
    copy.source_offset = ms_value_copy(arena, &record->source_offset);
    ms_header *headers = MS_NEW_ARRAY(arena, ms_header, record->n_headers);
    for (size_t i = 0; i < record->n_headers; i++) {
        headers[i].key = ms_dup(arena, record->headers[i].key);
        headers[i].schema = record->headers[i].schema;
        headers[i].value = ms_value_copy(arena, &record->headers[i].value);
    }
    copy.headers = headers;
    ms_buf_add(&collector->records, &copy, sizeof copy);
    return MS_OK;
}

uint32_t ms_collected(const ms_collector *collector) {
    return collector->given != NULL ? collector->given->rows : (uint32_t)(collector->records.len / sizeof(ms_record));
}

void ms_push_batch(ms_collector *collector, ms_batch *batch) { collector->given = batch; }

ms_record *ms_collector_records(ms_collector *collector, uint32_t *count) {
    *count = (uint32_t)(collector->records.len / sizeof(ms_record));
    return (ms_record *)(void *)collector->records.data;
}

void ms_collector_clear(ms_collector *collector) { collector->records.len = 0; }

/* Numbers of the envelope; no column if none is set. */
static void set_integers(ms_batch *batch, ms_role role, ms_column_kind kind, const int64_t *integers, const uint8_t *set, bool all, bool any) {
    if (any) {
        ms_batch_set(batch, role, ms_column_integers(batch->arena, kind, integers, all ? NULL : set, batch->rows));
    }
}

ms_status ms_set_envelope(ms_call *call, ms_batch *batch, const ms_record *records, unsigned parts) {
    uint32_t rows = batch->rows;
    ms_arena *arena = batch->arena;
    if (parts & MS_PART_TOPIC) {
        ms_str *topics = MS_NEW_ARRAY(arena, ms_str, rows);
        for (uint32_t row = 0; row < rows; row++) {
            topics[row] = records[row].topic;
        }
        ms_batch_set(batch, MS_ROLE_TOPIC, ms_column_topics(arena, topics, rows));
    }
    for (int which = 0; which < 2; which++) {
        if ((parts & (which == 0 ? MS_PART_PARTITION : MS_PART_TIMESTAMP)) == 0) {
            continue;
        }
        int64_t *integers = MS_NEW_ARRAY(arena, int64_t, rows);
        uint8_t *set = ms_bits(arena, rows, false);
        bool all = true, any = false;
        for (uint32_t row = 0; row < rows; row++) {
            bool has = which == 0 ? records[row].has_partition : records[row].has_timestamp;
            integers[row] = which == 0 ? records[row].partition : records[row].timestamp;
            ms_bit_set(set, row, has);
            all = all && has;
            any = any || has;
        }
        ms_role role = which == 0 ? MS_ROLE_PARTITION : MS_ROLE_TIMESTAMP;
        ms_batch_set(batch, role, NULL);
        set_integers(batch, role, which == 0 ? MS_COL_INT32 : MS_COL_INT64, integers, set, all, any);
    }
    if (parts & MS_PART_HEADERS) {
        const ms_header **headers = MS_NEW_ARRAY(arena, const ms_header *, rows);
        size_t *counts = MS_NEW_ARRAY(arena, size_t, rows);
        size_t total = 0;
        ms_column *column = NULL;
        for (uint32_t row = 0; row < rows; row++) {
            headers[row] = records[row].headers;
            counts[row] = records[row].n_headers;
            total += counts[row];
        }
        if (total != 0 && ms_column_of_headers(call, batch, headers, counts, rows, &column) != MS_OK) {
            return MS_FAILED;
        }
        ms_batch_set(batch, MS_ROLE_HEADERS, column);
    }
    for (int side = 0; side < 2; side++) {
        if ((parts & (side == MS_KEY ? MS_PART_KEY : MS_PART_VALUE)) == 0) {
            continue;
        }
        ms_datum *data = MS_NEW_ARRAY(arena, ms_datum, rows);
        for (uint32_t row = 0; row < rows; row++) {
            data[row].schema = side == MS_KEY ? records[row].key_schema : records[row].value_schema;
            data[row].value = side == MS_KEY ? records[row].key : records[row].value;
        }
        if (ms_batch_build_side(call, batch, (ms_side)side, data) != MS_OK) {
            return MS_FAILED;
        }
    }
    return MS_OK;
}

ms_status ms_collector_batch(ms_call *call, ms_collector *collector, ms_batch **batch) {
    uint32_t rows;
    const ms_record *records = ms_collector_records(collector, &rows);
    *batch = collector->given;
    if (collector->given != NULL && rows != 0) {
        return ms_fail(call, MS_FATAL, "both records (ms_push) and a batch (ms_push_batch) were collected in one call");
    }
    if (collector->given != NULL || rows == 0) {
        *batch = collector->given != NULL && collector->given->rows != 0 ? collector->given : NULL;
        return MS_OK;
    }
    ms_batch *made = ms_batch_new(call->arena, rows);
    if (ms_set_envelope(call, made, records, MS_PART_ALL) != MS_OK) {
        return MS_FAILED;
    }
    for (int which = 0; which < 2; which++) {
        ms_value *values = MS_NEW_ARRAY(call->arena, ms_value, rows);
        bool any = false;
        for (uint32_t row = 0; row < rows; row++) {
            values[row] = which == 0 ? records[row].source_partition : records[row].source_offset;
            any = any || values[row].type != MS_NULL;
            if (values[row].type != MS_NULL && values[row].type != MS_MAP) {
                return ms_fail(call, MS_FATAL, "a source partition or offset is a map with text keys, and one is a %s", ms_java_class(&values[row]));
            }
        }
        ms_column *column;
        if (any && ms_column_build(call, made, NULL, values, rows, &column) != MS_OK) {
            return MS_FAILED;
        }
        if (any) {
            ms_batch_set(made, which == 0 ? MS_ROLE_SOURCE_PARTITION : MS_ROLE_SOURCE_OFFSET, column);
        }
    }
    *batch = made;
    return MS_OK;
}
