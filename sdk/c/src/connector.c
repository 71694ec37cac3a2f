/* Sources and sinks: connectors, which divide the work, and tasks. */
#include "component.h"

void ms_problem(ms_problems *problems, const char *key, const char *format, ...) {
    if (problems->len == problems->room) {
        size_t room = problems->room == 0 ? 8 : problems->room * 2;
        struct ms_problem_entry *items = MS_NEW_ARRAY(problems->arena, struct ms_problem_entry, room);
        if (problems->len != 0) {
            memcpy(items, problems->items, problems->len * sizeof *items);
        }
        problems->items = items;
        problems->room = room;
    }
    va_list arguments;
    va_start(arguments, format);
    problems->items[problems->len].text = ms_vformat(problems->arena, format, arguments);
    va_end(arguments);
    problems->items[problems->len++].key = ms_dup(problems->arena, ms_s(key));
}

/* A list of keys at fault, each once with all its texts. */
static ms_str problems_json(const ms_problems *problems) {
    ms_buf buf = ms_buf_in(problems->arena);
    bool first = true;
    ms_buf_char(&buf, '[');
    for (size_t i = 0; i < problems->len; i++) {
        bool known = false;
        for (size_t j = 0; j < i; j++) {
            known = known || ms_eq(problems->items[j].key, problems->items[i].key);
        }
        if (known) {
            continue;
        }
        ms_buf_text(&buf, first ? "{\"name\":" : ",{\"name\":");
        first = false;
        ms_buf_json(&buf, problems->items[i].key);
        ms_buf_text(&buf, ",\"errors\":[");
        for (size_t j = i; j < problems->len; j++) {
            if (ms_eq(problems->items[j].key, problems->items[i].key)) {
                ms_buf_text(&buf, j == i ? "" : ",");
                ms_buf_json(&buf, problems->items[j].text);
            }
        }
        ms_buf_text(&buf, "]}");
    }
    ms_buf_char(&buf, ']');
    return ms_buf_done(&buf);
}

static bool is_source(const ms_instance *instance) { return instance->call.plugin->kind == MS_SOURCE; }

/* What was answered with; a failure without words gets some. */
static ms_status answered(ms_call *call, ms_status status, const char *during) {
    if (status == MS_OK) {
        return MS_OK;
    }
    ms_failure(call, during);
    return MS_FAILED;
}

static ms_status not_started(ms_call *call) {
    ms_fail(call, MS_FATAL, "called before it was started");
    return ms_fail_class(call, "java.lang.IllegalStateException");
}

/* Settings that may be wrong stand in the configuration for one call. */
static void show(ms_instance *instance, ms_settings settings) { instance->call.config = ms_config_of(instance->call.arena, settings.items, settings.len); }

static void hide(ms_instance *instance) { instance->call.config = instance->own_config; }

ms_status ms_do_validate(ms_instance *instance, ms_settings settings, ms_str *json) {
    ms_call *call = ms_begin(instance);
    const ms_plugin *plugin = call->plugin;
    ms_problems problems = { call->arena, NULL, 0, 0 };
    /* Parsed values are kept as long as the instance's memory otherwise. */
    ms_arena *memory = call->memory;
    call->memory = call->arena;
    ms_config_run_checks(call, plugin, settings.items, settings.len, &problems);
    call->memory = memory;
    ms_status (*validate)(ms_call *, ms_problems *) = is_source(instance) ? plugin->source->validate : plugin->sink->validate;
    show(instance, settings);
    ms_status status = validate == NULL ? MS_OK : answered(call, validate(call, &problems), "validate");
    hide(instance);
    *json = problems_json(&problems);
    return status;
}

ms_status ms_do_connector_start(ms_instance *instance, ms_settings settings) {
    ms_call *call = ms_begin(instance);
    const ms_plugin *plugin = call->plugin;
    if (ms_config_parse(call, plugin, settings.items, settings.len, &instance->own_config) != MS_OK) {
        return MS_FAILED;
    }
    hide(instance);
    ms_status (*start)(ms_call *) = is_source(instance) ? plugin->source->connector_start : plugin->sink->connector_start;
    return start == NULL ? MS_OK : answered(call, start(call), "start");
}

void ms_add_task_config(ms_task_configs *configs) {
    if (configs->max <= configs->len) {
        configs->too_many = true;
        return;
    }
    if (configs->len == configs->room) {
        size_t room = configs->room == 0 ? 8 : configs->room * 2;
        ms_settings *items = MS_NEW_ARRAY(configs->arena, ms_settings, room);
        if (configs->len != 0) {
            memcpy(items, configs->items, configs->len * sizeof *items);
        }
        configs->items = items;
        configs->room = room;
    }
    configs->items[configs->len].items = configs->own->settings;
    configs->items[configs->len++].len = configs->own->n_settings;
}

void ms_set_task_config(ms_task_configs *configs, const char *key, ms_str value) {
    if (configs->len == 0 || configs->too_many) {
        return;
    }
    ms_settings *last = &configs->items[configs->len - 1];
    ms_setting *settings = MS_NEW_ARRAY(configs->arena, ms_setting, last->len + 1);
    size_t count = 0;
    for (size_t i = 0; i < last->len; i++) {
        if (!ms_is(last->items[i].key, key)) {
            settings[count++] = last->items[i];
        }
    }
    if (value.data != NULL) {
        settings[count].key = ms_dup(configs->arena, ms_s(key));
        settings[count++].value = ms_dup(configs->arena, value);
    }
    last->items = settings;
    last->len = count;
}

ms_status ms_do_task_configs(ms_instance *instance, uint32_t max_tasks, ms_task_configs *configs) {
    ms_call *call = ms_begin(instance);
    const ms_plugin *plugin = call->plugin;
    memset(configs, 0, sizeof *configs);
    configs->arena = call->arena;
    configs->own = call->config;
    configs->max = max_tasks;
    ms_status (*task_configs)(ms_call *, uint32_t, ms_task_configs *) = is_source(instance) ? plugin->source->task_configs : plugin->sink->task_configs;
    if (task_configs == NULL) {
        for (uint32_t i = 0; i < (is_source(instance) && max_tasks != 0 ? 1 : max_tasks); i++) {
            ms_add_task_config(configs);
        }
        return MS_OK;
    }
    if (answered(call, task_configs(call, max_tasks, configs), "task_configs") != MS_OK) {
        return MS_FAILED;
    }
    return configs->too_many ? ms_fail(call, MS_FATAL, "task_configs made more than the %u configurations that are allowed", max_tasks) : MS_OK;
}

ms_status ms_do_connector_stop(ms_instance *instance) {
    ms_call *call = ms_begin(instance);
    ms_status (*stop)(ms_call *) = is_source(instance) ? call->plugin->source->connector_stop : call->plugin->sink->connector_stop;
    return stop == NULL ? MS_OK : answered(call, stop(call), "stop");
}

static ms_status support(ms_instance *instance, ms_settings settings, ms_status (*ask)(ms_call *, ms_support *), ms_support *answer) {
    ms_call *call = ms_begin(instance);
    show(instance, settings);
    ms_status status = ask == NULL ? MS_OK : answered(call, ask(call, answer), "a question about support");
    hide(instance);
    return status;
}

ms_status ms_do_exactly_once(ms_instance *instance, ms_settings settings, ms_support *answer) {
    *answer = MS_UNKNOWN;
    return support(instance, settings, instance->call.plugin->source->exactly_once_support, answer);
}

ms_status ms_do_boundaries(ms_instance *instance, ms_settings settings, ms_support *answer) {
    *answer = MS_UNSUPPORTED;
    return support(instance, settings, instance->call.plugin->source->transaction_boundaries, answer);
}

ms_status ms_do_alter_source(ms_instance *instance, ms_settings settings, const ms_str *partitions, const ms_str *offsets, size_t count, bool *done) {
    ms_call *call = ms_begin(instance);
    const ms_source *source = call->plugin->source;
    *done = false;
    if (source->alter_offsets == NULL) {
        return MS_OK;
    }
    ms_offset_change *changes = MS_NEW_ARRAY(call->arena, ms_offset_change, count);
    for (size_t i = 0; i < count; i++) {
        changes[i].offset = ms_null();
        if (ms_from_json(call, partitions[i], &changes[i].partition) != MS_OK ||
            (offsets[i].data != NULL && ms_from_json(call, offsets[i], &changes[i].offset) != MS_OK)) {
            return MS_FAILED;
        }
    }
    show(instance, settings);
    ms_status status = answered(call, source->alter_offsets(call, changes, count, done), "alter_offsets");
    hide(instance);
    return status;
}

ms_status ms_do_alter_sink(ms_instance *instance, ms_settings settings, const ms_topic_offset_change *changes, size_t count, bool *done) {
    ms_call *call = ms_begin(instance);
    const ms_sink *sink = call->plugin->sink;
    *done = false;
    if (sink->alter_offsets == NULL) {
        return MS_OK;
    }
    show(instance, settings);
    ms_status status = answered(call, sink->alter_offsets(call, changes, count, done), "alter_offsets");
    hide(instance);
    return status;
}

/* ---- tasks */

ms_status ms_do_start(ms_instance *instance, ms_settings settings) {
    ms_call *call = ms_begin(instance);
    if (ms_config_parse(call, call->plugin, settings.items, settings.len, &instance->own_config) != MS_OK) {
        return MS_FAILED;
    }
    hide(instance);
    /* What a start has begun is dropped also where it fails. */
    instance->started = true;
    ms_status (*start)(ms_call *) = is_source(instance) ? call->plugin->source->start : call->plugin->sink->start;
    return start == NULL ? MS_OK : answered(call, start(call), "start");
}

ms_status ms_do_poll(ms_instance *instance, const ms_poll_limits *limits, ms_bytes *batch) {
    ms_call *call = ms_begin(instance);
    *batch = ms_none();
    if (!instance->started) {
        return not_started(call);
    }
    ms_collector *collector = ms_collector_new(call->arena);
    ms_batch *made = NULL;
    ms_status status = answered(call, call->plugin->source->poll(call, limits, collector), "poll");
    if (status == MS_OK) {
        status = ms_collector_batch(call, collector, &made);
    }
    ms_hand_over_boundaries(status == MS_OK);
    if (status == MS_OK && made != NULL) {
        *batch = ms_batch_write(made);
    }
    return status;
}

ms_status ms_do_committed(ms_instance *instance, ms_bytes rows) {
    ms_call *call = ms_begin(instance);
    const ms_source *source = call->plugin->source;
    ms_batch *batch;
    if (!instance->started) {
        return not_started(call);
    }
    if (source->committed == NULL) {
        return MS_OK;
    }
    if (ms_batch_open(call, rows, &batch) != MS_OK) {
        return MS_FAILED;
    }
    return answered(call, source->committed(call, ms_records_new(call, batch)), "committed");
}

ms_status ms_do_commit(ms_instance *instance) {
    ms_call *call = ms_begin(instance);
    if (!instance->started) {
        return not_started(call);
    }
    return call->plugin->source->commit == NULL ? MS_OK : answered(call, call->plugin->source->commit(call), "commit");
}

ms_status ms_do_open(ms_instance *instance, const ms_topic_partition *partitions, size_t count) {
    ms_call *call = ms_begin(instance);
    if (!instance->started) {
        return not_started(call);
    }
    return call->plugin->sink->open == NULL ? MS_OK : answered(call, call->plugin->sink->open(call, partitions, count), "open");
}

ms_status ms_do_put(ms_instance *instance, ms_bytes bytes) {
    ms_call *call = ms_begin(instance);
    ms_batch *batch;
    if (!instance->started) {
        return not_started(call);
    }
    if (ms_batch_open(call, bytes, &batch) != MS_OK) {
        return MS_FAILED;
    }
    ms_records *records = ms_records_new(call, batch);
    if (answered(call, call->plugin->sink->put(call, records), "put") != MS_OK) {
        return MS_FAILED;
    }
    return ms_report(records);
}

void ms_commit_all(ms_commit *commit) { commit->all = true; }

void ms_commit_offset(ms_commit *commit, ms_str topic, uint32_t partition, uint64_t offset) {
    if (commit->len == commit->room) {
        size_t room = commit->room == 0 ? 8 : commit->room * 2;
        ms_topic_offset *items = MS_NEW_ARRAY(commit->arena, ms_topic_offset, room);
        if (commit->len != 0) {
            memcpy(items, commit->items, commit->len * sizeof *items);
        }
        commit->items = items;
        commit->room = room;
    }
    ms_topic_offset *item = &commit->items[commit->len++];
    item->topic = ms_dup(commit->arena, topic);
    item->partition = partition;
    item->offset = offset;
}

ms_status ms_do_pre_commit(ms_instance *instance, const ms_topic_offset *offsets, size_t count, bool *all, ms_commit *commit) {
    ms_call *call = ms_begin(instance);
    const ms_sink *sink = call->plugin->sink;
    memset(commit, 0, sizeof *commit);
    commit->arena = call->arena;
    *all = sink->pre_commit == NULL;
    if (!instance->started) {
        return not_started(call);
    }
    if (sink->pre_commit != NULL) {
        ms_status status = answered(call, sink->pre_commit(call, offsets, count, commit), "pre_commit");
        *all = commit->all;
        return status;
    }
    return sink->flush == NULL ? MS_OK : answered(call, sink->flush(call), "flush");
}

ms_status ms_do_close(ms_instance *instance, const ms_topic_partition *partitions, size_t count) {
    ms_call *call = ms_begin(instance);
    if (!instance->started) {
        return not_started(call);
    }
    return call->plugin->sink->close == NULL ? MS_OK : answered(call, call->plugin->sink->close(call, partitions, count), "close");
}

ms_status ms_do_stop(ms_instance *instance) {
    ms_call *call = ms_begin(instance);
    if (!instance->started) {
        return MS_OK;
    }
    ms_status (*stop)(ms_call *) = is_source(instance) ? call->plugin->source->stop : call->plugin->sink->stop;
    return stop == NULL ? MS_OK : answered(call, stop(call), "stop");
}
