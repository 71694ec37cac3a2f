/* A converter: maps as text of the form `a=1;b=2`. */
#include <millstream.h>

static ms_status to_connect(ms_call *call, const ms_subject *subject, ms_bytes bytes, ms_datum *datum) {
    (void)subject;
    if (ms_is_none(bytes)) {
        return MS_OK; /* null, as the datum is at first */
    }
    if (!ms_is_utf8(bytes)) {
        ms_fail(call, MS_DATA, "read pairs");
        return ms_fail_cause(call, "the bytes are not UTF-8");
    }
    ms_entry *entries = MS_NEW_ARRAY(call->arena, ms_entry, bytes.len / 2 + 1);
    size_t count = 0;
    for (const char *at = bytes.data, *end = at + bytes.len; at < end;) {
        const char *stop = memchr(at, ';', (size_t)(end - at));
        stop = stop == NULL ? end : stop;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        if (at < stop && equals == NULL) {
            return ms_fail(call, MS_DATA, "expected a pair with '=', found '%.*s'", (int)(stop - at), at);
        }
        if (at < stop) {
            entries[count].key = ms_string(ms_sn(at, (size_t)(equals - at)));
            entries[count++].value = ms_string(ms_sn(equals + 1, (size_t)(stop - equals - 1)));
        }
        at = stop + 1;
    }
    datum->value = ms_map(entries, count);
    return MS_OK;
}

static ms_status from_connect(ms_call *call, const ms_subject *subject, const ms_datum *datum, ms_bytes *bytes) {
    (void)subject;
    if (datum->value.type == MS_NULL) {
        return MS_OK;
    }
    if (datum->value.type != MS_MAP) {
        return ms_fail(call, MS_DATA, "expected a map, found a %s", ms_java_class(&datum->value));
    }
    ms_buf buf = ms_buf_in(call->arena);
    for (size_t i = 0; i < datum->value.as.map.len; i++) {
        const ms_entry *entry = &datum->value.as.map.entries[i];
        ms_buf_text(&buf, i == 0 ? "" : ";");
        ms_buf_str(&buf, ms_value_text(call->arena, &entry->key));
        ms_buf_char(&buf, '=');
        ms_buf_str(&buf, ms_value_text(call->arena, &entry->value));
    }
    *bytes = ms_buf_done(&buf);
    return MS_OK;
}

static const ms_converter functions = { .to_connect = to_connect, .from_connect = from_connect };

static const ms_plugin pairs = {
    .kind = MS_CONVERTER,
    .class_name = "org.example.PairsConverter",
    .version = "1",
    .documentation = "Maps as `a=1;b=2`.",
    .converter = &functions,
};

MS_COMPONENT(&pairs);
