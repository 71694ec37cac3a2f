/* A converter: structs and maps as text of the form `a=1;b=2`. */
#include <millstream.h>

typedef struct {
    ms_str separator;
} converter_config;

static const ms_key keys[] = {
    MS_KEY(STRING, "separator", converter_config, separator, .default_value = ";", .rule = MS_NON_EMPTY, .doc = "What stands between pairs."),
    MS_KEYS_END,
};

static ms_status to_connect(ms_call *call, const ms_subject *subject, ms_bytes bytes, ms_datum *datum) {
    (void)subject;
    const converter_config *config = call->config->values;
    if (ms_is_none(bytes)) {
        return MS_OK; /* null, as the datum is at first */
    }
    if (!ms_is_utf8(bytes)) {
        return ms_fail(call, MS_DATA, "expected UTF-8, found other bytes");
    }
    ms_entry *entries = MS_NEW_ARRAY(call->arena, ms_entry, bytes.len / 2 + 1);
    size_t count = 0;
    while (bytes.len != 0) {
        ptrdiff_t stop = ms_find(bytes, config->separator);
        ms_str pair = ms_sn(bytes.data, stop < 0 ? bytes.len : (size_t)stop);
        ptrdiff_t equals = ms_find(pair, ms_s("="));
        if (pair.len != 0 && equals < 0) {
            return ms_fail(call, MS_DATA, "expected a pair with '=', found '%.*s'", MS_ARG(pair));
        }
        if (pair.len != 0) {
            entries[count].key = ms_string(ms_sn(pair.data, (size_t)equals));
            entries[count++].value = ms_string(ms_sn(pair.data + equals + 1, pair.len - (size_t)equals - 1));
        }
        size_t done = stop < 0 ? bytes.len : (size_t)stop + config->separator.len;
        bytes = ms_sn(bytes.data + done, bytes.len - done);
    }
    datum->value = ms_map(entries, count);
    return MS_OK;
}

static void add_pair(ms_call *call, ms_buf *buf, ms_str separator, ms_str name, const ms_value *value) {
    if (buf->len != 0) {
        ms_buf_str(buf, separator);
    }
    ms_buf_str(buf, name);
    ms_buf_char(buf, '=');
    ms_buf_str(buf, ms_value_text(call->arena, value));
}

static ms_status from_connect(ms_call *call, const ms_subject *subject, const ms_datum *datum, ms_bytes *bytes) {
    (void)subject;
    const converter_config *config = call->config->values;
    const ms_value *value = &datum->value;
    ms_buf buf = ms_buf_in(call->arena);
    if (value->type == MS_NULL) {
        return MS_OK;
    }
    if (value->type == MS_STRUCT) {
        for (size_t i = 0; i < value->as.record.schema->n_fields; i++) {
            add_pair(call, &buf, config->separator, value->as.record.schema->fields[i].name, &value->as.record.fields[i]);
        }
    } else if (value->type == MS_MAP) {
        for (size_t i = 0; i < value->as.map.len; i++) {
            const ms_entry *entry = &value->as.map.entries[i];
            add_pair(call, &buf, config->separator, ms_value_text(call->arena, &entry->key), &entry->value);
        }
    } else {
        return ms_fail(call, MS_DATA, "expected a struct or a map, found a %s", ms_java_class(value));
    }
    *bytes = ms_buf_done(&buf);
    return MS_OK;
}

static const ms_converter functions = { .to_connect = to_connect, .from_connect = from_connect };

static const ms_plugin plugin = {
    .kind = MS_CONVERTER,
    .class_name = "__CLASS__",
    .version = "0.1.0",
    .documentation = "Structs and maps as pairs.",
    .keys = keys,
    .config_size = sizeof(converter_config),
    .converter = &functions,
};

MS_COMPONENT(&plugin);
