/* Plugins at work in a test. */
#include "native.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

void ms_test_fail(const char *condition, const char *file, int line) {
    fprintf(stderr, "%s:%d: it is not so: %s\n", file, line, condition);
    if (ms_test_host != NULL) {
        fprintf(stderr, "--- the host heard:\n%.*s", MS_ARG(ms_test_host->heard));
    }
    exit(1);
}

void ms_test_check_text(ms_str found, const char *expected, const char *file, int line) {
    if (ms_is(found, expected)) {
        return;
    }
    fprintf(stderr, "%s:%d: found    %.*s\n%*s expected %s\n", file, line, MS_ARG(found), (int)strlen(file) + 3, "", expected);
    exit(1);
}

void ms_test_begin(void) {
    if (ms_test_host != NULL) {
        ms_test_end();
    }
    /* Components know the capitals of all letters; C libraries of other systems know them in a locale only. */
    setlocale(LC_CTYPE, "C.UTF-8");
    ms_arena *arena = ms_arena_new();
    ms_test_host = MS_NEW(arena, ms_test_state);
    ms_test_host->arena = arena;
    ms_test_host->call.arena = ms_test_host->call.memory = arena;
    ms_test_host->heard = ms_buf_in(arena);
}

void ms_test_end(void) {
    for (size_t i = 0; i < ms_test_host->n_plugins; i++) {
        ms_instance_drop(ms_test_host->plugins[i]);
    }
    ms_arena *arena = ms_test_host->arena;
    ms_test_host = NULL;
    ms_arena_free(arena);
}

ms_arena *ms_test_arena(void) { return ms_test_host->arena; }

ms_call *ms_test_call(void) {
    ms_test_host->call.error = NULL;
    memset(ms_test_host->call.seen, 0, sizeof ms_test_host->call.seen);
    return &ms_test_host->call;
}

static ms_settings settings_of(const char *const *texts) {
    size_t count = 0;
    while (texts != NULL && texts[count] != NULL) {
        count += 2;
    }
    ms_setting *items = MS_NEW_ARRAY(ms_test_host->arena, ms_setting, count / 2);
    for (size_t i = 0; i < count / 2; i++) {
        items[i].key = ms_s(texts[2 * i]);
        items[i].value = ms_s(texts[2 * i + 1]);
    }
    ms_settings settings = { items, count / 2 };
    return settings;
}

/* Failures outlive the call that they come from. */
static ms_error kept(const ms_error *error) {
    ms_arena *arena = ms_test_host->arena;
    ms_error copy = *error;
    ms_str *causes = MS_NEW_ARRAY(arena, ms_str, error->n_causes);
    copy.class_name = ms_dup(arena, error->class_name);
    copy.message = ms_dup(arena, error->message);
    copy.field = ms_dup(arena, error->field);
    for (size_t i = 0; i < error->n_causes; i++) {
        causes[i] = ms_dup(arena, error->causes[i]);
    }
    copy.causes = causes;
    return copy;
}

static ms_test_plugin *failed(const ms_error *failure, const char *class_name, ms_error *error) {
    if (error == NULL) {
        fprintf(stderr, "%s could not be made: %.*s\n", class_name, MS_ARG(failure->message));
        exit(1);
    }
    *error = kept(failure);
    return NULL;
}

static ms_test_plugin *remember(ms_instance *instance) {
    ms_test_state *host = ms_test_host;
    if (host->n_plugins == host->plugins_room) {
        size_t room = host->plugins_room == 0 ? 8 : host->plugins_room * 2;
        ms_instance **plugins = MS_NEW_ARRAY(host->arena, ms_instance *, room);
        if (host->n_plugins != 0) {
            memcpy(plugins, host->plugins, host->n_plugins * sizeof *plugins);
        }
        host->plugins = plugins;
        host->plugins_room = room;
    }
    host->plugins[host->n_plugins++] = instance;
    return instance;
}

ms_test_plugin *ms_test_task(ms_kind kind, const char *class_name, const char *const *settings, ms_error *error) {
    const ms_error *failure = NULL;
    ms_instance *instance = ms_instance_new(kind, ms_s(class_name), false, &failure);
    if (instance == NULL) {
        return failed(failure, class_name, error);
    }
    remember(instance);
    if (ms_do_start(instance, settings_of(settings)) != MS_OK) {
        return failed(instance->call.error, class_name, error);
    }
    ms_end(instance);
    return instance;
}

ms_test_plugin *ms_test_predicate(const char *class_name, const char *const *settings, ms_error *error) {
    const ms_error *failure = NULL;
    ms_instance *instance = ms_configured(MS_PREDICATE, ms_s(class_name), settings_of(settings), MS_FOR_KEY, &failure);
    return instance == NULL ? failed(failure, class_name, error) : remember(instance);
}

ms_test_plugin *ms_test_converter(const char *class_name, ms_role_of_converter role, const char *const *settings, ms_error *error) {
    const ms_error *failure = NULL;
    ms_instance *instance = ms_configured(MS_CONVERTER, ms_s(class_name), settings_of(settings), role, &failure);
    return instance == NULL ? failed(failure, class_name, error) : remember(instance);
}

/* ---- batches */

/* The bytes of a batch, as the host would pass it. */
static ms_bytes batch_of(const ms_record *records, size_t count) {
    ms_call *call = ms_test_call();
    ms_collector *collector = ms_collector_new(call->arena);
    ms_batch *batch = ms_batch_new(call->arena, 0);
    for (size_t i = 0; i < count; i++) {
        if (ms_push(call, collector, &records[i]) != MS_OK) {
            fprintf(stderr, "record %zu of the test cannot be put into a batch: %.*s\n", i, MS_ARG(call->error->message));
            exit(1);
        }
    }
    if (ms_collector_batch(call, collector, &batch) != MS_OK) {
        fprintf(stderr, "records of the test make no batch: %.*s\n", MS_ARG(call->error->message));
        exit(1);
    }
    bool has_offsets = count != 0 && records[0].has_offset;
    int64_t *offsets = MS_NEW_ARRAY(call->arena, int64_t, count);
    for (size_t i = 0; i < count; i++) {
        offsets[i] = records[i].offset;
    }
    if (has_offsets) {
        ms_batch_set(batch, MS_ROLE_OFFSET, ms_column_integers(call->arena, MS_COL_INT64, offsets, NULL, (uint32_t)count));
    }
    ms_bytes bytes = ms_batch_write(batch == NULL ? ms_batch_new(call->arena, 0) : batch);
    ms_defer(ms_test_host->arena, free, (void *)(uintptr_t)bytes.data);
    return bytes;
}

static void read_batch(ms_bytes bytes, ms_test_outcome *outcome) {
    ms_call *call = ms_test_call();
    ms_batch *batch;
    const char *refusal = ms_test_refuse_batch(call->arena, bytes);
    if (refusal != NULL || ms_batch_open(call, bytes, &batch) != MS_OK) {
        fprintf(stderr, "the plugin made a batch that the host refuses: %s\n", refusal != NULL ? refusal : "it cannot be opened");
        exit(1);
    }
    ms_record *records = MS_NEW_ARRAY(call->arena, ms_record, ms_batch_rows(batch));
    for (uint32_t row = 0; row < ms_batch_rows(batch); row++) {
        if (ms_batch_is_selected(batch, row)) {
            records[outcome->n_records++] = ms_row_record(batch, row);
        }
    }
    outcome->records = records;
}

/* The bytes that a plugin made are freed with the test. */
static void take_batch(ms_bytes bytes, ms_test_outcome *outcome) {
    ms_defer(ms_test_host->arena, free, (void *)(uintptr_t)bytes.data);
    read_batch(bytes, outcome);
}

static ms_test_outcome ended(ms_instance *instance, ms_status status) {
    ms_test_outcome outcome;
    memset(&outcome, 0, sizeof outcome);
    outcome.status = status;
    if (status != MS_OK) {
        outcome.error = kept(instance->call.error);
    }
    return outcome;
}

static void keep_errors(const ms_outcome *made, ms_test_outcome *outcome) {
    ms_row_error *errors = MS_NEW_ARRAY(ms_test_host->arena, ms_row_error, made->n_errors);
    for (size_t i = 0; i < made->n_errors; i++) {
        ms_error *error = MS_NEW(ms_test_host->arena, ms_error);
        *error = kept(made->errors[i].error);
        errors[i] = made->errors[i];
        errors[i].error = error;
    }
    outcome->errors = errors;
    outcome->n_errors = made->n_errors;
}

/* ---- calls */

ms_test_outcome ms_test_poll(ms_test_plugin *task, ms_poll_limits limits) {
    ms_bytes batch;
    ms_test_outcome outcome = ended(task, ms_do_poll(task, &limits, &batch));
    ms_end(task);
    if (outcome.status == MS_OK && batch.data != NULL) {
        take_batch(batch, &outcome);
    }
    return outcome;
}

ms_test_outcome ms_test_open(ms_test_plugin *task, const ms_topic_partition *partitions, size_t count) {
    ms_test_outcome outcome = ended(task, ms_do_open(task, partitions, count));
    ms_end(task);
    return outcome;
}

ms_test_outcome ms_test_put(ms_test_plugin *task, const ms_record *records, size_t count) {
    ms_test_outcome outcome = ended(task, ms_do_put(task, batch_of(records, count)));
    ms_end(task);
    return outcome;
}

ms_test_outcome ms_test_flush(ms_test_plugin *task) {
    bool all;
    ms_commit commit;
    ms_test_outcome outcome = ended(task, ms_do_pre_commit(task, NULL, 0, &all, &commit));
    ms_end(task);
    return outcome;
}

ms_test_outcome ms_test_stop(ms_test_plugin *task) {
    ms_test_outcome outcome = ended(task, ms_do_stop(task));
    ms_end(task);
    return outcome;
}

ms_test_outcome ms_test_holds(ms_test_plugin *predicate, const ms_record *records, size_t count, bool *holds) {
    uint8_t *bits;
    size_t len;
    ms_outcome made;
    ms_test_outcome outcome = ended(predicate, ms_do_test(predicate, batch_of(records, count), &bits, &len, &made));
    for (size_t i = 0; outcome.status == MS_OK && i < count; i++) {
        holds[i] = ms_bit(bits, (uint32_t)i);
    }
    keep_errors(&made, &outcome);
    ms_end(predicate);
    return outcome;
}

ms_test_outcome ms_test_convert(ms_test_plugin *converter, bool to_connect, const ms_record *records, size_t count) {
    ms_outcome made;
    ms_bytes bytes = batch_of(records, count);
    ms_test_outcome outcome = ended(converter, ms_do_convert(converter, bytes, to_connect, &made));
    keep_errors(&made, &outcome);
    ms_end(converter);
    outcome.changed = made.changed.data != NULL;
    if (outcome.changed) {
        take_batch(made.changed, &outcome);
    }
    return outcome;
}

ms_test_outcome ms_test_transform(const ms_test_link *links, size_t n_links, const uint8_t *only, const ms_record *records, size_t count) {
    ms_link *given = MS_NEW_ARRAY(ms_test_host->arena, ms_link, n_links);
    ms_test_outcome outcome;
    const ms_error *error = NULL;
    uint32_t at;
    memset(&outcome, 0, sizeof outcome);
    for (size_t i = 0; i < n_links; i++) {
        given[i].class_name = ms_s(links[i].class_name);
        given[i].settings = settings_of(links[i].settings);
        given[i].has_condition = links[i].predicate != NULL;
        given[i].negate = links[i].negate;
        given[i].predicate = ms_s(links[i].predicate);
        given[i].predicate_settings = settings_of(links[i].predicate_settings);
    }
    ms_chain *chain = ms_chain_new(given, n_links, &at, &error);
    ms_outcome made;
    ms_bytes bytes = batch_of(records, count);
    memset(&made, 0, sizeof made);
    outcome.status = chain == NULL ? MS_FAILED : ms_chain_apply(chain, bytes, only, &made, &error);
    if (outcome.status != MS_OK) {
        outcome.error = kept(error);
    }
    keep_errors(&made, &outcome);
    ms_chain_drop(chain);
    outcome.changed = made.changed.data != NULL;
    if (outcome.status == MS_OK && outcome.changed) {
        take_batch(made.changed, &outcome);
    } else if (outcome.status == MS_OK) {
        read_batch(bytes, &outcome);
    }
    return outcome;
}

ms_str ms_test_describe(void) { return ms_describe(ms_test_host->arena, ms_component_plugins); }

ms_test_outcome ms_test_validate(ms_kind kind, const char *class_name, const char *const *settings, ms_str *json) {
    const ms_error *failure = NULL;
    ms_instance *instance = ms_instance_new(kind, ms_s(class_name), true, &failure);
    if (instance == NULL) {
        failed(failure, class_name, NULL);
    }
    remember(instance);
    ms_test_outcome outcome = ended(instance, ms_do_validate(instance, settings_of(settings), json));
    *json = ms_dup(ms_test_host->arena, *json);
    return outcome;
}

ms_test_outcome ms_test_task_configs(ms_kind kind, const char *class_name, const char *const *settings, uint32_t max_tasks, const ms_str **shown) {
    const ms_error *failure = NULL;
    ms_instance *instance = ms_instance_new(kind, ms_s(class_name), true, &failure);
    if (instance == NULL) {
        failed(failure, class_name, NULL);
    }
    remember(instance);
    ms_test_outcome outcome = ended(instance, ms_do_connector_start(instance, settings_of(settings)));
    if (outcome.status != MS_OK) {
        return outcome;
    }
    ms_task_configs configs;
    outcome = ended(instance, ms_do_task_configs(instance, max_tasks, &configs));
    ms_str *texts = MS_NEW_ARRAY(ms_test_host->arena, ms_str, configs.len);
    for (size_t i = 0; i < configs.len; i++) {
        ms_buf buf = ms_buf_in(ms_test_host->arena);
        for (size_t j = 0; j < configs.items[i].len; j++) {
            ms_buf_format(&buf, "%s%.*s=%.*s", j == 0 ? "" : ",", MS_ARG(configs.items[i].items[j].key), MS_ARG(configs.items[i].items[j].value));
        }
        texts[i] = ms_buf_done(&buf);
    }
    *shown = texts;
    outcome.n_records = configs.len;
    return outcome;
}

/* ---- the host's side */

void ms_test_file(const char *key, ms_bytes content) { ms_test_put_entry(&ms_test_host->files, ms_s(key), content); }

ms_bytes ms_test_file_content(const char *key) {
    const ms_test_entry *entry = ms_test_find(ms_test_host->files, ms_s(key));
    return entry == NULL ? ms_none() : entry->value;
}

void ms_test_store_offset(const char *partition, const char *offset) {
    ms_test_put_entry(&ms_test_host->offsets, ms_s(partition), ms_s(offset));
}

void ms_test_ask_to_stop(void) { ms_test_host->stopping = true; }

void ms_test_let_end_transactions(void) { ms_test_host->ends_transactions = true; }

void ms_test_assign(const ms_topic_partition *partitions, size_t count) {
    ms_test_host->assignment = MS_NEW_ARRAY(ms_test_host->arena, ms_topic_partition, count);
    ms_test_host->n_assignment = count;
    for (size_t i = 0; i < count; i++) {
        ms_test_host->assignment[i].topic = ms_dup(ms_test_host->arena, partitions[i].topic);
        ms_test_host->assignment[i].partition = partitions[i].partition;
    }
}

void ms_test_refuse_reports(const char *message) { ms_test_host->refusal = message; }

void ms_test_take_lease(void) {
    ms_test_host->epoch += 1;
    ms_test_host->own_lease = false;
}

ms_bytes ms_test_kept(const char *key) {
    const ms_test_entry *entry = ms_test_find(ms_test_host->kept, ms_s(key));
    return entry == NULL ? ms_none() : entry->value;
}

void ms_test_keep(const char *key, ms_bytes value) { ms_test_put_entry(&ms_test_host->kept, ms_s(key), value); }

void ms_test_serve(ms_test_server server) { ms_test_host->server = server; }

ms_str ms_test_heard(void) { return ms_buf_done(&ms_test_host->heard); }

void ms_test_forget(void) { ms_test_host->heard = ms_buf_in(ms_test_host->arena); }
