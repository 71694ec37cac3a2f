#include <millstream/test.h>

static ms_record text(const char *value) { return ms_record_new(ms_s("t"), ms_text(value)); }

static void a_chain_changes_multiplies_and_drops(void) {
    ms_test_begin();
    const ms_test_link links[] = {
        { .class_name = "org.example.SplitWords" },
        { .class_name = "org.example.Shout" },
        { .class_name = "org.example.Retopic", .settings = MS_SETTINGS("topic", "words") },
    };
    const ms_record records[] = { text("a bc"), ms_record_new(ms_s("t"), ms_null()), ms_record_new(ms_s("t"), ms_int64(1)), text("d") };
    ms_test_outcome made = ms_test_transform(links, 3, NULL, records, 4);
    MS_CHECK(made.status == MS_OK && made.n_records == 3);
    const char *words[] = { "A", "BC", "D" };
    for (int i = 0; i < 3; i++) {
        MS_CHECK_TEXT(made.records[i].topic, "words");
        MS_CHECK_TEXT(made.records[i].value.as.text, words[i]);
    }
    /* The third row, by the number it came in with, failed in the second link. */
    MS_CHECK(made.n_errors == 1 && made.errors[0].link == 1 && made.errors[0].row == 2);
    MS_CHECK_TEXT(made.errors[0].error->message, "expected text, found a java.lang.Long");
    ms_test_end();
}

static void rows_that_are_not_meant_stay_as_they_are(void) {
    ms_test_begin();
    const ms_test_link links[] = { { .class_name = "org.example.Retopic", .settings = MS_SETTINGS("topic", "new") } };
    const ms_record records[] = { text("a"), text("b") };
    const uint8_t only[] = { 2 };
    ms_test_outcome made = ms_test_transform(links, 1, only, records, 2);
    MS_CHECK_TEXT(made.records[0].topic, "t");
    MS_CHECK_TEXT(made.records[1].topic, "new");
    ms_test_end();
}

int main(void) {
    a_chain_changes_multiplies_and_drops();
    rows_that_are_not_meant_stay_as_they_are();
    return 0;
}
