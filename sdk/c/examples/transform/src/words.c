/* Transforms: one that changes records, one that makes several of one, and one that works on whole columns. */
#include <millstream.h>

/* Turns text values into capitals, and drops records without a value. */
static ms_status shout_apply(ms_call *call, ms_record *record) {
    if (record->value.type == MS_NULL) {
        return MS_DROP;
    }
    if (record->value.type != MS_STRING) {
        return ms_fail(call, MS_DATA, "expected text, found a %s", ms_java_class(&record->value));
    }
    record->value = ms_string(ms_upper(call->arena, record->value.as.text));
    return MS_OK;
}

static const ms_transform shout_functions = { .apply = shout_apply };

static const ms_plugin shout = {
    .kind = MS_TRANSFORM,
    .class_name = "org.example.Shout",
    .version = "1",
    .documentation = "Capitals for text; nulls are dropped.",
    .transform = &shout_functions,
};

/* Makes a record of each word of a text value. */
static ms_status split_expand(ms_call *call, const ms_record *record, ms_collector *out) {
    if (record->value.type != MS_STRING) {
        return ms_push(call, out, record);
    }
    ms_str text = record->value.as.text;
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        while (end < text.len && (unsigned char)text.data[end] > ' ') {
            end++;
        }
        if (at < end) {
            ms_record word = *record;
            word.value = ms_string(ms_sn(text.data + at, end - at));
            if (ms_push(call, out, &word) != MS_OK) {
                return MS_FAILED;
            }
        }
        at = end + 1;
    }
    return MS_OK;
}

static const ms_transform split_functions = { .expand = split_expand };

static const ms_plugin split_words = {
    .kind = MS_TRANSFORM,
    .class_name = "org.example.SplitWords",
    .version = "1",
    .documentation = "A record for each word.",
    .transform = &split_functions,
};

/* Sends all records to one topic. Rows need not be looked at: the column of topics is replaced. */
typedef struct {
    ms_str topic;
} retopic_config;

static const ms_key retopic_keys[] = {
    MS_KEY(STRING, "topic", retopic_config, topic, .required = true, .rule = MS_NON_EMPTY, .doc = "The topic."),
    MS_KEYS_END,
};

static ms_status retopic_columns(ms_call *call, ms_records *records) {
    const retopic_config *config = call->config->values;
    ms_batch *batch = records->batch;
    uint32_t rows = ms_batch_rows(batch);
    if (ms_all_matter(records)) {
        ms_set(records, MS_ROLE_TOPIC, ms_column_constant_text(call->arena, rows, config->topic));
        return MS_OK;
    }
    /* A predicate limits the transform: the other rows keep their topics. */
    ms_texts topics = ms_texts_begin(call->arena, MS_COL_TEXT, rows, rows * config->topic.len);
    for (uint32_t row = 0; row < rows; row++) {
        ms_texts_add(&topics, ms_is_active(records, row) ? config->topic : ms_batch_topic(batch, row));
    }
    ms_set(records, MS_ROLE_TOPIC, ms_texts_end(&topics));
    return MS_OK;
}

static const ms_transform retopic_functions = { .columns = retopic_columns };

static const ms_plugin retopic = {
    .kind = MS_TRANSFORM,
    .class_name = "org.example.Retopic",
    .version = "1",
    .documentation = "One topic for all.",
    .keys = retopic_keys,
    .config_size = sizeof(retopic_config),
    .transform = &retopic_functions,
};

MS_COMPONENT(&shout, &split_words, &retopic);
