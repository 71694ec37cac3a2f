/* A predicate: whether the text in a field of the value, or the value itself, contains another text. */
#include <millstream.h>

typedef struct {
    ms_str field, text;
} predicate_config;

static const ms_key keys[] = {
    MS_KEY(STRING, "field", predicate_config, field, .default_value = "", .doc = "Field with the text; the whole value if it is empty."),
    MS_KEY(STRING, "text", predicate_config, text, .required = true, .rule = MS_NON_EMPTY, .importance = MS_HIGH, .doc = "What to look for."),
    MS_KEYS_END,
};

static ms_status test(ms_call *call, const ms_record *record, bool *holds) {
    const predicate_config *config = call->config->values;
    const ms_value *text = &record->value;
    if (config->field.len != 0) {
        text = ms_get(&record->value, config->field.data);
    }
    *holds = text != NULL && text->type == MS_STRING && 0 <= ms_find(text->as.text, config->text);
    return MS_OK;
}

static const ms_predicate functions = { .test = test };

static const ms_plugin plugin = {
    .kind = MS_PREDICATE,
    .class_name = "__CLASS__",
    .version = "0.1.0",
    .documentation = "Whether a text contains another.",
    .keys = keys,
    .config_size = sizeof(predicate_config),
    .predicate = &functions,
};

MS_COMPONENT(&plugin);
