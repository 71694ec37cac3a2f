/* Records of every type. */
#include <math.h>

#include "kit.h"

/* Schemas may stand in static memory. */
static const ms_schema int8_schema = { .type = MS_SCHEMA_INT8 }, int16_schema = { .type = MS_SCHEMA_INT16 }, int32_schema = { .type = MS_SCHEMA_INT32 },
                       int64_schema = { .type = MS_SCHEMA_INT64 }, float32_schema = { .type = MS_SCHEMA_FLOAT32 },
                       float64_schema = { .type = MS_SCHEMA_FLOAT64 }, boolean_schema = { .type = MS_SCHEMA_BOOLEAN },
                       string_schema = { .type = MS_SCHEMA_STRING }, bytes_schema = { .type = MS_SCHEMA_BYTES },
                       optional_string = { .type = MS_SCHEMA_STRING, .optional = true }, optional_int64 = { .type = MS_SCHEMA_INT64, .optional = true },
                       optional_int32 = { .type = MS_SCHEMA_INT32, .optional = true },
                       int32_list = { .type = MS_SCHEMA_ARRAY, .element = &int32_schema },
                       int64_map = { .type = MS_SCHEMA_MAP, .key = &string_schema, .element = &optional_int64 };

static ms_value text(const char *value) { return ms_text(value); }

static ms_status everything(ms_call *call, ms_str topic, ms_record *record) {
    ms_arena *arena = call->arena;
    ms_schema *inner = ms_schema_struct(arena, "kit.Inner", &(ms_field){ ms_s("n"), &int32_schema }, 1);
    ms_parameter *parameter = MS_NEW(arena, ms_parameter);
    parameter->key = ms_s("p");
    parameter->value = ms_s("q");
    inner->parameters = parameter;
    inner->n_parameters = 1;
    inner->optional = true;
    ms_value *with_default = MS_NEW(arena, ms_value), *five = MS_NEW(arena, ms_value);
    ms_schema *dflt_string = ms_schema_of(arena, MS_SCHEMA_STRING, true), *dflt_int = ms_schema_of(arena, MS_SCHEMA_INT32, true);
    *with_default = text("dflt");
    *five = ms_int32(5);
    dflt_string->default_value = with_default;
    dflt_int->default_value = five;
    const ms_field fields[] = {
        { ms_s("i8"), &int8_schema },
        { ms_s("i16"), &int16_schema },
        { ms_s("i32"), &int32_schema },
        { ms_s("i64"), &int64_schema },
        { ms_s("f32"), &float32_schema },
        { ms_s("f64"), &float64_schema },
        { ms_s("yes"), &boolean_schema },
        { ms_s("text"), dflt_string },
        { ms_s("raw"), &bytes_schema },
        { ms_s("dec"), ms_schema_decimal(arena, 2, false) },
        { ms_s("date"), ms_schema_logical(arena, MS_DATE_NAME, false) },
        { ms_s("time"), ms_schema_logical(arena, MS_TIME_NAME, false) },
        { ms_s("ts"), ms_schema_logical(arena, MS_TIMESTAMP_NAME, false) },
        { ms_s("list"), &int32_list },
        { ms_s("map"), &int64_map },
        { ms_s("inner"), inner },
        { ms_s("gone"), &optional_string },
        { ms_s("dflt"), dflt_int },
    };
    ms_schema *schema = ms_schema_struct(arena, "kit.Everything", fields, sizeof fields / sizeof *fields);
    schema->has_version = true;
    schema->version = 3;
    schema->doc = ms_s("All types.");
    ms_value *slots, *inner_slots, *list = MS_NEW_ARRAY(arena, ms_value, 3);
    ms_entry *map = MS_NEW_ARRAY(arena, ms_entry, 2);
    record->value_schema = schema;
    record->value = ms_struct(arena, schema, &slots);
    slots[0] = ms_int8(-128);
    slots[1] = ms_int16(32767);
    slots[2] = ms_int32(INT32_MIN);
    slots[3] = ms_int64(INT64_MAX);
    slots[4] = ms_float32(1.5f);
    slots[5] = ms_float64(-0.25);
    slots[6] = ms_boolean(true);
    slots[7] = text("grüße 😀");
    slots[8] = ms_bytes_value(ms_sn("\x00\xff\x10", 3));
    slots[9] = ms_decimal_of(arena, 123450, 2);
    slots[10] = ms_instant(INT64_C(19000) * 86400000);
    slots[11] = ms_instant(3600000);
    slots[12] = ms_instant(INT64_C(1700000000123));
    for (int i = 0; i < 3; i++) {
        list[i] = ms_int32(i + 1);
    }
    slots[13] = ms_list(list, 3);
    map[0].key = text("a");
    map[0].value = ms_int64(1);
    map[1].key = text("b");
    slots[14] = ms_map(map, 2);
    slots[15] = ms_struct(arena, inner, &inner_slots);
    inner_slots[0] = ms_int32(7);
    record->topic = topic;
    record->key_schema = &string_schema;
    record->key = text("everything");
    ms_record_add_header(arena, record, (ms_header){ ms_s("h"), &string_schema, text("x") });
    ms_record_add_header(arena, record, (ms_header){ ms_s("n"), &int64_schema, ms_int64(5) });
    ms_record_add_header(arena, record, (ms_header){ ms_s("h"), NULL, ms_null() });
    record->has_timestamp = true;
    record->timestamp = INT64_C(1700000000123);
    return MS_OK;
}

static ms_value schemaless_map(ms_arena *arena) {
    static const char *const names[] = { "s", "n", "x", "t", "nil", "l", "m", "b" };
    ms_entry *entries = MS_NEW_ARRAY(arena, ms_entry, 8);
    ms_value *list = MS_NEW_ARRAY(arena, ms_value, 2);
    list[0] = ms_int64(1);
    list[1] = text("two");
    const ms_value values[] = { text("text"), ms_int64(INT64_C(9007199254740993)), ms_float64(2.5), ms_boolean(true), ms_null(), ms_list(list, 2),
                                ms_map1(arena, "k", text("v")), ms_bytes_value(ms_sn("\x01", 1)) };
    for (int i = 0; i < 8; i++) {
        entries[i].key = text(names[i]);
        entries[i].value = values[i];
    }
    return ms_map(entries, 8);
}

ms_status kit_types(ms_call *call, ms_str topic, ms_collector *out) {
    ms_arena *arena = call->arena;
    ms_record records[7];
    for (int row = 0; row < 7; row++) {
        records[row] = ms_record_new(topic, ms_null());
    }
    if (everything(call, topic, &records[0]) != MS_OK) {
        return MS_FAILED;
    }
    records[1].value = schemaless_map(arena);
    records[2].key_schema = &string_schema;
    records[2].key = text("gone");
    records[2].has_partition = true;
    records[2].partition = 3;
    records[2].has_timestamp = true;
    records[2].timestamp = INT64_C(1700000000000);
    records[3].value_schema = &float64_schema;
    records[3].value = ms_float64(NAN);
    const ms_value edges[] = { ms_int64(INT64_MIN), ms_int64(INT64_MAX) };
    records[4].value = ms_list(edges, 2);
    ms_value big = ms_value_of(MS_BIG_INTEGER);
    big.as.bytes = ms_sn("\x01\x8e\xe9\x0f\xf6\xc3\x73\xe0\xee\x4e\x3f\x0a\xd2", 13);
    const ms_value special[] = { big, ms_decimal_of(arena, 120, 2), ms_instant(INT64_C(1700000000123)), ms_bytes_value(ms_s("")) };
    records[5].value = ms_list(special, 4);
    records[6].value_schema = &optional_int32;
    for (int row = 0; row < 7; row++) {
        records[row].source_partition = ms_map1(arena, "kit", text("types"));
        records[row].source_offset = ms_map1(arena, "n", ms_int64(row));
        if (ms_push(call, out, &records[row]) != MS_OK) {
            return MS_FAILED;
        }
    }
    return MS_OK;
}
