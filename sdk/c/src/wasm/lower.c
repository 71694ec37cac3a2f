/* Texts and failures on their way to and from the host. */
#include "lower.h"

ms_status ms_take_error(ms_call *call, millstream_connect_types_error_t *error) {
    ms_error made;
    ms_str *causes = MS_NEW_ARRAY(call->arena, ms_str, error->causes.len);
    memset(&made, 0, sizeof made);
    made.kind = (ms_error_kind)error->kind;
    made.class_name = ms_take_string(call->arena, &error->class_);
    made.message = ms_take_string(call->arena, &error->message);
    for (size_t i = 0; i < error->causes.len; i++) {
        causes[i] = ms_take_string(call->arena, &error->causes.ptr[i]);
    }
    made.causes = causes;
    made.n_causes = error->causes.len;
    if (error->causes.len != 0) {
        free(error->causes.ptr);
    }
    return ms_fail_with(call, &made);
}

void *ms_give_memory(size_t size) {
    if (size == 0) {
        return NULL;
    }
    void *memory = calloc(1, size);
    if (memory == NULL) {
        ms_panic("out of memory: %zu bytes could not be had for the host", size);
    }
    return memory;
}

c_plugin_string_t ms_give(ms_str text) {
    c_plugin_string_t given = { ms_give_memory(text.len), text.len };
    if (text.len != 0) {
        memcpy(given.ptr, text.data, text.len);
    }
    return given;
}

/* A text that the host takes for one: what is no UTF-8 is shown by its bytes. */
static c_plugin_string_t give_text(ms_arena *arena, ms_str text) {
    if (ms_is_utf8(text)) {
        return ms_give(text);
    }
    ms_buf shown = ms_buf_in(arena);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x80) {
            ms_buf_char(&shown, (char)byte);
        } else {
            ms_buf_format(&shown, "\\x%02x", byte);
        }
    }
    return ms_give(ms_buf_done(&shown));
}

void ms_give_error(millstream_connect_types_error_t *out, const ms_error *error, ms_arena *arena) {
    /* The failure of a call as a whole has no field in the contract: it stands among the causes. */
    size_t more = error->field.data != NULL ? 1 : 0;
    out->kind = (uint8_t)error->kind;
    out->class_ = give_text(arena, error->class_name);
    out->message = give_text(arena, error->message);
    out->causes.len = error->n_causes + more;
    out->causes.ptr = ms_give_memory(out->causes.len * sizeof *out->causes.ptr);
    for (size_t i = 0; i < error->n_causes; i++) {
        out->causes.ptr[i] = give_text(arena, error->causes[i]);
    }
    if (more != 0) {
        out->causes.ptr[error->n_causes] = give_text(arena, ms_format(arena, "in field %.*s", MS_ARG(error->field)));
    }
}

void ms_give_row_error(millstream_connect_types_row_error_t *out, const ms_row_error *error, ms_arena *arena) {
    out->row = error->row;
    out->link = error->link;
    out->kind = (uint8_t)error->error->kind;
    out->class_ = give_text(arena, error->error->class_name);
    out->message = give_text(arena, ms_row_message(arena, error->error));
    out->field.is_some = error->error->field.data != NULL;
    if (out->field.is_some) {
        out->field.val = give_text(arena, error->error->field);
    }
}
