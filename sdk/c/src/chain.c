/* Transforms that run one after the other over a batch, each where its predicate holds; and predicates by themselves. */
#include "component.h"

#include <stdlib.h>

typedef struct chain_link {
    ms_instance *transform, *predicate;
    bool negate;
} chain_link;

struct ms_chain {
    ms_arena *memory, *arena;
    chain_link *links;
    uint32_t count;
};

ms_chain *ms_chain_new(const ms_link *links, size_t count, uint32_t *link, const ms_error **error) {
    ms_arena *memory = ms_arena_new();
    ms_chain *chain = MS_NEW(memory, ms_chain);
    chain->memory = memory;
    chain->arena = ms_arena_new();
    chain->links = MS_NEW_ARRAY(memory, chain_link, count);
    for (size_t i = 0; i < count; i++) {
        chain_link *made = &chain->links[i];
        chain->count = (uint32_t)i + 1;
        *link = (uint32_t)i;
        made->negate = links[i].negate;
        made->transform = ms_configured(MS_TRANSFORM, links[i].class_name, links[i].settings, MS_FOR_KEY, error);
        if (made->transform != NULL && links[i].has_condition) {
            made->predicate = ms_configured(MS_PREDICATE, links[i].predicate, links[i].predicate_settings, MS_FOR_KEY, error);
        }
        if (made->transform == NULL || (links[i].has_condition && made->predicate == NULL)) {
            ms_chain_drop(chain);
            return NULL;
        }
    }
    return chain;
}

void ms_chain_drop(ms_chain *chain) {
    if (chain == NULL) {
        return;
    }
    for (uint32_t i = 0; i < chain->count; i++) {
        ms_instance_drop(chain->links[i].transform);
        ms_instance_drop(chain->links[i].predicate);
    }
    ms_arena_free(chain->arena);
    ms_arena_free(chain->memory);
}

/* Lets an instance work in the chain's memory for the length of one batch. */
static ms_arena *lend(ms_instance *instance, ms_arena *arena) {
    ms_arena *own = instance->call.arena;
    instance->call.arena = arena;
    ms_begin(instance);
    return own;
}

/* Asks a predicate about the active rows; those that it cannot judge fail in `records`. */
static ms_status test(ms_instance *instance, ms_records *records, uint8_t *holds) {
    ms_call *call = &instance->call;
    const ms_predicate *predicate = call->plugin->predicate;
    if (predicate->columns != NULL) {
        if (predicate->columns(call, records, holds) == MS_OK) {
            return MS_OK;
        }
        ms_failure(call, "columns");
        return MS_FAILED;
    }
    for (ms_cursor cursor = ms_walk(records); ms_next(&cursor);) {
        ms_record record = ms_row_record(records->batch, cursor.row);
        bool it_does = false;
        call->error = NULL;
        if (predicate->test(call, &record, &it_does) == MS_OK) {
            ms_bit_set(holds, cursor.row, it_does);
        } else {
            ms_fail_row(records, cursor.row);
        }
    }
    return MS_OK;
}

static ms_status run(chain_link *link, ms_records *records, ms_arena *arena, const uint8_t *only) {
    uint32_t rows = records->batch->rows;
    uint8_t *active = NULL;
    if (only != NULL) {
        /* The bitmap is over the rows that came in; rows may have become several since. */
        active = ms_bits(arena, rows, false);
        for (uint32_t row = 0; row < rows; row++) {
            ms_bit_set(active, row, ms_bit(only, records->inputs == NULL ? row : records->inputs[row]));
        }
    }
    records->only = active;
    if (link->predicate != NULL) {
        uint8_t *holds = ms_bits(arena, rows, false);
        ms_arena *own = lend(link->predicate, arena);
        records->call = &link->predicate->call;
        bool changed = records->changed;
        size_t errors = records->n_errors;
        ms_status status = test(link->predicate, records, holds);
        /* A look at rows changes nothing but those that failed. */
        records->changed = changed || errors != records->n_errors;
        link->predicate->call.arena = own;
        if (status != MS_OK) {
            return MS_FAILED;
        }
        uint8_t *limited = ms_bits(arena, rows, false);
        for (uint32_t row = 0; row < rows; row++) {
            ms_bit_set(limited, row, (active == NULL || ms_bit(active, row)) && ms_bit(holds, row) != link->negate);
        }
        records->only = limited;
    }
    records->call = &link->transform->call;
    ms_arena *own = lend(link->transform, arena);
    const ms_transform *transform = link->transform->call.plugin->transform;
    ms_status status = transform->columns != NULL ? transform->columns(&link->transform->call, records) : ms_records_replace(records);
    if (status != MS_OK) {
        ms_failure(&link->transform->call, "columns");
    }
    link->transform->call.arena = own;
    records->only = NULL;
    return status == MS_OK ? MS_OK : MS_FAILED;
}

ms_status ms_chain_apply(ms_chain *chain, ms_bytes bytes, const uint8_t *only, ms_outcome *outcome, const ms_error **error) {
    ms_call call;
    ms_batch *batch;
    memset(&call, 0, sizeof call);
    memset(outcome, 0, sizeof *outcome);
    call.arena = call.memory = chain->arena;
    if (ms_batch_open(&call, bytes, &batch) != MS_OK) {
        *error = call.error;
        return MS_FAILED;
    }
    ms_records *records = ms_records_new(&call, batch);
    for (uint32_t i = 0; i < chain->count; i++) {
        records->link = i;
        if (run(&chain->links[i], records, chain->arena, only) != MS_OK) {
            *error = records->call->error;
            return MS_FAILED;
        }
    }
    if (records->changed) {
        outcome->changed = ms_batch_write(records->batch);
    }
    outcome->errors = records->errors;
    outcome->n_errors = records->n_errors;
    return MS_OK;
}

void ms_chain_end(ms_chain *chain) { ms_arena_reset(chain->arena); }

ms_status ms_do_test(ms_instance *instance, ms_bytes bytes, uint8_t **holds, size_t *len, ms_outcome *outcome) {
    ms_call *call = ms_begin(instance);
    ms_batch *batch;
    memset(outcome, 0, sizeof *outcome);
    if (ms_batch_open(call, bytes, &batch) != MS_OK) {
        return MS_FAILED;
    }
    ms_records *records = ms_records_new(call, batch);
    *holds = ms_bits(call->arena, batch->rows, false);
    *len = (batch->rows + (size_t)7) / 8;
    if (test(instance, records, *holds) != MS_OK) {
        return MS_FAILED;
    }
    outcome->errors = records->errors;
    outcome->n_errors = records->n_errors;
    return MS_OK;
}
