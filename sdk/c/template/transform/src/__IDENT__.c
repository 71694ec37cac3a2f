/* A transform: capitals for the text in a field of the value, or for the value itself. */
#include <millstream.h>

typedef struct {
    ms_str field;
} transform_config;

static const ms_key keys[] = {
    MS_KEY(STRING, "field", transform_config, field, .default_value = "", .doc = "Field with the text; the whole value if it is empty."),
    MS_KEYS_END,
};

static ms_status apply(ms_call *call, ms_record *record) {
    const transform_config *config = call->config->values;
    const ms_value *text = &record->value;
    if (config->field.len != 0) {
        text = ms_get(&record->value, config->field.data);
    }
    if (text == NULL || text->type == MS_NULL) {
        return MS_OK;
    }
    if (text->type != MS_STRING) {
        ms_fail(call, MS_DATA, "expected text, found a %s", ms_java_class(text));
        return config->field.len != 0 ? ms_fail_field(call, config->field.data) : MS_FAILED;
    }
    ms_value upper = ms_string(ms_upper(call->arena, text->as.text));
    record->value = config->field.len != 0 ? ms_with(call->arena, &record->value, config->field.data, upper) : upper;
    return MS_OK;
}

static const ms_transform functions = { .apply = apply };

static const ms_plugin plugin = {
    .kind = MS_TRANSFORM,
    .class_name = "__CLASS__",
    .version = "0.1.0",
    .documentation = "Capitals for a text.",
    .keys = keys,
    .config_size = sizeof(transform_config),
    .transform = &functions,
};

MS_COMPONENT(&plugin);
