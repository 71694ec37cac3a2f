/* The exports of what goes between connectors and topics: chains of transforms, predicates, converters; and the description. */
#include "exports.h"

#define CHAIN(name) exports_millstream_connect_transform_api_##name
#define PREDICATE(name) exports_millstream_connect_predicate_api_##name
#define CONVERTER(name) exports_millstream_connect_converter_api_##name

const char ms_more_exports = 1;

void exports_millstream_connect_plugin_describe(c_plugin_string_t *ret) {
    ms_arena *arena = ms_arena_new();
    *ret = ms_give(ms_describe(arena, ms_component_plugins));
    ms_arena_free(arena);
}

/* A failure from before there is an instance. */
static void give_orphan(millstream_connect_types_error_t *err, const ms_error *error) {
    ms_arena *arena = ms_arena_new();
    ms_give_error(err, error, arena);
    ms_arena_free(arena);
}

static void give_row_errors(const ms_outcome *outcome, ms_arena *arena, millstream_connect_types_row_error_t **ptr, size_t *len) {
    *len = outcome->n_errors;
    *ptr = ms_give_memory(outcome->n_errors * sizeof **ptr);
    for (size_t i = 0; i < outcome->n_errors; i++) {
        ms_give_row_error(&(*ptr)[i], &outcome->errors[i], arena);
    }
}

void ms_give_outcome(const ms_outcome *outcome, ms_arena *arena, millstream_connect_types_outcome_t *out) {
    out->changed.is_some = outcome->changed.data != NULL;
    out->changed.val.ptr = (uint8_t *)(uintptr_t)outcome->changed.data;
    out->changed.val.len = outcome->changed.len;
    give_row_errors(outcome, arena, &out->errors.ptr, &out->errors.len);
}

/* ---- chains */

bool CHAIN(static_chain_create)(CHAIN(list_link_t) * links, CHAIN(own_chain_t) * ret, CHAIN(link_error_t) * err) {
    ms_arena *arena = ms_arena_new();
    ms_link *given = MS_NEW_ARRAY(arena, ms_link, links->len);
    for (size_t i = 0; i < links->len; i++) {
        const CHAIN(link_t) *link = &links->ptr[i];
        given[i].class_name = ms_lent(&link->class_);
        given[i].settings = ms_settings_of(arena, &link->config);
        given[i].has_condition = link->condition.is_some;
        if (link->condition.is_some) {
            given[i].predicate = ms_lent(&link->condition.val.class_);
            given[i].predicate_settings = ms_settings_of(arena, &link->condition.val.config);
            given[i].negate = link->condition.val.negate;
        }
    }
    const ms_error *error = NULL;
    ms_chain *chain = ms_chain_new(given, links->len, &err->link, &error);
    CHAIN(list_link_free)(links);
    ms_arena_free(arena);
    if (chain == NULL) {
        give_orphan(&err->error, error);
        return false;
    }
    *ret = CHAIN(chain_new)((CHAIN(chain_t) *)chain);
    return true;
}

void CHAIN(chain_destructor)(CHAIN(chain_t) * rep) { ms_chain_drop((ms_chain *)rep); }

bool CHAIN(method_chain_apply)(CHAIN(borrow_chain_t) self, CHAIN(batch_t) * records, c_plugin_list_u8_t *maybe_only, CHAIN(outcome_t) * ret,
                               CHAIN(error_t) * err) {
    ms_chain *chain = (ms_chain *)self;
    ms_outcome outcome;
    const ms_error *error = NULL;
    /* An empty bitmap is no bitmap only where there are no rows. */
    const uint8_t *only = maybe_only != NULL && maybe_only->len != 0 ? maybe_only->ptr : NULL;
    bool ok = ms_chain_apply(chain, ms_sn(records->ptr, records->len), only, &outcome, &error) == MS_OK;
    ms_arena *arena = ms_arena_new();
    if (ok) {
        ms_give_outcome(&outcome, arena, ret);
    } else {
        ms_give_error(err, error, arena);
    }
    ms_arena_free(arena);
    ms_chain_end(chain);
    CHAIN(batch_free)(records);
    if (maybe_only != NULL) {
        c_plugin_list_u8_free(maybe_only);
    }
    return ok;
}

/* ---- predicates and converters */

static ms_instance *configured(ms_kind kind, c_plugin_string_t *class_, millstream_connect_types_config_t *config, ms_role_of_converter role,
                               millstream_connect_types_error_t *err) {
    ms_arena *arena = ms_arena_new();
    const ms_error *error = NULL;
    ms_instance *instance = ms_configured(kind, ms_lent(class_), ms_settings_of(arena, config), role, &error);
    c_plugin_string_free(class_);
    millstream_connect_types_config_free(config);
    ms_arena_free(arena);
    if (instance == NULL) {
        give_orphan(err, error);
    }
    return instance;
}

bool PREDICATE(static_predicate_create)(c_plugin_string_t *class_, PREDICATE(config_t) * config, PREDICATE(own_predicate_t) * ret, PREDICATE(error_t) * err) {
    ms_instance *instance = configured(MS_PREDICATE, class_, config, MS_FOR_KEY, err);
    if (instance == NULL) {
        return false;
    }
    *ret = PREDICATE(predicate_new)((PREDICATE(predicate_t) *)instance);
    return true;
}

void PREDICATE(predicate_destructor)(PREDICATE(predicate_t) * rep) { ms_instance_drop((ms_instance *)rep); }

bool PREDICATE(method_predicate_test)(PREDICATE(borrow_predicate_t) self, PREDICATE(batch_t) * records, PREDICATE(verdict_t) * ret, PREDICATE(error_t) * err) {
    ms_instance *instance = (ms_instance *)self;
    ms_outcome outcome;
    uint8_t *holds;
    size_t len;
    bool ok = ms_do_test(instance, ms_sn(records->ptr, records->len), &holds, &len, &outcome) == MS_OK;
    if (ok) {
        ret->holds.ptr = ms_give_memory(len);
        ret->holds.len = len;
        if (len != 0) {
            memcpy(ret->holds.ptr, holds, len);
        }
        give_row_errors(&outcome, instance->call.arena, &ret->errors.ptr, &ret->errors.len);
    }
    ok = ok ? ms_done(instance) : ms_gave_up(instance, err);
    PREDICATE(batch_free)(records);
    return ok;
}

bool CONVERTER(static_converter_create)(c_plugin_string_t *class_, CONVERTER(config_t) * config, CONVERTER(role_t) role, CONVERTER(own_converter_t) * ret,
                                        CONVERTER(error_t) * err) {
    ms_instance *instance = configured(MS_CONVERTER, class_, config, (ms_role_of_converter)role, err);
    if (instance == NULL) {
        return false;
    }
    *ret = CONVERTER(converter_new)((CONVERTER(converter_t) *)instance);
    return true;
}

void CONVERTER(converter_destructor)(CONVERTER(converter_t) * rep) { ms_instance_drop((ms_instance *)rep); }

static bool convert(ms_instance *instance, CONVERTER(batch_t) * records, bool to_connect, CONVERTER(outcome_t) * ret, CONVERTER(error_t) * err) {
    ms_outcome outcome;
    bool ok = ms_do_convert(instance, ms_sn(records->ptr, records->len), to_connect, &outcome) == MS_OK;
    if (ok) {
        ms_give_outcome(&outcome, instance->call.arena, ret);
    }
    ok = ok ? ms_done(instance) : ms_gave_up(instance, err);
    CONVERTER(batch_free)(records);
    return ok;
}

bool CONVERTER(method_converter_to_connect)(CONVERTER(borrow_converter_t) self, CONVERTER(batch_t) * records, CONVERTER(outcome_t) * ret,
                                            CONVERTER(error_t) * err) {
    return convert((ms_instance *)self, records, true, ret, err);
}

bool CONVERTER(method_converter_from_connect)(CONVERTER(borrow_converter_t) self, CONVERTER(batch_t) * records, CONVERTER(outcome_t) * ret,
                                              CONVERTER(error_t) * err) {
    return convert((ms_instance *)self, records, false, ret, err);
}
