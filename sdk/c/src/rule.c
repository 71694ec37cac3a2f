/* What values a key accepts: checked here in Kafka's words, and described to the host, which checks it, too. */
#include "internal.h"

/* ---- checking */

static ms_str range(ms_arena *arena, const ms_rule *rule, const ms_config_value *value) {
    bool is_integer = value->type == MS_KEY_SHORT || value->type == MS_KEY_INT || value->type == MS_KEY_LONG;
    if (value->is_null || (!is_integer && value->type != MS_KEY_DOUBLE)) {
        return ms_s("Value must be non-null");
    }
    double found = is_integer ? (double)value->integer : value->number;
    bool low = rule->has_min && found < rule->min, high = !low && rule->has_max && rule->max < found;
    if (!low && !high) {
        return ms_none();
    }
    double bound = low ? rule->min : rule->max;
    const char *words = low ? "Value must be at least " : "Value must be no more than ";
    return is_integer ? ms_format(arena, "%s%lld", words, (long long)bound) : ms_format(arena, "%s%g", words, bound);
}

static bool is_one_of(ms_arena *arena, const char *const *values, ms_str text, bool ignore_case) {
    for (; values != NULL && *values != NULL; values++) {
        ms_str one = ms_s(*values);
        if (ms_eq(one, text) || (ignore_case && ms_eq(ms_lower(arena, one), ms_lower(arena, text)))) {
            return true;
        }
    }
    return false;
}

static ms_str joined(ms_arena *arena, const char *const *values) {
    ms_buf buf = ms_buf_in(arena);
    for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
        ms_buf_text(&buf, i == 0 ? "" : ", ");
        ms_buf_text(&buf, values[i]);
    }
    return ms_buf_done(&buf);
}

static bool has_duplicates(ms_strs items) {
    for (size_t i = 0; i < items.len; i++) {
        for (size_t j = 0; j < i; j++) {
            if (ms_eq(items.items[i], items.items[j])) {
                return true;
            }
        }
    }
    return false;
}

static ms_str control_chars(ms_arena *arena, ms_str text) {
    ms_buf found = ms_buf_in(arena);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        unsigned code = byte < 0x20 || byte == 0x7f ? byte
                        : byte == 0xc2 && i + 1 < text.len && (unsigned char)text.data[i + 1] < 0xa0
                            ? (unsigned char)text.data[i + 1]
                            : 0x100;
        if (code != 0x100) {
            ms_buf_format(&found, "%s%u", found.len == 0 ? "" : ", ", code);
        }
    }
    return found.len == 0 ? ms_none()
                          : ms_format(arena, "String may not contain control sequences but had the following ASCII chars: %.*s",
                                      MS_ARG(ms_buf_done(&found)));
}

static ms_str list(ms_arena *arena, const ms_rule *rule, const ms_key *key, const ms_config_value *value, bool *whole, ms_str *item) {
    *whole = true;
    if (value->is_null) {
        return rule->allow_null ? ms_none() : ms_format(arena, "Configuration '%s' values must not be null.", key->name);
    }
    bool limited = rule->values != NULL && rule->values[0] != NULL;
    if (value->list.len == 0 && !rule->allow_empty) {
        ms_str accepted = limited ? ms_format(arena, "[%.*s]", MS_ARG(joined(arena, rule->values))) : ms_s("any non-empty value");
        return ms_format(arena, "Configuration '%s' must not be empty. Valid values include: %.*s", key->name, MS_ARG(accepted));
    }
    if (!rule->allow_duplicates && has_duplicates(value->list)) {
        return ms_format(arena, "Configuration '%s' values must not be duplicated.", key->name);
    }
    for (size_t i = 0; i < value->list.len; i++) {
        ms_str one = value->list.items[i];
        if (one.len == 0) {
            return ms_format(arena, "Configuration '%s' values must not be empty.", key->name);
        }
        if (limited && !is_one_of(arena, rule->values, one, false)) {
            *whole = false;
            *item = one;
            return ms_format(arena, "String must be one of: %.*s", MS_ARG(joined(arena, rule->values)));
        }
    }
    return ms_none();
}

ms_str ms_rule_check(ms_arena *arena, const ms_rule *rule, const ms_key *key, const ms_config_value *value, bool *whole, ms_str *item) {
    ms_str text = value->is_null ? ms_none() : value->text;
    *whole = false;
    switch (rule->kind) {
    case MS_RULE_RANGE:
        return range(arena, rule, value);
    case MS_RULE_ONE_OF:
        return text.data != NULL && is_one_of(arena, rule->values, text, false)
                   ? ms_none()
                   : ms_format(arena, "String must be one of: %.*s", MS_ARG(joined(arena, rule->values)));
    case MS_RULE_ONE_OF_IGNORE_CASE:
        return text.data != NULL && is_one_of(arena, rule->values, text, true)
                   ? ms_none()
                   : ms_format(arena, "String must be one of (case insensitive): %.*s", MS_ARG(ms_upper(arena, joined(arena, rule->values))));
    case MS_RULE_NON_EMPTY:
        return text.data != NULL && text.len == 0 ? ms_s("String must be non-empty") : ms_none();
    case MS_RULE_NON_NULL:
        return value->is_null ? ms_s("entry must be non null") : ms_none();
    case MS_RULE_NON_EMPTY_WITHOUT_CONTROL_CHARS:
        return text.data != NULL && text.len == 0 ? ms_s("String may not be empty") : control_chars(arena, text);
    case MS_RULE_LIST:
        return list(arena, rule, key, value, whole, item);
    case MS_RULE_UNIQUE_ALIASES:
        return value->is_null ? ms_s("entry must be non null") : has_duplicates(value->list) ? ms_s("Duplicate alias provided.") : ms_none();
    case MS_RULE_SOME_ITEMS:
        return value->is_null || value->list.len == 0 ? ms_s("Empty list") : ms_none();
    case MS_RULE_ALL:
        for (const ms_rule *one = rule->rules; one != NULL && one->kind != MS_RULE_NONE; one++) {
            ms_str problem = ms_rule_check(arena, one, key, value, whole, item);
            if (problem.data != NULL) {
                return problem;
            }
        }
        return ms_none();
    case MS_RULE_NULL_OR:
        return value->is_null || rule->rules == NULL ? ms_none() : ms_rule_check(arena, rule->rules, key, value, whole, item);
    case MS_RULE_NONE:
    case MS_RULE_REGEX:
        /* A pattern in Java's syntax is the host's to check. */
        break;
    }
    return ms_none();
}

/* ---- describing */

void ms_buf_json_list(ms_buf *buf, const char *const *texts) {
    ms_buf_char(buf, '[');
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++) {
        ms_buf_text(buf, i == 0 ? "" : ",");
        ms_buf_json(buf, ms_s(texts[i]));
    }
    ms_buf_char(buf, ']');
}

/* Whole numbers as such. */
static void bound(ms_buf *buf, const char *name, double number) {
    bool whole = -9e15 < number && number < 9e15 && (double)(int64_t)number == number;
    ms_buf_format(buf, whole ? "\"%s\":%lld" : "\"%s\":", name, (long long)(whole ? number : 0));
    if (!whole) {
        ms_buf_format(buf, "%g", number);
    }
}

static const char *truth(bool value) { return value ? "true" : "false"; }

void ms_rule_describe(ms_buf *buf, const ms_rule *rule) {
    switch (rule->kind) {
    case MS_RULE_RANGE:
        ms_buf_text(buf, "{\"range\":{");
        if (rule->has_min) {
            bound(buf, "min", rule->min);
        }
        if (rule->has_max) {
            ms_buf_text(buf, rule->has_min ? "," : "");
            bound(buf, "max", rule->max);
        }
        ms_buf_text(buf, "}}");
        break;
    case MS_RULE_ONE_OF:
    case MS_RULE_ONE_OF_IGNORE_CASE:
        ms_buf_text(buf, rule->kind == MS_RULE_ONE_OF ? "{\"one_of\":" : "{\"one_of_ignore_case\":");
        ms_buf_json_list(buf, rule->values);
        ms_buf_char(buf, '}');
        break;
    case MS_RULE_LIST:
        ms_buf_format(buf, "{\"list\":{\"allow_empty\":%s,\"allow_null\":%s,\"allow_duplicates\":%s,\"one_of\":", truth(rule->allow_empty),
                      truth(rule->allow_null), truth(rule->allow_duplicates));
        ms_buf_json_list(buf, rule->values);
        ms_buf_text(buf, "}}");
        break;
    case MS_RULE_ALL:
        ms_buf_text(buf, "{\"all\":[");
        for (const ms_rule *one = rule->rules; one != NULL && one->kind != MS_RULE_NONE; one++) {
            ms_buf_text(buf, one == rule->rules ? "" : ",");
            ms_rule_describe(buf, one);
        }
        ms_buf_text(buf, "]}");
        break;
    case MS_RULE_NULL_OR:
        ms_buf_text(buf, "{\"null_or\":");
        ms_rule_describe(buf, rule->rules);
        ms_buf_char(buf, '}');
        break;
    default: {
        static const char *const names[] = {
            [MS_RULE_NON_EMPTY] = "non_empty",
            [MS_RULE_NON_NULL] = "non_null",
            [MS_RULE_NON_EMPTY_WITHOUT_CONTROL_CHARS] = "non_empty_without_control_chars",
            [MS_RULE_UNIQUE_ALIASES] = "unique_aliases",
            [MS_RULE_SOME_ITEMS] = "some_items",
            [MS_RULE_REGEX] = "regex",
        };
        ms_buf_format(buf, "{\"%s\":true}", names[rule->kind]);
        break;
    }
    }
}
