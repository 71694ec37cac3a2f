#include <millstream/test.h>

/* It holds for text that contains the other, and for nothing else. */
int main(void) {
    ms_test_begin();
    ms_test_plugin *predicate = ms_test_predicate("__CLASS__", MS_SETTINGS("text", "lo"), NULL);
    const ms_record records[] = { ms_record_new(ms_s("t"), ms_text("hello")), ms_record_new(ms_s("t"), ms_text("bye")), ms_record_new(ms_s("t"), ms_int64(1)) };
    bool holds[3];
    MS_CHECK(ms_test_holds(predicate, records, 3, holds).status == MS_OK);
    MS_CHECK(holds[0] && !holds[1] && !holds[2]);
    ms_test_end();
    return 0;
}
