/* Failures as values: said once, with what led to them. */
#include "internal.h"

static const char *const CLASSES[] = {
    "org.apache.kafka.connect.errors.RetriableException",
    "org.apache.kafka.connect.errors.DataException",
    "org.apache.kafka.common.config.ConfigException",
    "org.apache.kafka.connect.errors.ConnectException",
};

/* Longer paths of fields lose their inner end. */
#define MAX_PATH 1000

static ms_error *changeable(ms_call *call) {
    if (call->error == NULL) {
        ms_fail(call, MS_FATAL, "the plugin has said nothing about its failure");
    }
    /* Every failure of a call was made below, in its arena. */
    return (ms_error *)call->error;
}

static void add_causes(ms_call *call, ms_error *error, const ms_str *more, size_t count) {
    ms_str *causes = MS_NEW_ARRAY(call->arena, ms_str, error->n_causes + count);
    if (error->n_causes != 0) {
        memcpy(causes, error->causes, error->n_causes * sizeof *causes);
    }
    if (count != 0) {
        memcpy(causes + error->n_causes, more, count * sizeof *causes);
    }
    error->causes = causes;
    error->n_causes += count;
}

ms_status ms_fail(ms_call *call, ms_error_kind kind, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    ms_str message = ms_vformat(call->arena, format, arguments);
    va_end(arguments);
    const ms_error *before = call->error;
    ms_error *error = MS_NEW(call->arena, ms_error);
    error->kind = kind;
    error->class_name = ms_s(CLASSES[kind]);
    error->message = message;
    if (before != NULL) {
        add_causes(call, error, &before->message, 1);
        add_causes(call, error, before->causes, before->n_causes);
        error->field = before->field;
    }
    call->error = error;
    return MS_FAILED;
}

ms_status ms_fail_with(ms_call *call, const ms_error *error) {
    ms_error *copy = MS_NEW(call->arena, ms_error);
    *copy = *error;
    call->error = copy;
    return MS_FAILED;
}

ms_status ms_fail_class(ms_call *call, const char *class_name) {
    changeable(call)->class_name = ms_dup(call->arena, ms_s(class_name));
    return MS_FAILED;
}

ms_status ms_fail_cause(ms_call *call, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    ms_str cause = ms_vformat(call->arena, format, arguments);
    va_end(arguments);
    add_causes(call, changeable(call), &cause, 1);
    return MS_FAILED;
}

ms_status ms_fail_field(ms_call *call, const char *name) {
    ms_error *error = changeable(call);
    /* A name with a dot, and one that would not be seen, stands between backticks, as in field paths. */
    bool quoted = *name == '\0' || strchr(name, '.') != NULL;
    ms_str step = ms_format(call->arena, quoted ? "`%s`" : "%s", name);
    if (ms_is_none(error->field)) {
        error->field = step;
    } else if (MAX_PATH < error->field.len) {
        error->field = ms_format(call->arena, "%.*s…", MS_ARG(step));
    } else {
        error->field = ms_format(call->arena, "%.*s.%.*s", MS_ARG(step), MS_ARG(error->field));
    }
    return MS_FAILED;
}

const ms_error *ms_recover(ms_call *call) {
    const ms_error *error = call->error;
    call->error = NULL;
    return error;
}

const ms_error *ms_failure(ms_call *call, const char *during) {
    if (call->error == NULL) {
        ms_fail(call, MS_FATAL, "%s: the plugin returned a failure without saying which (ms_fail)", during);
    }
    return call->error;
}

ms_str ms_row_message(ms_arena *arena, const ms_error *error) {
    ms_buf buf = ms_buf_in(arena);
    ms_buf_str(&buf, error->message);
    for (size_t i = 0; i < error->n_causes; i++) {
        ms_buf_text(&buf, "\nCaused by: ");
        ms_buf_str(&buf, error->causes[i]);
    }
    return ms_buf_done(&buf);
}

bool ms_is_lease_lost(const ms_error *error) {
    return error != NULL && ms_is(error->class_name, "org.apache.kafka.common.errors.ProducerFencedException");
}
