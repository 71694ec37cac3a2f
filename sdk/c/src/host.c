/* What plugins ask of the worker, as far as it is the same with a host and in tests. */
#include "component.h"

#include <stdlib.h>

/* ---- log */

void ms_log(ms_level level, const char *format, ...) {
    if (!ms_log_enabled(level)) {
        return;
    }
    ms_arena *arena = ms_arena_new();
    va_list arguments;
    va_start(arguments, format);
    msh_log(level, ms_vformat(arena, format, arguments));
    va_end(arguments);
    ms_arena_free(arena);
}

void ms_panic(const char *format, ...) {
    /* Memory may be what is missing. */
    static bool panicking;
    if (!panicking) {
        panicking = true;
        ms_arena *arena = ms_arena_new();
        va_list arguments;
        va_start(arguments, format);
        msh_log(MS_ERROR, ms_vformat(arena, format, arguments));
        va_end(arguments);
    } else {
        msh_log(MS_ERROR, ms_s("the plugin is out of memory; give it more by the worker's limits, or let it hold less"));
    }
    msh_trap();
}

/* ---- sources */

ms_status ms_stored_offsets(ms_call *call, const ms_value *partitions, size_t count, ms_value **offsets) {
    ms_str *asked = MS_NEW_ARRAY(call->arena, ms_str, count), *answers = MS_NEW_ARRAY(call->arena, ms_str, count);
    *offsets = MS_NEW_ARRAY(call->arena, ms_value, count);
    for (size_t i = 0; i < count; i++) {
        if (ms_to_json(call, &partitions[i], &asked[i]) != MS_OK) {
            return MS_FAILED;
        }
    }
    if (msh_read_offsets(call, asked, count, answers) != MS_OK) {
        return MS_FAILED;
    }
    for (size_t i = 0; i < count; i++) {
        if (answers[i].data != NULL && ms_from_json(call, answers[i], &(*offsets)[i]) != MS_OK) {
            return MS_FAILED;
        }
    }
    return MS_OK;
}

ms_status ms_stored_offset(ms_call *call, const ms_value *partition, ms_value *offset) {
    ms_value *offsets;
    *offset = ms_null();
    if (ms_stored_offsets(call, partition, 1, &offsets) != MS_OK) {
        return MS_FAILED;
    }
    *offset = offsets[0];
    return MS_OK;
}

/* Ends that were asked for since the last poll that returned. One call at a time enters an instance. */
static ms_boundary *asked;
static size_t n_asked, asked_room;

void ms_end_transaction(ms_call *call, uint32_t behind, bool commit) {
    (void)call;
    if (n_asked == asked_room) {
        size_t room = asked_room == 0 ? 8 : asked_room * 2;
        ms_boundary *more = realloc(asked, room * sizeof *more);
        if (more == NULL) {
            ms_panic("out of memory: ends of %zu transactions could not be kept", room);
        }
        asked = more;
        asked_room = room;
    }
    asked[n_asked].behind = behind;
    asked[n_asked++].commit = commit;
}

void ms_hand_over_boundaries(bool ok) {
    if (ok && n_asked != 0) {
        msh_set_boundaries(asked, n_asked);
    }
    n_asked = 0;
}

/* ---- connectors and sinks */

void ms_raise_error(ms_call *call) {
    msh_raise_error(ms_failure(call, "raise_error"));
    call->error = NULL;
}

ms_status ms_report(ms_records *records) {
    if (records->n_errors == 0) {
        return MS_OK;
    }
    size_t count = records->n_errors;
    records->n_errors = 0;
    return msh_report(records->call, records->errors, count);
}
