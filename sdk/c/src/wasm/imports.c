/* What plugins ask of the worker, answered by the host. Arguments of imports stay the caller's; what comes back is copied and freed. */
#include "lower.h"

/* ---- log */

bool ms_log_enabled(ms_level level) { return millstream_connect_host_log_enabled((uint8_t)level); }

void msh_log(ms_level level, ms_str message) {
    c_plugin_string_t lent = ms_lend(ms_is_utf8(message) ? message : ms_s("a log message is not UTF-8"));
    millstream_connect_host_log_log((uint8_t)level, &lent);
}

void msh_trap(void) { __builtin_trap(); }

/* What assert() of C's library ends in: it would need an output stream of the library's own. */
void __assert_fail(const char *condition, const char *file, int line, const char *function);
void __assert_fail(const char *condition, const char *file, int line, const char *function) {
    ms_panic("assertion failed: %s, at %s:%d in %s", condition, file, line, function);
}

void abort(void) { ms_panic("abort() was called"); }

/* ---- the environment */

ms_str msh_time_zone(ms_arena *arena) {
    c_plugin_list_tuple2_string_string_t variables;
    ms_str found = ms_none();
    wasi_cli_environment_get_environment(&variables);
    for (size_t i = 0; i < variables.len; i++) {
        if (ms_is(ms_lent_text(&variables.ptr[i].f0), "MILLSTREAM_TIME_ZONE")) {
            found = ms_dup(arena, ms_lent_text(&variables.ptr[i].f1));
        }
    }
    c_plugin_list_tuple2_string_string_free(&variables);
    return found;
}

/* ---- metrics */

ms_status ms_metric_declare(ms_call *call, const char *name, ms_metric_kind kind, const char *help) {
    c_plugin_string_t lent = ms_lend(ms_s(name)), sentence = ms_lend(ms_s(help));
    millstream_connect_host_metrics_error_t error;
    return millstream_connect_host_metrics_declare(&lent, (uint8_t)kind, &sentence, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_metric_count(ms_call *call, const char *name, double more) {
    c_plugin_string_t lent = ms_lend(ms_s(name));
    millstream_connect_host_metrics_error_t error;
    return millstream_connect_host_metrics_count(&lent, more, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_metric_gauge(ms_call *call, const char *name, double value) {
    c_plugin_string_t lent = ms_lend(ms_s(name));
    millstream_connect_host_metrics_error_t error;
    return millstream_connect_host_metrics_gauge(&lent, value, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_report_progress(ms_call *call, const char *what, const ms_progress *now) {
    c_plugin_string_t lent = ms_lend(ms_s(what));
    millstream_connect_host_metrics_progress_t progress;
    millstream_connect_host_metrics_error_t error;
    if (now != NULL) {
        progress.done = now->done;
        progress.total.is_some = now->has_total;
        progress.total.val = now->total;
        progress.unit = ms_lend(ms_s(now->unit));
    }
    return millstream_connect_host_metrics_report_progress(&lent, now == NULL ? NULL : &progress, &error) ? MS_OK : ms_take_error(call, &error);
}

/* ---- waiting */

bool ms_wait(uint32_t ms) { return millstream_connect_host_wait_wait(ms); }

void ms_rest(uint32_t ms) { millstream_connect_host_wait_rest(ms); }

/* ---- files */

struct ms_file {
    int32_t handle;
    bool open;
};

#define FILE_OF(file) ((millstream_connect_host_files_borrow_file_t){ (file)->handle })

static void close_file(void *object) {
    ms_file *file = object;
    if (file->open) {
        file->open = false;
        millstream_connect_host_files_file_drop_own((millstream_connect_host_files_own_file_t){ file->handle });
    }
}

void ms_file_close(ms_file *file) { close_file(file); }

static ms_status closed(ms_call *call) { return ms_fail(call, MS_FATAL, "a file was used after it was closed"); }

ms_status ms_file_open(ms_call *call, const char *key, ms_file **file) {
    c_plugin_string_t name = ms_lend(ms_s(key));
    millstream_connect_host_files_option_own_file_t opened;
    millstream_connect_host_files_error_t error;
    *file = NULL;
    if (!millstream_connect_host_files_static_file_open(&name, &opened, &error)) {
        return ms_take_error(call, &error);
    }
    if (opened.is_some) {
        *file = MS_NEW(call->memory, ms_file);
        (*file)->handle = opened.val.__handle;
        (*file)->open = true;
        ms_defer(call->memory, close_file, *file);
    }
    return MS_OK;
}

ms_status ms_file_read(ms_call *call, ms_file *file, uint32_t max, ms_bytes *bytes) {
    c_plugin_list_u8_t read;
    millstream_connect_host_files_error_t error;
    if (!file->open) {
        return closed(call);
    }
    if (!millstream_connect_host_files_method_file_read(FILE_OF(file), max, &read, &error)) {
        return ms_take_error(call, &error);
    }
    *bytes = ms_take(call->arena, read.ptr, read.len);
    return MS_OK;
}

ms_status ms_file_size(ms_call *call, ms_file *file, uint64_t *size, bool *known) {
    millstream_connect_host_files_option_wide_t found;
    millstream_connect_host_files_error_t error;
    if (!file->open) {
        return closed(call);
    }
    if (!millstream_connect_host_files_method_file_size(FILE_OF(file), &found, &error)) {
        return ms_take_error(call, &error);
    }
    *known = found.is_some;
    *size = found.is_some ? ms_join(found.val) : 0;
    return MS_OK;
}

ms_status ms_file_seek(ms_call *call, ms_file *file, uint64_t position) {
    millstream_connect_host_files_wide_t wide = ms_split(position);
    millstream_connect_host_files_error_t error;
    if (!file->open) {
        return closed(call);
    }
    return millstream_connect_host_files_method_file_seek(FILE_OF(file), &wide, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_file_write(ms_call *call, ms_file *file, ms_bytes bytes) {
    c_plugin_list_u8_t lent = ms_lend_bytes(bytes);
    millstream_connect_host_files_error_t error;
    if (!file->open) {
        return closed(call);
    }
    return millstream_connect_host_files_method_file_write(FILE_OF(file), &lent, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_file_truncate(ms_call *call, ms_file *file, uint64_t length) {
    millstream_connect_host_files_wide_t wide = ms_split(length);
    millstream_connect_host_files_error_t error;
    if (!file->open) {
        return closed(call);
    }
    return millstream_connect_host_files_method_file_truncate(FILE_OF(file), &wide, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_file_sync(ms_call *call, ms_file *file) {
    millstream_connect_host_files_error_t error;
    if (!file->open) {
        return closed(call);
    }
    return millstream_connect_host_files_method_file_sync(FILE_OF(file), &error) ? MS_OK : ms_take_error(call, &error);
}

bool ms_file_ends_rest(ms_file *file) { return file->open && millstream_connect_host_files_method_file_ends_rest(FILE_OF(file)); }

/* ---- sources and connectors */

/* Texts lent to a call, in the call's arena. */
static c_plugin_list_string_t lend_list(ms_arena *arena, const ms_str *texts, size_t count) {
    c_plugin_list_string_t list = { MS_NEW_ARRAY(arena, c_plugin_string_t, count), count };
    for (size_t i = 0; i < count; i++) {
        list.ptr[i] = ms_lend(texts[i]);
    }
    return list;
}

ms_status msh_read_offsets(ms_call *call, const ms_str *partitions, size_t count, ms_str *offsets) {
    c_plugin_list_string_t asked = lend_list(call->arena, partitions, count);
    c_plugin_list_option_string_t answers;
    millstream_connect_host_source_error_t error;
    if (!millstream_connect_host_source_read_offsets(&asked, &answers, &error)) {
        return ms_take_error(call, &error);
    }
    for (size_t i = 0; i < count; i++) {
        offsets[i] = i < answers.len && answers.ptr[i].is_some ? ms_take_string(call->arena, &answers.ptr[i].val) : ms_none();
    }
    if (answers.len != 0) {
        free(answers.ptr);
    }
    return MS_OK;
}

bool ms_transaction_available(void) { return millstream_connect_host_transaction_available(); }

void msh_set_boundaries(const ms_boundary *boundaries, size_t count) {
    millstream_connect_host_transaction_list_boundary_t list = { ms_give_memory(count * sizeof *list.ptr), count };
    for (size_t i = 0; i < count; i++) {
        list.ptr[i].behind.is_some = boundaries[i].behind != MS_BEHIND_ALL;
        list.ptr[i].behind.val = boundaries[i].behind;
        list.ptr[i].ending =
            boundaries[i].commit ? MILLSTREAM_CONNECT_HOST_TRANSACTION_ENDING_COMMIT : MILLSTREAM_CONNECT_HOST_TRANSACTION_ENDING_ABORT;
    }
    millstream_connect_host_transaction_set_boundaries(&list);
    free(list.ptr);
}

void ms_request_task_reconfiguration(void) { millstream_connect_host_connector_request_task_reconfiguration(); }

void msh_raise_error(const ms_error *error) {
    ms_arena *arena = ms_arena_new();
    millstream_connect_types_error_t raised;
    ms_give_error(&raised, error, arena);
    millstream_connect_host_connector_raise_error(&raised);
    millstream_connect_types_error_free(&raised);
    ms_arena_free(arena);
}

/* ---- sinks */

size_t ms_assignment(ms_call *call, const ms_topic_partition **partitions) {
    millstream_connect_host_sink_list_topic_partition_t list;
    millstream_connect_host_sink_assignment(&list);
    ms_topic_partition *assigned = MS_NEW_ARRAY(call->arena, ms_topic_partition, list.len);
    for (size_t i = 0; i < list.len; i++) {
        assigned[i].topic = ms_take_string(call->arena, &list.ptr[i].topic);
        assigned[i].partition = list.ptr[i].partition;
    }
    if (list.len != 0) {
        free(list.ptr);
    }
    *partitions = assigned;
    return list.len;
}

void ms_seek(const ms_topic_offset *offsets, size_t count) {
    millstream_connect_host_sink_list_topic_offset_t list = { ms_give_memory(count * sizeof *list.ptr), count };
    for (size_t i = 0; i < count; i++) {
        list.ptr[i].topic = ms_lend(offsets[i].topic);
        list.ptr[i].partition = offsets[i].partition;
        list.ptr[i].offset = ms_split(offsets[i].offset);
    }
    millstream_connect_host_sink_seek(&list);
    free(list.ptr);
}

static millstream_connect_host_sink_list_topic_partition_t lend_partitions(ms_call *call, const ms_topic_partition *partitions, size_t count) {
    millstream_connect_host_sink_list_topic_partition_t list = { MS_NEW_ARRAY(call->arena, millstream_connect_types_topic_partition_t, count), count };
    for (size_t i = 0; i < count; i++) {
        list.ptr[i].topic = ms_lend(partitions[i].topic);
        list.ptr[i].partition = partitions[i].partition;
    }
    return list;
}

ms_status ms_pause(ms_call *call, const ms_topic_partition *partitions, size_t count) {
    millstream_connect_host_sink_list_topic_partition_t list = lend_partitions(call, partitions, count);
    millstream_connect_host_sink_error_t error;
    return millstream_connect_host_sink_pause(&list, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_resume(ms_call *call, const ms_topic_partition *partitions, size_t count) {
    millstream_connect_host_sink_list_topic_partition_t list = lend_partitions(call, partitions, count);
    millstream_connect_host_sink_error_t error;
    return millstream_connect_host_sink_resume(&list, &error) ? MS_OK : ms_take_error(call, &error);
}

void ms_timeout(uint32_t ms) { millstream_connect_host_sink_timeout(ms); }

void ms_request_commit(void) { millstream_connect_host_sink_request_commit(); }

ms_status msh_report(ms_call *call, const ms_row_error *errors, size_t count) {
    millstream_connect_host_sink_list_row_error_t list = { ms_give_memory(count * sizeof *list.ptr), count };
    for (size_t i = 0; i < count; i++) {
        ms_give_row_error(&list.ptr[i], &errors[i], call->arena);
    }
    millstream_connect_host_sink_error_t error;
    bool ok = millstream_connect_host_sink_report(&list, &error);
    millstream_connect_host_sink_list_row_error_free(&list);
    return ok ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_write_reports(ms_call *call, const char *key, const ms_topic_report *reports, size_t count) {
    c_plugin_string_t name = ms_lend(ms_s(key));
    millstream_connect_host_report_list_report_t list = { MS_NEW_ARRAY(call->arena, millstream_connect_host_report_report_t, count), count };
    for (size_t i = 0; i < count; i++) {
        millstream_connect_host_report_report_t *report = &list.ptr[i];
        report->key.is_some = reports[i].key.data != NULL;
        report->key.val = ms_lend_bytes(reports[i].key);
        report->value.is_some = reports[i].value.data != NULL;
        report->value.val = ms_lend_bytes(reports[i].value);
        report->headers.len = reports[i].n_headers;
        report->headers.ptr = MS_NEW_ARRAY(call->arena, c_plugin_tuple2_string_list_u8_t, reports[i].n_headers);
        for (size_t j = 0; j < reports[i].n_headers; j++) {
            report->headers.ptr[j].f0 = ms_lend(reports[i].headers[j].key);
            report->headers.ptr[j].f1 = ms_lend_bytes(reports[i].headers[j].value);
        }
    }
    millstream_connect_host_report_error_t error;
    return millstream_connect_host_report_write(&name, &list, &error) ? MS_OK : ms_take_error(call, &error);
}

/* ---- the lease */

ms_status ms_lease_obtain(ms_call *call, uint64_t *epoch) {
    millstream_connect_host_lease_wide_t wide;
    millstream_connect_host_lease_error_t error;
    if (!millstream_connect_host_lease_obtain(&wide, &error)) {
        return ms_take_error(call, &error);
    }
    *epoch = ms_join(wide);
    return MS_OK;
}

ms_status ms_lease_confirm(ms_call *call, uint64_t epoch) {
    millstream_connect_host_lease_wide_t wide = ms_split(epoch);
    millstream_connect_host_lease_error_t error;
    return millstream_connect_host_lease_confirm(&wide, &error) ? MS_OK : ms_take_error(call, &error);
}

ms_status ms_lease_keys(ms_call *call, ms_strs *keys) {
    c_plugin_list_string_t list;
    millstream_connect_host_lease_error_t error;
    if (!millstream_connect_host_lease_keys(&list, &error)) {
        return ms_take_error(call, &error);
    }
    ms_str *found = MS_NEW_ARRAY(call->arena, ms_str, list.len);
    for (size_t i = 0; i < list.len; i++) {
        found[i] = ms_take_string(call->arena, &list.ptr[i]);
    }
    if (list.len != 0) {
        free(list.ptr);
    }
    keys->items = found;
    keys->len = list.len;
    return MS_OK;
}

ms_status ms_lease_get(ms_call *call, const char *key, ms_bytes *value) {
    ms_str name = ms_s(key);
    c_plugin_list_string_t keys = lend_list(call->arena, &name, 1);
    c_plugin_list_option_list_u8_t values;
    millstream_connect_host_lease_error_t error;
    *value = ms_none();
    if (!millstream_connect_host_lease_read(&keys, &values, &error)) {
        return ms_take_error(call, &error);
    }
    if (values.len != 0 && values.ptr[0].is_some) {
        *value = ms_take(call->arena, values.ptr[0].val.ptr, values.ptr[0].val.len);
    }
    if (values.len != 0) {
        free(values.ptr);
    }
    return MS_OK;
}

ms_status ms_lease_write(ms_call *call, uint64_t epoch, const ms_key_change *changes, size_t count) {
    millstream_connect_host_lease_wide_t wide = ms_split(epoch);
    millstream_connect_host_lease_list_key_change_t list = { MS_NEW_ARRAY(call->arena, millstream_connect_host_lease_key_change_t, count), count };
    for (size_t i = 0; i < count; i++) {
        list.ptr[i].key = ms_lend(changes[i].key);
        list.ptr[i].value.is_some = changes[i].value.data != NULL;
        list.ptr[i].value.val = ms_lend_bytes(changes[i].value);
    }
    millstream_connect_host_lease_error_t error;
    return millstream_connect_host_lease_write(&wide, &list, &error) ? MS_OK : ms_take_error(call, &error);
}
