/* A predicate: holds for records whose text contains another text. */
#include <millstream.h>

typedef struct {
    ms_str text;
} contains_config;

static const ms_key keys[] = {
    MS_KEY(STRING, "text", contains_config, text, .required = true, .rule = MS_NON_EMPTY, .importance = MS_HIGH, .doc = "What to look for."),
    MS_KEYS_END,
};

static ms_status test(ms_call *call, const ms_record *record, bool *holds) {
    const contains_config *config = call->config->values;
    *holds = record->value.type == MS_STRING && 0 <= ms_find(record->value.as.text, config->text);
    return MS_OK;
}

static const ms_predicate functions = { .test = test };

static const ms_plugin contains = {
    .kind = MS_PREDICATE,
    .class_name = "org.example.Contains",
    .version = "1",
    .documentation = "Whether a text value contains a text.",
    .keys = keys,
    .config_size = sizeof(contains_config),
    .predicate = &functions,
};

MS_COMPONENT(&contains);
