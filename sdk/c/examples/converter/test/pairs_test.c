#include <millstream/test.h>

static ms_record bytes(const char *value) { return ms_record_new(ms_s("t"), ms_bytes_value(ms_s(value))); }

/* Pairs survive both ways, and what is no pair fails alone. */
int main(void) {
    ms_test_begin();
    ms_test_plugin *pairs = ms_test_converter("org.example.PairsConverter", MS_FOR_VALUE, MS_NO_SETTINGS, NULL);
    const ms_record records[] = { bytes("a=1;b=2"), bytes("oops"), bytes("") };
    ms_test_outcome data = ms_test_convert(pairs, true, records, 3);
    MS_CHECK(data.status == MS_OK && data.n_records == 2);
    MS_CHECK_TEXT(ms_value_text(ms_test_arena(), &data.records[0].value), "{a=1, b=2}");
    MS_CHECK_TEXT(ms_value_text(ms_test_arena(), &data.records[1].value), "{}");
    MS_CHECK(data.n_errors == 1 && data.errors[0].row == 1);
    MS_CHECK_TEXT(data.errors[0].error->message, "expected a pair with '=', found 'oops'");
    ms_test_outcome back = ms_test_convert(pairs, false, data.records, data.n_records);
    MS_CHECK(back.records[0].value.type == MS_BYTES);
    MS_CHECK_TEXT(back.records[0].value.as.bytes, "a=1;b=2");
    ms_test_end();
    return 0;
}
