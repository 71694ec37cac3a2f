/* The exports that connectors and tasks are called by. Every argument belongs to the export, which frees it. */
#include "exports.h"

/* Named by MS_COMPONENT, so that a linker takes the exports out of the archive. */
extern const char ms_component_type;
extern const char ms_more_exports;
const void *const ms_exports[] = { &ms_component_type, &ms_more_exports };

ms_settings ms_settings_of(ms_arena *arena, const millstream_connect_types_config_t *config) {
    ms_setting *items = MS_NEW_ARRAY(arena, ms_setting, config->len);
    for (size_t i = 0; i < config->len; i++) {
        items[i].key = ms_lent(&config->ptr[i].f0);
        items[i].value = config->ptr[i].f1.is_some ? ms_lent(&config->ptr[i].f1.val) : ms_none();
    }
    ms_settings settings = { items, config->len };
    return settings;
}

bool ms_gave_up(ms_instance *instance, millstream_connect_types_error_t *err) {
    ms_give_error(err, ms_failure(&instance->call, "a call"), instance->call.arena);
    ms_end(instance);
    return false;
}

bool ms_done(ms_instance *instance) {
    ms_end(instance);
    return true;
}

void ms_give_configs(const ms_task_configs *configs, millstream_connect_types_config_t **ptr, size_t *len) {
    *len = configs->len;
    *ptr = ms_give_memory(configs->len * sizeof **ptr);
    for (size_t i = 0; i < configs->len; i++) {
        const ms_settings *settings = &configs->items[i];
        millstream_connect_types_config_t *config = &(*ptr)[i];
        config->len = settings->len;
        config->ptr = ms_give_memory(settings->len * sizeof *config->ptr);
        for (size_t j = 0; j < settings->len; j++) {
            config->ptr[j].f0 = ms_give(settings->items[j].key);
            config->ptr[j].f1.is_some = settings->items[j].value.data != NULL;
            config->ptr[j].f1.val = ms_give(settings->items[j].value);
        }
    }
}

/* A call that takes a configuration and answers with nothing, or with what `answer` does. */
#define WITH_CONFIG(instance, config, work, answer) \
    ms_instance *self_ = (instance);                                                               \
    ms_settings settings = ms_settings_of(self_->call.arena, (config));                            \
    bool ok = (work) == MS_OK; \
    millstream_connect_types_config_free(config);                                                  \
    if (!ok) {                                                                                     \
        return ms_gave_up(self_, err);                                                             \
    }                                                                                              \
    answer;                                                                                        \
    return ms_done(self_)

#define PLAIN(instance, work) \
    ms_instance *self_ = (instance);                          \
    return (work) == MS_OK ? ms_done(self_) : ms_gave_up(self_, err)

#define INSTANCE(self) ((ms_instance *)(self))

static ms_instance *create(ms_kind kind, c_plugin_string_t *class_, bool is_connector, millstream_connect_types_error_t *err) {
    const ms_error *error = NULL;
    ms_instance *instance = ms_instance_new(kind, ms_lent(class_), is_connector, &error);
    c_plugin_string_free(class_);
    if (instance == NULL) {
        ms_arena *arena = ms_arena_new();
        ms_give_error(err, error, arena);
        ms_arena_free(arena);
    }
    return instance;
}

/* Both sides have connectors and tasks that are made, checked, started and stopped alike. */
#define CONNECTORS_AND_TASKS(API, kind, connector, task)                                                                                  \
    bool API(static_##connector##_create)(c_plugin_string_t * class_, API(own_##connector##_t) * ret, API(error_t) * err) {               \
        ms_instance *instance = create(kind, class_, true, err);                                                                          \
        if (instance == NULL) {                                                                                                           \
            return false;                                                                                                                 \
        }                                                                                                                                 \
        *ret = API(connector##_new)((API(connector##_t) *)instance);                                                                      \
        return true;                                                                                                                      \
    }                                                                                                                                     \
    bool API(static_##task##_create)(c_plugin_string_t * class_, API(own_##task##_t) * ret, API(error_t) * err) {                         \
        ms_instance *instance = create(kind, class_, false, err);                                                                         \
        if (instance == NULL) {                                                                                                           \
            return false;                                                                                                                 \
        }                                                                                                                                 \
        *ret = API(task##_new)((API(task##_t) *)instance);                                                                                \
        return true;                                                                                                                      \
    }                                                                                                                                     \
    void API(connector##_destructor)(API(connector##_t) * rep) { ms_instance_drop(INSTANCE(rep)); }                                       \
    void API(task##_destructor)(API(task##_t) * rep) { ms_instance_drop(INSTANCE(rep)); }                                                 \
    bool API(method_##connector##_validate)(API(borrow_##connector##_t) self, API(config_t) * config, c_plugin_string_t * ret,            \
                                            API(error_t) * err) {                                                                         \
        ms_str json;                                                                                                                      \
        WITH_CONFIG(INSTANCE(self), config, ms_do_validate(self_, settings, &json), *ret = ms_give(json));                                \
    }                                                                                                                                     \
    bool API(method_##connector##_start)(API(borrow_##connector##_t) self, API(config_t) * config, API(error_t) * err) {                  \
        WITH_CONFIG(INSTANCE(self), config, ms_do_connector_start(self_, settings), );                                                    \
    }                                                                                                                                     \
    bool API(method_##connector##_task_configs)(API(borrow_##connector##_t) self, uint32_t max_tasks, API(list_config_t) * ret,           \
                                                API(error_t) * err) {                                                                     \
        ms_task_configs configs;                                                                                                          \
        ms_instance *instance = INSTANCE(self);                                                                                           \
        if (ms_do_task_configs(instance, max_tasks, &configs) != MS_OK) {                                                                 \
            return ms_gave_up(instance, err);                                                                                             \
        }                                                                                                                                 \
        ms_give_configs(&configs, &ret->ptr, &ret->len);                                                                                  \
        return ms_done(instance);                                                                                                         \
    }                                                                                                                                     \
    bool API(method_##connector##_stop)(API(borrow_##connector##_t) self, API(error_t) * err) {                                           \
        PLAIN(INSTANCE(self), ms_do_connector_stop(self_));                                                                               \
    }                                                                                                                                     \
    bool API(method_##task##_start)(API(borrow_##task##_t) self, API(config_t) * config, API(error_t) * err) {                            \
        WITH_CONFIG(INSTANCE(self), config, ms_do_start(self_, settings), );                                                              \
    }                                                                                                                                     \
    bool API(method_##task##_stop)(API(borrow_##task##_t) self, API(error_t) * err) { PLAIN(INSTANCE(self), ms_do_stop(self_)); }

CONNECTORS_AND_TASKS(SOURCE, MS_SOURCE, source_connector, source_task)
CONNECTORS_AND_TASKS(SINK, MS_SINK, sink_connector, sink_task)

/* ---- sources */

bool SOURCE(method_source_connector_exactly_once_support)(SOURCE(borrow_source_connector_t) self, SOURCE(config_t) * config, SOURCE(support_t) * ret,
                                                          SOURCE(error_t) * err) {
    ms_support support;
    WITH_CONFIG(INSTANCE(self), config, ms_do_exactly_once(self_, settings, &support), *ret = (uint8_t)support);
}

bool SOURCE(method_source_connector_can_define_transaction_boundaries)(SOURCE(borrow_source_connector_t) self, SOURCE(config_t) * config,
                                                                       SOURCE(support_t) * ret, SOURCE(error_t) * err) {
    ms_support support;
    WITH_CONFIG(INSTANCE(self), config, ms_do_boundaries(self_, settings, &support), *ret = (uint8_t)support);
}

bool SOURCE(method_source_connector_alter_offsets)(SOURCE(borrow_source_connector_t) self, SOURCE(config_t) * config,
                                                   c_plugin_list_tuple2_string_option_string_t *offsets, bool *ret, SOURCE(error_t) * err) {
    ms_instance *instance = INSTANCE(self);
    ms_settings settings = ms_settings_of(instance->call.arena, config);
    ms_str *partitions = MS_NEW_ARRAY(instance->call.arena, ms_str, offsets->len);
    ms_str *values = MS_NEW_ARRAY(instance->call.arena, ms_str, offsets->len);
    for (size_t i = 0; i < offsets->len; i++) {
        partitions[i] = ms_lent(&offsets->ptr[i].f0);
        values[i] = offsets->ptr[i].f1.is_some ? ms_lent(&offsets->ptr[i].f1.val) : ms_none();
    }
    ms_status status = ms_do_alter_source(instance, settings, partitions, values, offsets->len, ret);
    SOURCE(config_free)(config);
    c_plugin_list_tuple2_string_option_string_free(offsets);
    return status == MS_OK ? ms_done(instance) : ms_gave_up(instance, err);
}

bool SOURCE(method_source_task_poll)(SOURCE(borrow_source_task_t) self, SOURCE(poll_limits_t) * limits, SOURCE(option_batch_t) * ret,
                                     SOURCE(error_t) * err) {
    ms_instance *instance = INSTANCE(self);
    ms_poll_limits given = { limits->max_records, limits->max_bytes, limits->max_wait_ms };
    ms_bytes batch;
    if (ms_do_poll(instance, &given, &batch) != MS_OK) {
        return ms_gave_up(instance, err);
    }
    ret->is_some = batch.data != NULL;
    ret->val.ptr = (uint8_t *)(uintptr_t)batch.data;
    ret->val.len = batch.len;
    return ms_done(instance);
}

bool SOURCE(method_source_task_committed)(SOURCE(borrow_source_task_t) self, SOURCE(batch_t) * rows, SOURCE(error_t) * err) {
    ms_instance *instance = INSTANCE(self);
    bool ok = ms_do_committed(instance, ms_sn(rows->ptr, rows->len)) == MS_OK;
    ok = ok ? ms_done(instance) : ms_gave_up(instance, err);
    SOURCE(batch_free)(rows);
    return ok;
}

bool SOURCE(method_source_task_commit)(SOURCE(borrow_source_task_t) self, SOURCE(error_t) * err) { PLAIN(INSTANCE(self), ms_do_commit(self_)); }

/* ---- sinks */

bool SINK(method_sink_connector_alter_offsets)(SINK(borrow_sink_connector_t) self, SINK(config_t) * config,
                                               SINK(list_tuple2_topic_partition_option_topic_offset_t) * offsets, bool *ret, SINK(error_t) * err) {
    ms_instance *instance = INSTANCE(self);
    ms_settings settings = ms_settings_of(instance->call.arena, config);
    ms_topic_offset_change *changes = MS_NEW_ARRAY(instance->call.arena, ms_topic_offset_change, offsets->len);
    for (size_t i = 0; i < offsets->len; i++) {
        changes[i].topic = ms_lent(&offsets->ptr[i].f0.topic);
        changes[i].partition = offsets->ptr[i].f0.partition;
        changes[i].has_offset = offsets->ptr[i].f1.is_some;
        changes[i].offset = changes[i].has_offset ? ms_join(offsets->ptr[i].f1.val.offset) : 0;
    }
    ms_status status = ms_do_alter_sink(instance, settings, changes, offsets->len, ret);
    SINK(config_free)(config);
    SINK(list_tuple2_topic_partition_option_topic_offset_free)(offsets);
    return status == MS_OK ? ms_done(instance) : ms_gave_up(instance, err);
}

static bool partitions(ms_instance *instance, SINK(list_topic_partition_t) * list, SINK(error_t) * err,
                       ms_status (*call)(ms_instance *, const ms_topic_partition *, size_t)) {
    ms_topic_partition *given = MS_NEW_ARRAY(instance->call.arena, ms_topic_partition, list->len);
    for (size_t i = 0; i < list->len; i++) {
        given[i].topic = ms_lent(&list->ptr[i].topic);
        given[i].partition = list->ptr[i].partition;
    }
    ms_status status = call(instance, given, list->len);
    SINK(list_topic_partition_free)(list);
    return status == MS_OK ? ms_done(instance) : ms_gave_up(instance, err);
}

bool SINK(method_sink_task_open)(SINK(borrow_sink_task_t) self, SINK(list_topic_partition_t) * list, SINK(error_t) * err) {
    return partitions(INSTANCE(self), list, err, ms_do_open);
}

bool SINK(method_sink_task_close)(SINK(borrow_sink_task_t) self, SINK(list_topic_partition_t) * list, SINK(error_t) * err) {
    return partitions(INSTANCE(self), list, err, ms_do_close);
}

bool SINK(method_sink_task_put)(SINK(borrow_sink_task_t) self, SINK(batch_t) * records, SINK(error_t) * err) {
    ms_instance *instance = INSTANCE(self);
    bool ok = ms_do_put(instance, ms_sn(records->ptr, records->len)) == MS_OK;
    ok = ok ? ms_done(instance) : ms_gave_up(instance, err);
    SINK(batch_free)(records);
    return ok;
}

bool SINK(method_sink_task_pre_commit)(SINK(borrow_sink_task_t) self, SINK(list_topic_offset_t) * offsets, SINK(option_list_topic_offset_t) * ret,
                                       SINK(error_t) * err) {
    ms_instance *instance = INSTANCE(self);
    ms_topic_offset *given = MS_NEW_ARRAY(instance->call.arena, ms_topic_offset, offsets->len);
    bool all;
    ms_commit commit;
    for (size_t i = 0; i < offsets->len; i++) {
        given[i].topic = ms_lent(&offsets->ptr[i].topic);
        given[i].partition = offsets->ptr[i].partition;
        given[i].offset = ms_join(offsets->ptr[i].offset);
    }
    ms_status status = ms_do_pre_commit(instance, given, offsets->len, &all, &commit);
    SINK(list_topic_offset_free)(offsets);
    if (status != MS_OK) {
        return ms_gave_up(instance, err);
    }
    ret->is_some = !all;
    ret->val.len = commit.len;
    ret->val.ptr = ms_give_memory(commit.len * sizeof *ret->val.ptr);
    for (size_t i = 0; i < commit.len; i++) {
        ret->val.ptr[i].topic = ms_give(commit.items[i].topic);
        ret->val.ptr[i].partition = commit.items[i].partition;
        ret->val.ptr[i].offset = ms_split(commit.items[i].offset);
    }
    return ms_done(instance);
}
