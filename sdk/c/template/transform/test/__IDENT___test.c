#include <millstream/test.h>

/* The text gets capitals; what is no text fails alone, and the rest stays as it is. */
int main(void) {
    ms_test_begin();
    const ms_test_link link = { .class_name = "__CLASS__", .settings = MS_SETTINGS("field", "name") };
    ms_arena *arena = ms_test_arena();
    const ms_record records[] = {
        ms_record_new(ms_s("t"), ms_map1(arena, "name", ms_text("ann"))),
        ms_record_new(ms_s("t"), ms_map1(arena, "name", ms_int64(1))),
        ms_record_new(ms_s("t"), ms_map1(arena, "other", ms_text("x"))),
    };
    ms_test_outcome made = ms_test_transform(&link, 1, NULL, records, 3);
    MS_CHECK(made.status == MS_OK && made.n_records == 2 && made.n_errors == 1);
    MS_CHECK_TEXT(ms_value_text(arena, &made.records[0].value), "{name=ANN}");
    MS_CHECK_TEXT(ms_value_text(arena, &made.records[1].value), "{other=x}");
    MS_CHECK(made.errors[0].row == 1);
    MS_CHECK_TEXT(made.errors[0].error->message, "expected text, found a java.lang.Long");
    ms_test_end();
    return 0;
}
