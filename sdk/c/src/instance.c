/* Instances: made by class name, called one call at a time, dropped. */
#include "component.h"

#include <stdlib.h>

/* Failures from before there is an instance live here, until the next one. */
static ms_arena *orphans;

static void fail_orphan(const ms_error **error, ms_error_kind kind, ms_str message) {
    static ms_error last;
    static const char *const classes[] = { "", "", "org.apache.kafka.common.config.ConfigException",
                                           "org.apache.kafka.connect.errors.ConnectException" };
    memset(&last, 0, sizeof last);
    last.kind = kind;
    last.class_name = ms_s(classes[kind]);
    last.message = message;
    *error = &last;
}

static const ms_plugin *find(ms_kind kind, ms_str class_name) {
    for (const ms_plugin *const *plugin = ms_component_plugins; *plugin != NULL; plugin++) {
        bool is_converter = kind == MS_CONVERTER && (*plugin)->kind == MS_HEADER_CONVERTER;
        if (((*plugin)->kind == kind || is_converter) && ms_is(class_name, (*plugin)->class_name)) {
            return *plugin;
        }
    }
    return NULL;
}

/* A table without the functions of its kind is a mistake that the first call shows. */
static const char *missing(const ms_plugin *plugin) {
    switch (plugin->kind) {
    case MS_SOURCE:
        return plugin->source == NULL || plugin->source->poll == NULL ? ".source with a poll" : NULL;
    case MS_SINK:
        return plugin->sink == NULL || plugin->sink->put == NULL ? ".sink with a put" : NULL;
    case MS_TRANSFORM:
        return plugin->transform == NULL || (!plugin->transform->apply && !plugin->transform->expand && !plugin->transform->columns)
                   ? ".transform with an apply, expand or columns"
                   : NULL;
    case MS_PREDICATE:
        return plugin->predicate == NULL || (!plugin->predicate->test && !plugin->predicate->columns) ? ".predicate with a test or columns" : NULL;
    case MS_CONVERTER:
    case MS_HEADER_CONVERTER:
        return plugin->converter == NULL || !plugin->converter->to_connect || !plugin->converter->from_connect
                   ? ".converter with to_connect and from_connect"
                   : NULL;
    }
    return "a known kind";
}

ms_instance *ms_instance_new(ms_kind kind, ms_str class_name, bool is_connector, const ms_error **error) {
    if (orphans == NULL) {
        orphans = ms_arena_new();
    }
    ms_arena_reset(orphans);
    const ms_plugin *plugin = find(kind, class_name);
    if (plugin == NULL) {
        fail_orphan(error, MS_FATAL, ms_format(orphans, "this component has no class %.*s of the kind asked for", MS_ARG(class_name)));
        return NULL;
    }
    if (missing(plugin) != NULL) {
        fail_orphan(error, MS_FATAL, ms_format(orphans, "the table of %s has no %s", plugin->class_name, missing(plugin)));
        return NULL;
    }
    ms_arena *memory = ms_arena_new();
    ms_instance *instance = MS_NEW(memory, ms_instance);
    instance->call.memory = memory;
    instance->call.arena = ms_arena_new();
    instance->call.plugin = plugin;
    /* Without a size there is no state, so that who writes to it all the same is found by the first native test. */
    size_t size = is_connector ? plugin->connector_size : plugin->state_size;
    instance->call.state = size != 0 ? ms_alloc(memory, size) : NULL;
    instance->call.config = instance->own_config = ms_config_of(memory, NULL, 0);
    instance->started = false;
    return instance;
}

static void (*drop_of(const ms_plugin *plugin))(void *) {
    switch (plugin->kind) {
    case MS_SOURCE:
        return plugin->source->drop;
    case MS_SINK:
        return plugin->sink->drop;
    case MS_TRANSFORM:
        return plugin->transform->drop;
    case MS_PREDICATE:
        return plugin->predicate->drop;
    default:
        return plugin->converter->drop;
    }
}

void ms_instance_drop(ms_instance *instance) {
    if (instance == NULL) {
        return;
    }
    void (*drop)(void *) = drop_of(instance->call.plugin);
    /* Only what a task, transform, predicate or converter has set up; the state of a connector is another one. */
    if (drop != NULL && instance->started) {
        drop(instance->call.state);
    }
    ms_arena_free(instance->call.arena);
    ms_arena_free(instance->call.memory);
}

ms_call *ms_begin(ms_instance *instance) {
    instance->call.error = NULL;
    memset(instance->call.seen, 0, sizeof instance->call.seen);
    return &instance->call;
}

void ms_end(ms_instance *instance) {
    instance->call.error = NULL;
    ms_arena_reset(instance->call.arena);
}

ms_status ms_do_configure(ms_instance *instance, ms_settings settings) {
    ms_call *call = &instance->call;
    const ms_plugin *plugin = call->plugin;
    if (ms_config_parse(call, plugin, settings.items, settings.len, &instance->own_config) != MS_OK) {
        return MS_FAILED;
    }
    call->config = instance->own_config;
    ms_status (*configure)(ms_call *) = plugin->kind == MS_TRANSFORM   ? plugin->transform->configure
                                        : plugin->kind == MS_PREDICATE ? plugin->predicate->configure
                                                                       : plugin->converter->configure;
    if (configure != NULL && configure(call) != MS_OK) {
        ms_failure(call, "configure");
        return MS_FAILED;
    }
    instance->started = true;
    return MS_OK;
}

/* Makes a failure outlive the instance that it came from. */
const ms_error *ms_orphan(const ms_error *error) {
    static ms_error kept;
    if (orphans == NULL) {
        orphans = ms_arena_new();
    }
    ms_arena_reset(orphans);
    ms_str *causes = MS_NEW_ARRAY(orphans, ms_str, error->n_causes);
    kept = *error;
    kept.class_name = ms_dup(orphans, error->class_name);
    kept.message = ms_dup(orphans, error->message);
    kept.field = ms_dup(orphans, error->field);
    for (size_t i = 0; i < error->n_causes; i++) {
        causes[i] = ms_dup(orphans, error->causes[i]);
    }
    kept.causes = causes;
    return &kept;
}

ms_instance *ms_configured(ms_kind kind, ms_str class_name, ms_settings settings, ms_role_of_converter role, const ms_error **error) {
    ms_instance *instance = ms_instance_new(kind, class_name, false, error);
    if (instance == NULL) {
        return NULL;
    }
    instance->call.role = role;
    ms_begin(instance);
    if (ms_do_configure(instance, settings) != MS_OK) {
        *error = ms_orphan(instance->call.error);
        ms_instance_drop(instance);
        return NULL;
    }
    ms_end(instance);
    return instance;
}
