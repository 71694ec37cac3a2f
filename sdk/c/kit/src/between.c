/* The transforms, the predicate and the converters. */
#include "kit.h"

/* The configuration of those that have actions only; others begin with it. */
typedef struct {
    kit_config kit;
} plain_config;

static const ms_key plain_keys[] = { KIT_DO(plain_config), MS_KEYS_END };

/* The state of most; others begin with it. */
typedef struct {
    kit_actions actions;
} plain_state;

static ms_status configure(ms_call *call) {
    plain_state *state = call->state;
    const kit_config *config = call->config->values;
    return kit_parse(call, config->actions, &state->actions) == MS_OK ? kit_act(call, &state->actions, "configure", NULL) : MS_FAILED;
}

static ms_status act(ms_call *call, const char *place) {
    plain_state *state = call->state;
    return kit_act(call, &state->actions, place, NULL);
}

#define TRANSFORM(variable, name, table, config, state, functions_)                                                                      \
    const ms_plugin variable = {                                                                                                         \
        .kind = MS_TRANSFORM,                                                                                                            \
        .class_name = "org.millstream.kit." name,                                                                                        \
        .version = "1.0.0",                                                                                                              \
        .documentation = "Kit transform.",                                                                                               \
        .keys = table,                                                                                                                   \
        .config_size = sizeof(config),                                                                                                   \
        .state_size = sizeof(state),                                                                                                     \
        .transform = &functions_,                                                                                                        \
    }

/* ---- Echo: takes records apart and makes new ones of the parts */

static ms_status echo_apply(ms_call *call, ms_record *record) {
    ms_arena *arena = call->arena;
    if (act(call, "apply") != MS_OK) {
        return MS_FAILED;
    }
    ms_record made = ms_record_new(ms_dup(arena, record->topic), ms_value_copy(arena, &record->value));
    made.has_partition = record->has_partition;
    made.partition = record->partition;
    made.has_timestamp = record->has_timestamp;
    made.timestamp = record->timestamp;
    made.key_schema = record->key_schema;
    made.key = ms_value_copy(arena, &record->key);
    made.value_schema = record->value_schema;
    for (size_t i = 0; i < record->n_headers; i++) {
        ms_header header = { ms_dup(arena, record->headers[i].key), record->headers[i].schema, ms_value_copy(arena, &record->headers[i].value) };
        ms_record_add_header(arena, &made, header);
    }
    *record = made;
    return MS_OK;
}

static const ms_transform echo_functions = { .configure = configure, .apply = echo_apply };
TRANSFORM(kit_echo, "Echo", plain_keys, plain_config, plain_state, echo_functions);

/* ---- Stamp: another topic, without a look at what is in records */

typedef struct {
    kit_config kit;
    ms_str topic;
} stamp_config;

static const ms_key stamp_keys[] = {
    MS_KEY(STRING, "topic", stamp_config, topic, .required = true, .rule = MS_NON_EMPTY),
    KIT_DO(stamp_config),
    MS_KEYS_END,
};

static ms_status stamp_columns(ms_call *call, ms_records *records) {
    const stamp_config *config = call->config->values;
    uint32_t rows = ms_batch_rows(records->batch);
    if (act(call, "apply") != MS_OK) {
        return MS_FAILED;
    }
    if (ms_all_matter(records)) {
        ms_set(records, MS_ROLE_TOPIC, ms_column_constant_text(call->arena, rows, config->topic));
        return MS_OK;
    }
    ms_texts topics = ms_texts_begin(call->arena, MS_COL_TEXT, rows, rows * config->topic.len);
    for (uint32_t row = 0; row < rows; row++) {
        ms_texts_add(&topics, ms_is_active(records, row) ? config->topic : ms_batch_topic(records->batch, row));
    }
    ms_set(records, MS_ROLE_TOPIC, ms_texts_end(&topics));
    return MS_OK;
}

static const ms_transform stamp_functions = { .configure = configure, .columns = stamp_columns };
TRANSFORM(kit_stamp, "Stamp", stamp_keys, stamp_config, plain_state, stamp_functions);

/* ---- SetField: a field of maps and structs */

typedef struct {
    kit_config kit;
    ms_str field, value;
} set_field_config;

static const ms_key set_field_keys[] = {
    MS_KEY(STRING, "field", set_field_config, field, .required = true, .rule = MS_NON_EMPTY),
    MS_KEY(STRING, "value", set_field_config, value, .default_value = "set"),
    KIT_DO(set_field_config),
    MS_KEYS_END,
};

/* The schema with an optional text more, and a value of it. */
static void widen(ms_call *call, ms_record *record, ms_str name, ms_value text) {
    static const ms_schema optional_text = { .type = MS_SCHEMA_STRING, .optional = true };
    const ms_schema *schema = record->value.as.record.schema;
    ms_schema *wider = MS_NEW(call->arena, ms_schema);
    ms_field *fields = MS_NEW_ARRAY(call->arena, ms_field, schema->n_fields + 1);
    ms_value *slots;
    *wider = *schema;
    for (size_t i = 0; i < schema->n_fields; i++) {
        fields[i] = schema->fields[i];
    }
    fields[schema->n_fields].name = name;
    fields[schema->n_fields].schema = &optional_text;
    wider->fields = fields;
    wider->n_fields = schema->n_fields + 1;
    ms_value value = ms_struct(call->arena, wider, &slots);
    for (size_t i = 0; i < schema->n_fields; i++) {
        slots[i] = record->value.as.record.fields[i];
    }
    slots[schema->n_fields] = text;
    record->value = value;
    record->value_schema = wider;
}

static ms_status set_field_apply(ms_call *call, ms_record *record) {
    const set_field_config *config = call->config->values;
    const char *name = config->field.data;
    ms_value text = ms_string(config->value);
    if (act(call, "apply") != MS_OK) {
        return MS_FAILED;
    }
    if (record->value.type == MS_NULL) {
        return MS_OK;
    }
    if (record->value.type == MS_STRUCT) {
        const ms_schema *schema = record->value.as.record.schema;
        ptrdiff_t place = ms_schema_field(schema, config->field);
        if (place < 0) {
            widen(call, record, config->field, text);
            return MS_OK;
        }
        if (schema->fields[place].schema->type != MS_SCHEMA_STRING) {
            ms_fail(call, MS_DATA, "field %s is no text", name);
            return ms_fail_field(call, name);
        }
    } else if (record->value.type != MS_MAP) {
        ms_fail(call, MS_DATA, "expected a map or a struct");
        return ms_fail_field(call, name);
    }
    record->value = ms_with(call->arena, &record->value, name, text);
    return MS_OK;
}

static const ms_transform set_field_functions = { .configure = configure, .apply = set_field_apply };
TRANSFORM(kit_set_field, "SetField", set_field_keys, set_field_config, plain_state, set_field_functions);

/* ---- Split: a record of each word */

static ms_status split_expand(ms_call *call, const ms_record *record, ms_collector *out) {
    if (act(call, "apply") != MS_OK) {
        return MS_FAILED;
    }
    if (record->value.type != MS_STRING) {
        return ms_push(call, out, record);
    }
    ms_str text = record->value.as.text;
    while (text.len != 0) {
        ptrdiff_t space = ms_find(text, ms_s(" "));
        size_t len = space < 0 ? text.len : (size_t)space;
        ms_record word = *record;
        word.value = ms_string(ms_sn(text.data, len));
        if (len != 0 && ms_push(call, out, &word) != MS_OK) {
            return MS_FAILED;
        }
        text = space < 0 ? ms_s("") : ms_sn(text.data + len + 1, text.len - len - 1);
    }
    return MS_OK;
}

static const ms_transform split_functions = { .configure = configure, .expand = split_expand };
TRANSFORM(kit_split, "Split", plain_keys, plain_config, plain_state, split_functions);

/* ---- Odd: does with a record what its value says */

static ms_status odd_apply(ms_call *call, ms_record *record) {
    static const ms_schema int32_schema = { .type = MS_SCHEMA_INT32 };
    ms_str text = record->value.type == MS_STRING ? record->value.as.text : ms_s("");
    if (act(call, "apply") != MS_OK) {
        return MS_FAILED;
    }
    if (ms_is(text, "drop")) {
        return MS_DROP;
    }
    if (ms_is(text, "own")) {
        return kit_own(call);
    }
    if (ms_is(text, "panic")) {
        kit_panic();
    }
    if (ms_is(text, "bad")) {
        record->value_schema = &int32_schema;
    }
    if (5 <= text.len && memcmp(text.data, "fail ", 5) == 0) {
        return kit_fail(call, ms_cstr(call->arena, ms_sn(text.data + 5, text.len - 5)), "record");
    }
    return MS_OK;
}

static const ms_transform odd_functions = { .configure = configure, .apply = odd_apply };
TRANSFORM(kit_odd, "Odd", plain_keys, plain_config, plain_state, odd_functions);

/* ---- Count: numbers records */

typedef struct {
    plain_state plain;
    int64_t next;
} count_state;

static ms_status count_apply(ms_call *call, ms_record *record) {
    static const ms_schema int64_schema = { .type = MS_SCHEMA_INT64 };
    count_state *state = call->state;
    if (act(call, "apply") != MS_OK) {
        return MS_FAILED;
    }
    ms_record_add_header(call->arena, record, (ms_header){ ms_s("count"), &int64_schema, ms_int64(state->next++) });
    return MS_OK;
}

static const ms_transform count_functions = { .configure = configure, .apply = count_apply };
TRANSFORM(kit_count, "Count", plain_keys, plain_config, count_state, count_functions);

/* ---- HasText: holds for values that contain a text */

typedef struct {
    kit_config kit;
    ms_str text;
} has_text_config;

static const ms_key has_text_keys[] = {
    MS_KEY(STRING, "text", has_text_config, text, .required = true, .rule = MS_NON_EMPTY),
    KIT_DO(has_text_config),
    MS_KEYS_END,
};

static ms_status has_text_test(ms_call *call, const ms_record *record, bool *holds) {
    const has_text_config *config = call->config->values;
    if (act(call, "test") != MS_OK) {
        return MS_FAILED;
    }
    if (record->value.type == MS_STRING && ms_is(record->value.as.text, "fail data")) {
        return kit_fail(call, "data", "record");
    }
    *holds = record->value.type == MS_STRING && 0 <= ms_find(record->value.as.text, config->text);
    return MS_OK;
}

static const ms_predicate has_text_functions = { .configure = configure, .test = has_text_test };

const ms_plugin kit_has_text = {
    .kind = MS_PREDICATE,
    .class_name = "org.millstream.kit.HasText",
    .version = "1.0.0",
    .documentation = "Kit predicate.",
    .keys = has_text_keys,
    .config_size = sizeof(has_text_config),
    .state_size = sizeof(plain_state),
    .predicate = &has_text_functions,
};

/* ---- converters: everything as text */

typedef struct {
    kit_config kit;
    ms_str prefix;
} converter_config;

static const ms_key converter_keys[] = {
    MS_KEY(STRING, "prefix", converter_config, prefix, .default_value = ""),
    KIT_DO(converter_config),
    MS_KEYS_END,
};

static ms_status to_connect(ms_call *call, const ms_subject *subject, ms_bytes bytes, ms_datum *datum) {
    static const ms_schema optional_text = { .type = MS_SCHEMA_STRING, .optional = true };
    (void)subject;
    const converter_config *config = call->config->values;
    ms_str prefix = config->prefix;
    if (act(call, "to-connect") != MS_OK) {
        return MS_FAILED;
    }
    datum->schema = &optional_text;
    if (ms_is_none(bytes)) {
        return MS_OK;
    }
    if (!ms_is_utf8(bytes)) {
        return ms_fail(call, MS_DATA, "not UTF-8");
    }
    if (bytes.len < prefix.len || (prefix.len != 0 && memcmp(bytes.data, prefix.data, prefix.len) != 0)) {
        return ms_fail(call, MS_DATA, "expected the prefix %.*s", MS_ARG(prefix));
    }
    datum->value = ms_string(ms_sn(bytes.data + prefix.len, bytes.len - prefix.len));
    return MS_OK;
}

static ms_status from_connect(ms_call *call, const ms_subject *subject, const ms_datum *datum, ms_bytes *bytes) {
    (void)subject;
    const converter_config *config = call->config->values;
    if (act(call, "from-connect") != MS_OK) {
        return MS_FAILED;
    }
    if (datum->value.type == MS_NULL) {
        return MS_OK;
    }
    if (datum->value.type == MS_STRING && ms_is(datum->value.as.text, "fail data")) {
        return kit_fail(call, "data", "record");
    }
    *bytes = ms_format(call->arena, "%.*s%.*s", MS_ARG(config->prefix), MS_ARG(kit_show(call->arena, &datum->value)));
    return MS_OK;
}

static const ms_converter converter_functions = { .configure = configure, .to_connect = to_connect, .from_connect = from_connect };

#define CONVERTER(variable, kind_, name)                                                                                                 \
    const ms_plugin variable = {                                                                                                         \
        .kind = kind_,                                                                                                                   \
        .class_name = "org.millstream.kit." name,                                                                                        \
        .version = "1.0.0",                                                                                                              \
        .documentation = "Kit converter.",                                                                                               \
        .keys = converter_keys,                                                                                                          \
        .config_size = sizeof(converter_config),                                                                                         \
        .state_size = sizeof(plain_state),                                                                                               \
        .converter = &converter_functions,                                                                                               \
    }

CONVERTER(kit_converter, MS_CONVERTER, "KitConverter");
CONVERTER(kit_header_converter, MS_HEADER_CONVERTER, "KitHeaderConverter");
