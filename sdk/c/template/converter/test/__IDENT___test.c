#include <millstream/test.h>

/* Pairs survive both ways, and what is no pair fails alone. */
int main(void) {
    ms_test_begin();
    ms_test_plugin *pairs = ms_test_converter("__CLASS__", MS_FOR_VALUE, MS_NO_SETTINGS, NULL);
    const ms_record records[] = { ms_record_new(ms_s("t"), ms_bytes_value(ms_s("a=1;b=2"))), ms_record_new(ms_s("t"), ms_bytes_value(ms_s("oops"))) };
    ms_test_outcome data = ms_test_convert(pairs, true, records, 2);
    MS_CHECK(data.status == MS_OK && data.n_records == 1 && data.n_errors == 1);
    MS_CHECK_TEXT(ms_value_text(ms_test_arena(), &data.records[0].value), "{a=1, b=2}");
    ms_test_outcome back = ms_test_convert(pairs, false, data.records, 1);
    MS_CHECK_TEXT(back.records[0].value.as.bytes, "a=1;b=2");
    ms_test_end();
    return 0;
}
