/* A batch on its way through transforms and converters, with the rows that failed on the way. */
#include "internal.h"

ms_records *ms_records_new(ms_call *call, ms_batch *batch) {
    ms_records *records = MS_NEW(call->arena, ms_records);
    records->batch = batch;
    records->call = call;
    return records;
}

bool ms_is_active(const ms_records *records, uint32_t row) {
    return ms_batch_is_selected(records->batch, row) && (records->only == NULL || ms_bit(records->only, row));
}

bool ms_all_matter(const ms_records *records) { return records->only == NULL; }

void ms_set(ms_records *records, ms_role role, ms_column *column) {
    ms_batch_set(records->batch, role, column);
    records->changed = true;
}

void ms_filter(ms_records *records, uint32_t row) {
    ms_batch_deselect(records->batch, row);
    records->changed = true;
}

bool ms_next(ms_cursor *cursor) {
    uint32_t row = cursor->begun ? cursor->row + 1 : 0;
    cursor->begun = true;
    while (row < cursor->batch->rows && !ms_is_active(cursor->records, row)) {
        row++;
    }
    cursor->row = row;
    return row < cursor->batch->rows;
}

void ms_records_fail(ms_records *records, uint32_t row, const ms_error *error) {
    /* A row that the batch does not have is the host's to refuse, in the words of the contract. */
    bool is_there = row < records->batch->rows;
    if (is_there && !ms_batch_is_selected(records->batch, row)) {
        return;
    }
    uint32_t input = !is_there || records->inputs == NULL ? row : records->inputs[row];
    if (is_there && records->inputs == NULL) {
        ms_filter(records, row);
    }
    /* A row of which several records were made fails as a whole. */
    for (uint32_t other = 0; is_there && records->inputs != NULL && other < records->batch->rows; other++) {
        if (records->inputs[other] == input) {
            ms_filter(records, other);
        }
    }
    if (records->n_errors == records->errors_room) {
        size_t room = records->errors_room == 0 ? 16 : records->errors_room * 2;
        ms_row_error *errors = MS_NEW_ARRAY(records->call->arena, ms_row_error, room);
        if (records->n_errors != 0) {
            memcpy(errors, records->errors, records->n_errors * sizeof *errors);
        }
        records->errors = errors;
        records->errors_room = room;
    }
    ms_row_error *entry = &records->errors[records->n_errors++];
    entry->row = input;
    entry->link = records->link;
    entry->error = error;
}

void ms_fail_row(ms_records *records, uint32_t row) {
    const ms_error *error = ms_failure(records->call, "a row failed");
    records->call->error = NULL;
    ms_records_fail(records, row, error);
}

/* ---- one record at a time */

/* Records that rows became, and what of them differs from before. */
typedef struct rebuilt {
    ms_buf records;
    /* Old row of each new one; each old row has at least one. */
    ms_buf parents;
    unsigned changed;
} rebuilt;

static bool same_value(const ms_value *a, const ms_value *b) {
    /* What values point at never changes, so their own bytes say enough. */
    return memcmp(a, b, sizeof *a) == 0;
}

static unsigned difference(const ms_record *before, const ms_record *after) {
    unsigned parts = 0;
    parts |= ms_eq(before->topic, after->topic) ? 0 : MS_PART_TOPIC;
    parts |= before->has_partition == after->has_partition && (!before->has_partition || before->partition == after->partition)
                 ? 0
                 : MS_PART_PARTITION;
    parts |= before->has_timestamp == after->has_timestamp && (!before->has_timestamp || before->timestamp == after->timestamp)
                 ? 0
                 : MS_PART_TIMESTAMP;
    parts |= before->headers == after->headers && before->n_headers == after->n_headers ? 0 : MS_PART_HEADERS;
    parts |= before->key_schema == after->key_schema && same_value(&before->key, &after->key) ? 0 : MS_PART_KEY;
    parts |= before->value_schema == after->value_schema && same_value(&before->value, &after->value) ? 0 : MS_PART_VALUE;
    return parts;
}

static void keep(rebuilt *rebuilt, const ms_record *record, uint32_t parent) {
    ms_buf_add(&rebuilt->records, record, sizeof *record);
    ms_buf_u32(&rebuilt->parents, parent);
}

/* Says where each row came from, after rows have become several. */
static void number_children(ms_batch *batch, const uint32_t *parents, uint32_t rows) {
    const ms_column *known = ms_batch_get(batch, MS_ROLE_ORIGIN);
    int64_t *origins = MS_NEW_ARRAY(batch->arena, int64_t, rows), *children = MS_NEW_ARRAY(batch->arena, int64_t, rows);
    for (uint32_t row = 0; row < rows; row++) {
        origins[row] = known == NULL ? parents[row] : ms_column_integer(known, row);
        /* Rows of one origin stand together, since every stage keeps the order. */
        children[row] = row != 0 && origins[row - 1] == origins[row] ? children[row - 1] + 1 : 0;
    }
    ms_batch_set(batch, MS_ROLE_ORIGIN, ms_column_integers(batch->arena, MS_COL_INT32, origins, NULL, rows));
    ms_batch_set(batch, MS_ROLE_CHILD, ms_column_integers(batch->arena, MS_COL_INT32, children, NULL, rows));
}

static ms_status transform_row(ms_records *records, rebuilt *rebuilt, ms_collector *several, uint32_t row) {
    ms_call *call = records->call;
    const ms_transform *transform = call->plugin->transform;
    ms_record before = ms_row_record(records->batch, row), after = before;
    /* What the author has got over in an earlier row is no cause of a failure in this one. */
    call->error = NULL;
    if (transform->expand != NULL) {
        ms_collector_clear(several);
        ms_status status = transform->expand(call, &before, several);
        uint32_t count;
        const ms_record *made = ms_collector_records(several, &count);
        if (status == MS_OK && count != 0) {
            for (uint32_t i = 0; i < count; i++) {
                rebuilt->changed |= difference(&before, &made[i]);
                keep(rebuilt, &made[i], row);
            }
            return MS_OK;
        }
        keep(rebuilt, &before, row);
        return status == MS_OK ? MS_DROP : status;
    }
    ms_status status = transform->apply(call, &after);
    unsigned parts = status == MS_OK ? difference(&before, &after) : 0;
    if (parts != 0 && ms_record_check(call, &after, parts) != MS_OK) {
        status = MS_FAILED;
    }
    rebuilt->changed |= status == MS_OK ? parts : 0;
    keep(rebuilt, status == MS_OK ? &after : &before, row);
    return status;
}

ms_status ms_records_replace(ms_records *records) {
    ms_batch *batch = records->batch;
    ms_call *call = records->call;
    uint32_t old_rows = batch->rows;
    rebuilt rebuilt = { ms_buf_in(call->arena), ms_buf_in(call->arena), 0 };
    ms_collector *several = ms_collector_new(call->arena);
    /* What became of rows: new row, and its failure or NULL for one that was dropped. */
    ms_row_error *ended = MS_NEW_ARRAY(call->arena, ms_row_error, old_rows);
    uint32_t n_ended = 0;
    for (uint32_t row = 0; row < old_rows; row++) {
        if (!ms_is_active(records, row)) {
            ms_record record = ms_row_record(batch, row);
            keep(&rebuilt, &record, row);
            continue;
        }
        ms_status status = transform_row(records, &rebuilt, several, row);
        if (status == MS_OK) {
            continue;
        }
        ended[n_ended].row = (uint32_t)(rebuilt.parents.len / 4) - 1;
        ended[n_ended].error = status == MS_DROP ? NULL : ms_failure(call, "a record was transformed");
        call->error = NULL;
        n_ended++;
    }
    uint32_t rows = (uint32_t)(rebuilt.parents.len / 4);
    const uint32_t *parents = (const uint32_t *)(void *)rebuilt.parents.data;
    const ms_record *made = (const ms_record *)(void *)rebuilt.records.data;
    if (rows != old_rows) {
        /* Rows have become several: every column follows. */
        for (uint32_t i = 0; i < batch->n_envelope; i++) {
            batch->envelope[i] = ms_column_take(batch->arena, batch->envelope[i], parents, rows);
            batch->by_role[batch->envelope[i]->role <= MS_ROLE_VALUE_BLOCK ? batch->envelope[i]->role : 0] = batch->envelope[i];
        }
        batch->rows = rows;
        rebuilt.changed |= MS_PART_KEY | MS_PART_VALUE;
        number_children(batch, parents, rows);
        uint32_t *inputs = MS_NEW_ARRAY(call->arena, uint32_t, rows);
        for (uint32_t row = 0; row < rows; row++) {
            inputs[row] = records->inputs == NULL ? parents[row] : records->inputs[parents[row]];
        }
        records->inputs = inputs;
    }
    records->changed = records->changed || rebuilt.changed != 0 || rows != old_rows;
    if (ms_set_envelope(call, batch, made, rebuilt.changed) != MS_OK) {
        return MS_FAILED;
    }
    for (uint32_t i = 0; i < n_ended; i++) {
        if (ended[i].error == NULL) {
            ms_filter(records, ended[i].row);
        } else {
            ms_records_fail(records, ended[i].row, ended[i].error);
        }
    }
    return MS_OK;
}
