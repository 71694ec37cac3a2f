/* Values as texts. */
#include "kit.h"

static void show(ms_buf *buf, const ms_value *value);

static void show_quoted(ms_buf *buf, ms_str text) {
    ms_buf_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '\n') {
            ms_buf_text(buf, "\\n");
            continue;
        }
        if (byte == '"' || byte == '\\') {
            ms_buf_char(buf, '\\');
        }
        ms_buf_char(buf, byte);
    }
    ms_buf_char(buf, '"');
}

/* Plain digits with their scale: those of the integer, with the point put between them. */
static void show_decimal(ms_buf *buf, const ms_value *value) {
    ms_value whole = *value;
    whole.type = MS_BIG_INTEGER;
    ms_str digits = ms_value_text(buf->arena, &whole);
    bool minus = digits.data[0] == '-';
    digits = ms_sn(digits.data + minus, digits.len - minus);
    ms_buf_text(buf, minus ? "dec(-" : "dec(");
    if (value->scale <= 0) {
        ms_buf_str(buf, digits);
        for (int32_t i = value->scale; i < 0 && !ms_is(digits, "0"); i++) {
            ms_buf_char(buf, '0');
        }
    } else {
        size_t scale = (size_t)value->scale, before = digits.len <= scale ? 0 : digits.len - scale;
        if (before == 0) {
            ms_buf_char(buf, '0');
        }
        ms_buf_str(buf, ms_sn(digits.data, before));
        ms_buf_char(buf, '.');
        for (size_t i = digits.len; i < scale; i++) {
            ms_buf_char(buf, '0');
        }
        ms_buf_str(buf, ms_sn(digits.data + before, digits.len - before));
    }
    ms_buf_char(buf, ')');
}

static void show(ms_buf *buf, const ms_value *value) {
    switch (value->type) {
    case MS_STRING:
        show_quoted(buf, value->as.text);
        break;
    case MS_BYTES:
        ms_buf_text(buf, "0x");
        for (size_t i = 0; i < value->as.bytes.len; i++) {
            ms_buf_format(buf, "%02x", (unsigned char)value->as.bytes.data[i]);
        }
        break;
    case MS_DECIMAL:
        show_decimal(buf, value);
        break;
    case MS_INSTANT:
        ms_buf_format(buf, "at(%lld)", (long long)value->as.integer);
        break;
    case MS_LIST:
        ms_buf_char(buf, '[');
        for (size_t i = 0; i < value->as.list.len; i++) {
            ms_buf_text(buf, i == 0 ? "" : ", ");
            show(buf, &value->as.list.items[i]);
        }
        ms_buf_char(buf, ']');
        break;
    case MS_MAP:
        ms_buf_char(buf, '{');
        for (size_t i = 0; i < value->as.map.len; i++) {
            ms_buf_text(buf, i == 0 ? "" : ", ");
            show(buf, &value->as.map.entries[i].key);
            ms_buf_text(buf, ": ");
            show(buf, &value->as.map.entries[i].value);
        }
        ms_buf_char(buf, '}');
        break;
    case MS_STRUCT: {
        const ms_schema *schema = value->as.record.schema;
        ms_buf_str(buf, schema->name.data != NULL ? schema->name : ms_s("struct"));
        ms_buf_char(buf, '{');
        for (size_t i = 0; i < schema->n_fields; i++) {
            ms_buf_format(buf, "%s%.*s=", i == 0 ? "" : ", ", MS_ARG(schema->fields[i].name));
            show(buf, &value->as.record.fields[i]);
        }
        ms_buf_char(buf, '}');
        break;
    }
    default:
        ms_buf_str(buf, ms_value_text(buf->arena, value));
        break;
    }
}

ms_str kit_show(ms_arena *arena, const ms_value *value) {
    ms_buf buf = ms_buf_in(arena);
    show(&buf, value);
    return ms_buf_done(&buf);
}

ms_str kit_show_text(ms_arena *arena, ms_str text) {
    ms_buf buf = ms_buf_in(arena);
    show_quoted(&buf, text);
    return ms_buf_done(&buf);
}
