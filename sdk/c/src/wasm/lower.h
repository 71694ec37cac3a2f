/* Between the SDK's types and those of the generated bindings. */
#ifndef MS_LOWER_H
#define MS_LOWER_H

#include <stdlib.h>

#include "../component.h"
#include "bindings/c_plugin.h"

/* A text lent to a call: it stays the SDK's. */
static inline c_plugin_string_t ms_lend(ms_str text) {
    c_plugin_string_t lent = { (uint8_t *)(uintptr_t)text.data, text.len };
    return lent;
}

static inline c_plugin_list_u8_t ms_lend_bytes(ms_bytes bytes) {
    c_plugin_list_u8_t lent = { (uint8_t *)(uintptr_t)bytes.data, bytes.len };
    return lent;
}

/* A text of the host's as it stands. */
static inline ms_str ms_lent_text(const c_plugin_string_t *text) { return ms_sn(text->len == 0 ? (const void *)"" : text->ptr, text->len); }

/* A text that came, copied into an arena; what came is freed. */
static inline ms_str ms_take(ms_arena *arena, uint8_t *ptr, size_t len) {
    ms_str text = ms_dup(arena, ms_sn(len == 0 ? (const void *)"" : ptr, len));
    if (len != 0) {
        free(ptr);
    }
    return text;
}

static inline ms_str ms_take_string(ms_arena *arena, c_plugin_string_t *text) { return ms_take(arena, text->ptr, text->len); }

static inline uint64_t ms_join(millstream_connect_types_wide_t wide) { return (uint64_t)wide.high << 32 | wide.low; }

static inline millstream_connect_types_wide_t ms_split(uint64_t number) {
    millstream_connect_types_wide_t wide = { (uint32_t)(number >> 32), (uint32_t)number };
    return wide;
}

/* The host's failure as that of the call. */
ms_status ms_take_error(ms_call *call, millstream_connect_types_error_t *error);

/* A text made with malloc, which the generated code frees when the host has read it. */
c_plugin_string_t ms_give(ms_str text);
void ms_give_error(millstream_connect_types_error_t *out, const ms_error *error, ms_arena *arena);
void ms_give_row_error(millstream_connect_types_row_error_t *out, const ms_row_error *error, ms_arena *arena);
/* Zeroed memory from malloc; NULL for nothing. */
void *ms_give_memory(size_t size);

#endif
