#include <millstream/test.h>

/* Numbers are added up, and what is none is reported. */
int main(void) {
    ms_test_begin();
    ms_test_file("file", ms_s(""));
    ms_test_plugin *task = ms_test_task(MS_SINK, "org.example.TotalSinkConnector", MS_SETTINGS("file", "totals.txt"), NULL);
    ms_record records[3] = { ms_record_new(ms_s("t"), ms_int64(2)), ms_record_new(ms_s("t"), ms_text("two")), ms_record_new(ms_s("t"), ms_int64(3)) };
    for (int i = 0; i < 3; i++) {
        records[i].key = ms_text("a");
    }
    MS_CHECK(ms_test_put(task, records, 3).status == MS_OK);
    MS_CHECK(ms_test_flush(task).status == MS_OK);
    MS_CHECK_TEXT(ms_test_file_content("file"), "a=2\na=5\n");
    MS_CHECK_TEXT(ms_test_heard(), "report 1 expected a whole number, found a java.lang.String\n");

    /* Where the policy tolerates no errors, the call fails with its words. */
    ms_test_refuse_reports("no errors are tolerated");
    ms_test_outcome refused = ms_test_put(task, records, 3);
    MS_CHECK(refused.status == MS_FAILED);
    MS_CHECK_TEXT(refused.error.message, "no errors are tolerated");
    ms_test_end();
    return 0;
}
