/* Converters: the role's bytes become data, or data bytes, row by row. */
#include "component.h"

/* One datum of a row; a failure is the row's. */
static ms_status each(ms_call *call, const ms_subject *subject, bool to_connect, const ms_datum *datum, ms_datum *converted) {
    const ms_converter *converter = call->plugin->converter;
    memset(converted, 0, sizeof *converted);
    call->error = NULL;
    if (!to_connect) {
        ms_bytes bytes = ms_none();
        ms_status status = converter->from_connect(call, subject, datum, &bytes);
        converted->value = ms_bytes_value(bytes);
        return status;
    }
    if (datum->value.type != MS_NULL && datum->value.type != MS_BYTES) {
        return ms_fail(call, MS_DATA, "expected bytes to convert, found a %s", ms_java_class(&datum->value));
    }
    ms_bytes bytes = datum->value.type == MS_NULL ? ms_none() : datum->value.as.bytes;
    ms_status status = converter->to_connect(call, subject, bytes, converted);
    if (status == MS_OK && ms_value_check(call, &converted->value) == MS_OK &&
        (converted->schema == NULL || ms_schema_check(call, converted->schema) == MS_OK)) {
        return MS_OK;
    }
    return MS_FAILED;
}

static ms_status convert_headers(ms_records *records, bool to_connect) {
    ms_batch *batch = records->batch;
    ms_call *call = records->call;
    ms_column *old = ms_batch_get(batch, MS_ROLE_HEADERS), *made;
    if (old == NULL) {
        return MS_OK;
    }
    const ms_header **headers = MS_NEW_ARRAY(call->arena, const ms_header *, batch->rows);
    size_t *counts = MS_NEW_ARRAY(call->arena, size_t, batch->rows);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (!ms_is_active(records, row)) {
            continue;
        }
        const ms_header *found;
        size_t count = ms_column_headers(batch, old, row, &found);
        ms_header *converted = MS_NEW_ARRAY(call->arena, ms_header, count);
        ms_status status = MS_OK;
        for (size_t i = 0; i < count && status == MS_OK; i++) {
            ms_subject subject = { ms_batch_topic(batch, row), found[i].key };
            ms_datum datum = { found[i].schema, found[i].value }, result;
            status = each(call, &subject, to_connect, &datum, &result);
            converted[i].key = found[i].key;
            converted[i].schema = result.schema;
            converted[i].value = result.value;
        }
        if (status != MS_OK) {
            ms_fail_row(records, row);
            continue;
        }
        headers[row] = converted;
        counts[row] = count;
    }
    if (ms_column_of_headers(call, batch, headers, counts, batch->rows, &made) != MS_OK) {
        return MS_FAILED;
    }
    ms_set(records, MS_ROLE_HEADERS, made);
    return MS_OK;
}

static ms_status convert_side(ms_records *records, ms_side side, bool to_connect) {
    ms_batch *batch = records->batch;
    ms_call *call = records->call;
    ms_datum *data = MS_NEW_ARRAY(call->arena, ms_datum, batch->rows);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (!ms_is_active(records, row)) {
            continue;
        }
        ms_subject subject = { ms_batch_topic(batch, row), ms_none() };
        ms_datum datum = ms_batch_datum(batch, side, row);
        if (each(call, &subject, to_connect, &datum, &data[row]) != MS_OK) {
            /* Rows that have failed keep their places. */
            memset(&data[row], 0, sizeof data[row]);
            ms_fail_row(records, row);
        }
    }
    records->changed = true;
    return ms_batch_build_side(call, batch, side, data);
}

ms_status ms_do_convert(ms_instance *instance, ms_bytes bytes, bool to_connect, ms_outcome *outcome) {
    ms_call *call = ms_begin(instance);
    ms_batch *batch;
    memset(outcome, 0, sizeof *outcome);
    if (ms_batch_open(call, bytes, &batch) != MS_OK) {
        return MS_FAILED;
    }
    ms_records *records = ms_records_new(call, batch);
    ms_status status = call->role == MS_FOR_HEADER ? convert_headers(records, to_connect)
                                                   : convert_side(records, call->role == MS_FOR_KEY ? MS_KEY : MS_VALUE, to_connect);
    if (status != MS_OK) {
        return MS_FAILED;
    }
    if (records->changed) {
        outcome->changed = ms_batch_write(batch);
    }
    outcome->errors = records->errors;
    outcome->n_errors = records->n_errors;
    return MS_OK;
}
