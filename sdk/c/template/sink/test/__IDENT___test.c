#include <millstream/test.h>

/* Each record is a line of the file. */
int main(void) {
    ms_test_begin();
    ms_test_plugin *task = ms_test_task(MS_SINK, "__CLASS__", MS_SETTINGS("file", "out.txt"), NULL);
    ms_record records[] = { ms_record_new(ms_s("t"), ms_int64(1)), ms_record_new(ms_s("t"), ms_text("two")) };
    records[0].key = ms_text("a");
    MS_CHECK(ms_test_put(task, records, 2).status == MS_OK);
    MS_CHECK(ms_test_flush(task).status == MS_OK);
    MS_CHECK_TEXT(ms_test_file_content("file"), "a=1\nnull=two\n");
    ms_test_end();
    return 0;
}
