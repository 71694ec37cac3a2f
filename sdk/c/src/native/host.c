/* What stands in for the host in tests: files, offsets, a lease and a server in memory, and a list of all that was asked for. */
#include "native.h"

#include <stdio.h>
#include <stdlib.h>

ms_test_state *ms_test_host;

/* No component natively. */
const void *const ms_exports[] = { NULL };

static ms_test_state *host(void) {
    if (ms_test_host == NULL) {
        fprintf(stderr, "the host was asked for something before ms_test_begin or after ms_test_end\n");
        exit(1);
    }
    return ms_test_host;
}

void ms_test_hear(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    ms_buf_vformat(&host()->heard, format, arguments);
    va_end(arguments);
    ms_buf_char(&host()->heard, '\n');
}

/* ---- log and waiting */

static const char *const LEVELS[] = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR" };

bool ms_log_enabled(ms_level level) { return MS_DEBUG <= level; }

void msh_log(ms_level level, ms_str message) {
    if (ms_test_host == NULL) {
        fprintf(stderr, "%s %.*s\n", LEVELS[level], MS_ARG(message));
        return;
    }
    ms_test_hear("log %s %.*s", LEVELS[level], MS_ARG(message));
    if (level == MS_ERROR) {
        fprintf(stderr, "%s %.*s\n", LEVELS[level], MS_ARG(message));
    }
}

void msh_trap(void) { abort(); }

ms_str msh_time_zone(ms_arena *arena) { return ms_dup(arena, ms_s(getenv("MILLSTREAM_TIME_ZONE"))); }

bool ms_wait(uint32_t ms) {
    ms_test_hear("wait %u", ms);
    return host()->stopping;
}

void ms_rest(uint32_t ms) { ms_test_hear("rest %u", ms); }

/* ---- metrics */

static ms_status number(ms_call *call, const char *name, double value, double least) {
    return value - value == 0 && least <= value ? MS_OK : ms_fail(call, MS_FATAL, "the metric %s cannot be %g", name, value);
}

ms_status ms_metric_declare(ms_call *call, const char *name, ms_metric_kind kind, const char *help) {
    (void)call, (void)help;
    ms_test_hear("declare %s %s", kind == MS_COUNTER ? "counter" : "gauge", name);
    return MS_OK;
}

ms_status ms_metric_count(ms_call *call, const char *name, double more) {
    ms_test_hear("count %s %g", name, more);
    return number(call, name, more, 0);
}

ms_status ms_metric_gauge(ms_call *call, const char *name, double value) {
    ms_test_hear("gauge %s %g", name, value);
    return number(call, name, value, -1.7976931348623157e308);
}

ms_status ms_report_progress(ms_call *call, const char *what, const ms_progress *now) {
    if (now == NULL) {
        ms_test_hear("progress %s none", what);
        return MS_OK;
    }
    ms_test_hear(now->has_total ? "progress %s %g %s of %g" : "progress %s %g %s", what, now->done, now->unit, now->total);
    return number(call, what, now->done, 0);
}

/* ---- files */

struct ms_file {
    ms_test_entry *entry;
    size_t position;
    bool open;
};

ms_test_entry *ms_test_find(ms_test_entry *entries, ms_str key) {
    while (entries != NULL && !ms_eq(entries->key, key)) {
        entries = entries->next;
    }
    return entries;
}

ms_test_entry *ms_test_put_entry(ms_test_entry **entries, ms_str key, ms_bytes value) {
    ms_test_entry *entry = ms_test_find(*entries, key);
    if (entry == NULL) {
        entry = MS_NEW(host()->arena, ms_test_entry);
        entry->key = ms_dup(host()->arena, key);
        entry->next = *entries;
        *entries = entry;
    }
    entry->value = ms_dup(host()->arena, value);
    return entry;
}

/* What the key opens, as its table says. */
static ms_opens_kind opens(const ms_call *call, const char *key) {
    for (const ms_key *known = call->plugin->keys; known != NULL && known->name != NULL; known++) {
        if (strcmp(known->name, key) == 0) {
            return known->opens.kind;
        }
    }
    return MS_OPENS_NOTHING;
}

ms_status ms_file_open(ms_call *call, const char *key, ms_file **file) {
    ms_opens_kind kind = opens(call, key);
    *file = NULL;
    if (kind < MS_OPENS_READ_FILE || MS_OPENS_APPEND_FILE_OR_STDOUT < kind) {
        return ms_fail(call, MS_CONFIG, "the key %s opens no file: its row in the table has no .opens for one", key);
    }
    ms_test_entry *entry = ms_test_find(host()->files, ms_s(key));
    if (entry == NULL && (kind == MS_OPENS_READ_FILE || kind == MS_OPENS_READ_FILE_OR_STDIN)) {
        return MS_OK;
    }
    *file = MS_NEW(call->memory, ms_file);
    (*file)->entry = entry != NULL ? entry : ms_test_put_entry(&host()->files, ms_s(key), ms_s(""));
    (*file)->open = true;
    return MS_OK;
}

void ms_file_close(ms_file *file) { file->open = false; }

static ms_status usable(ms_call *call, const ms_file *file) {
    return file->open ? MS_OK : ms_fail(call, MS_FATAL, "a file was used after it was closed");
}

ms_status ms_file_read(ms_call *call, ms_file *file, uint32_t max, ms_bytes *bytes) {
    size_t left = file->entry->value.len < file->position ? 0 : file->entry->value.len - file->position;
    size_t len = max < left ? max : left;
    if (usable(call, file) != MS_OK) {
        return MS_FAILED;
    }
    *bytes = ms_dup(call->arena, ms_sn(file->entry->value.data + file->position, len));
    file->position += len;
    return MS_OK;
}

ms_status ms_file_size(ms_call *call, ms_file *file, uint64_t *size, bool *known) {
    *known = true;
    *size = file->entry->value.len;
    return usable(call, file);
}

ms_status ms_file_seek(ms_call *call, ms_file *file, uint64_t position) {
    file->position = (size_t)position;
    return usable(call, file);
}

ms_status ms_file_write(ms_call *call, ms_file *file, ms_bytes bytes) {
    if (usable(call, file) != MS_OK) {
        return MS_FAILED;
    }
    file->entry->value = ms_format(host()->arena, "%.*s%.*s", MS_ARG(file->entry->value), MS_ARG(bytes));
    return MS_OK;
}

ms_status ms_file_truncate(ms_call *call, ms_file *file, uint64_t length) {
    if (length < file->entry->value.len) {
        file->entry->value.len = (size_t)length;
    }
    return usable(call, file);
}

ms_status ms_file_sync(ms_call *call, ms_file *file) { return usable(call, file); }

bool ms_file_ends_rest(ms_file *file) { return file->open; }

/* ---- sources and connectors */

ms_status msh_read_offsets(ms_call *call, const ms_str *partitions, size_t count, ms_str *offsets) {
    for (size_t i = 0; i < count; i++) {
        ms_value asked, known;
        offsets[i] = ms_none();
        if (ms_from_json(call, partitions[i], &asked) != MS_OK) {
            return MS_FAILED;
        }
        for (const ms_test_entry *entry = host()->offsets; entry != NULL; entry = entry->next) {
            if (ms_from_json(call, entry->key, &known) == MS_OK && ms_value_equal(&asked, &known)) {
                offsets[i] = entry->value;
                break;
            }
        }
    }
    return MS_OK;
}

bool ms_transaction_available(void) { return host()->ends_transactions; }

void msh_set_boundaries(const ms_boundary *boundaries, size_t count) {
    for (size_t i = 0; host()->ends_transactions && i < count; i++) {
        const char *word = boundaries[i].commit ? "commit" : "abort";
        if (boundaries[i].behind == MS_BEHIND_ALL) {
            ms_test_hear("%s all", word);
        } else {
            ms_test_hear("%s %u", word, boundaries[i].behind);
        }
    }
}

void ms_request_task_reconfiguration(void) { ms_test_hear("reconfigure"); }

void msh_raise_error(const ms_error *error) { ms_test_hear("raise %.*s", MS_ARG(error->message)); }

/* ---- sinks */

size_t ms_assignment(ms_call *call, const ms_topic_partition **partitions) {
    (void)call;
    *partitions = host()->assignment;
    return host()->n_assignment;
}

void ms_seek(const ms_topic_offset *offsets, size_t count) {
    for (size_t i = 0; i < count; i++) {
        ms_test_hear("seek %.*s-%u@%llu", MS_ARG(offsets[i].topic), offsets[i].partition, (unsigned long long)offsets[i].offset);
    }
}

static ms_status each_partition(ms_call *call, const char *word, const ms_topic_partition *partitions, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t j = 0; j < host()->n_assignment; j++) {
            known = known || (host()->assignment[j].partition == partitions[i].partition && ms_eq(host()->assignment[j].topic, partitions[i].topic));
        }
        if (!known) {
            return ms_fail(call, MS_FATAL, "%.*s-%u is not assigned to the task", MS_ARG(partitions[i].topic), partitions[i].partition);
        }
        ms_test_hear("%s %.*s-%u", word, MS_ARG(partitions[i].topic), partitions[i].partition);
    }
    return MS_OK;
}

ms_status ms_pause(ms_call *call, const ms_topic_partition *partitions, size_t count) { return each_partition(call, "pause", partitions, count); }

ms_status ms_resume(ms_call *call, const ms_topic_partition *partitions, size_t count) { return each_partition(call, "resume", partitions, count); }

void ms_timeout(uint32_t ms) { ms_test_hear("timeout %u", ms); }

void ms_request_commit(void) { ms_test_hear("request-commit"); }

ms_status msh_report(ms_call *call, const ms_row_error *errors, size_t count) {
    if (host()->refusal != NULL) {
        return ms_fail(call, MS_FATAL, "%s", host()->refusal);
    }
    for (size_t i = 0; i < count; i++) {
        ms_test_hear("report %u %.*s", errors[i].row, MS_ARG(ms_row_message(call->arena, errors[i].error)));
    }
    return MS_OK;
}

ms_status ms_write_reports(ms_call *call, const char *key, const ms_topic_report *reports, size_t count) {
    if (opens(call, key) != MS_OPENS_TOPIC) {
        return ms_fail(call, MS_CONFIG, "the key %s opens no topic: its row in the table has no .opens for one", key);
    }
    if (10000 < count) {
        return ms_fail(call, MS_FATAL, "at most 10000 records can be written at a time, and these are %zu", count);
    }
    for (size_t i = 0; i < count; i++) {
        ms_test_hear("write %s %.*s", key, MS_ARG(reports[i].value));
    }
    return MS_OK;
}

/* ---- the lease */

static ms_status owned(ms_call *call, uint64_t epoch) {
    if (epoch != 0 && host()->epoch == epoch) {
        return MS_OK;
    }
    ms_fail(call, MS_FATAL, "the task is not the owner of its connector's lease");
    return ms_fail_class(call, "org.apache.kafka.common.errors.ProducerFencedException");
}

ms_status ms_lease_obtain(ms_call *call, uint64_t *epoch) {
    if (!call->plugin->wants_lease) {
        return ms_fail(call, MS_FATAL, "%s does not want the lease: its table has no .wants_lease", call->plugin->class_name);
    }
    *epoch = host()->own_lease ? host()->epoch : ++host()->epoch;
    host()->own_lease = true;
    return MS_OK;
}

ms_status ms_lease_confirm(ms_call *call, uint64_t epoch) { return owned(call, epoch); }

ms_status ms_lease_keys(ms_call *call, ms_strs *keys) {
    size_t count = 0;
    for (const ms_test_entry *entry = host()->kept; entry != NULL; entry = entry->next) {
        count += entry->value.data != NULL;
    }
    ms_str *found = MS_NEW_ARRAY(call->arena, ms_str, count);
    keys->items = found;
    keys->len = 0;
    for (const ms_test_entry *entry = host()->kept; entry != NULL; entry = entry->next) {
        if (entry->value.data == NULL) {
            continue;
        }
        size_t at = keys->len++;
        for (; at != 0 && strcmp(found[at - 1].data, entry->key.data) > 0; at--) {
            found[at] = found[at - 1];
        }
        found[at] = entry->key;
    }
    return MS_OK;
}

ms_status ms_lease_get(ms_call *call, const char *key, ms_bytes *value) {
    const ms_test_entry *entry = ms_test_find(host()->kept, ms_s(key));
    *value = entry == NULL ? ms_none() : ms_dup(call->arena, entry->value);
    return MS_OK;
}

ms_status ms_lease_write(ms_call *call, uint64_t epoch, const ms_key_change *changes, size_t count) {
    if (owned(call, epoch) != MS_OK) {
        return MS_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        ms_test_put_entry(&host()->kept, changes[i].key, changes[i].value);
    }
    return MS_OK;
}

/* ---- HTTP */

void msh_http_start(ms_call *call, const ms_http_request *request, bool is_secure, ms_str authority, ms_str path, ms_http_pending *pending) {
    (void)is_secure;
    (void)authority;
    (void)path;
    if (host()->server == NULL) {
        ms_http_of_host(call->arena, pending, ms_s("connect: the test has no server (ms_test_serve)"));
        return;
    }
    ms_http_response *answer = MS_NEW(call->arena, ms_http_response);
    const char *problem = host()->server(request, answer);
    if (problem != NULL) {
        ms_http_of_host(call->arena, pending, ms_s(problem));
        return;
    }
    pending->open = true;
    /* Answers of one call are few; the handle is the place among them. */
    if (host()->n_answers == MS_TEST_ANSWERS) {
        ms_panic("more than %d requests are under way in a test", MS_TEST_ANSWERS);
    }
    pending->handle = host()->n_answers;
    host()->answers[host()->n_answers++] = *answer;
}

bool msh_http_wait(ms_call *call, ms_http_pending *pending, ms_http_response *response) {
    (void)call;
    *response = host()->answers[pending->handle];
    pending->open = false;
    return true;
}
