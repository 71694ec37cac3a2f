/* Texts, numbers and JSON. */
#include <millstream/test.h>

#include <stdlib.h>

#include "internal.h"

static void check_double(double number, const char *expected) {
    char text[40];
    MS_CHECK_TEXT(ms_sn(text, ms_double_text(number, text)), expected);
}

static void numbers_are_shown_as_java_shows_them(void) {
    check_double(0, "0.0");
    check_double(-0.0, "-0.0");
    check_double(1, "1.0");
    check_double(0.1, "0.1");
    check_double(-0.25, "-0.25");
    check_double(100, "100.0");
    check_double(1e7, "1.0E7");
    check_double(9999999, "9999999.0");
    check_double(0.001, "0.001");
    check_double(0.0001, "1.0E-4");
    check_double(1.0 / 3, "0.3333333333333333");
    check_double(2e23, "2.0E23");
    check_double(1.7976931348623157e308, "1.7976931348623157E308");
    check_double(4.9e-324, "4.9E-324");
    check_double(9.9e-324, "9.9E-324");
    check_double(2.2250738585072014e-308, "2.2250738585072014E-308");
    check_double(9007199254740993.0, "9.007199254740992E15");
    check_double(5e-324 * 3, "1.5E-323");
    char text[40];
    MS_CHECK_TEXT(ms_sn(text, ms_float_text(1.1f, text)), "1.1");
    MS_CHECK_TEXT(ms_sn(text, ms_float_text(3.4028235e38f, text)), "3.4028235E38");
    MS_CHECK_TEXT(ms_sn(text, ms_float_text(1.4e-45f, text)), "1.4E-45");
    /* Every text is the number again. */
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double number;
        memcpy(&number, &bits, 8);
        if (number - number == 0) {
            char again[40];
            again[ms_double_text(number, again)] = '\0';
            MS_CHECK(strtod(again, NULL) == number);
        }
    }
}

static void decimals_and_big_integers_have_all_their_digits(void) {
    ms_arena *arena = ms_test_arena();
    MS_CHECK_TEXT(ms_decimal_text(arena, ms_decimal_of(arena, 123450, 2).as.bytes, 2), "1234.50");
    MS_CHECK_TEXT(ms_decimal_text(arena, ms_decimal_of(arena, -5, 3).as.bytes, 3), "-0.005");
    MS_CHECK_TEXT(ms_decimal_text(arena, ms_decimal_of(arena, 1, 10).as.bytes, 10), "1E-10");
    MS_CHECK_TEXT(ms_decimal_text(arena, ms_decimal_of(arena, 12, -3).as.bytes, -3), "1.2E+4");
    MS_CHECK(ms_decimal_of(arena, 127, 0).as.bytes.len == 1 && ms_decimal_of(arena, 128, 0).as.bytes.len == 2 &&
             ms_decimal_of(arena, -128, 0).as.bytes.len == 1);
    MS_CHECK_TEXT(ms_big_integer_text(arena, ms_sn("\x01\x8e\xe9\x0f\xf6\xc3\x73\xe0\xee\x4e\x3f\x0a\xd2", 13)), "123456789012345678901234567890");
    MS_CHECK_TEXT(ms_big_integer_text(arena, ms_sn("\xff", 1)), "-1");
    MS_CHECK_TEXT(ms_big_integer_text(arena, ms_sn("\x80\x00", 2)), "-32768");
}

static void texts_are_put_together_as_by_printf(void) {
    ms_arena *arena = ms_test_arena();
    MS_CHECK_TEXT(ms_format(arena, "%s|%5d|%-5d|%05d|%x|%lld|%zu|%c|%%|%.*s", "a", 42, 42, -42, 255u, -9223372036854775807ll - 1, (size_t)7, 'z', 2, "xyz"),
                  "a|   42|42   |-0042|ff|-9223372036854775808|7|z|%|xy");
    MS_CHECK_TEXT(ms_format(arena, "%g %f", 0.5, 2.0), "0.5 2.0");
    MS_CHECK_TEXT(ms_upper(arena, ms_s("grüße 😀 a")), "GRÜSSE 😀 A");
    MS_CHECK_TEXT(ms_lower(arena, ms_s("ÄB")), "äb");
    MS_CHECK_TEXT(ms_upper(arena, ms_s("`az{@AZ[ 0~ and abcdefgé")), "`AZ{@AZ[ 0~ AND ABCDEFGÉ");
    MS_CHECK_TEXT(ms_lower(arena, ms_s("`az{@AZ[ 0~ AND ABCDEFG")), "`az{@az[ 0~ and abcdefg");
    MS_CHECK(!ms_is_utf8(ms_sn("\xc3\x28", 2)) && !ms_is_utf8(ms_sn("\xed\xa0\x80", 3)) && !ms_is_utf8(ms_sn("\xc0\x80", 2)) && ms_is_utf8(ms_s("ä")));
    MS_CHECK(ms_find(ms_s("hello"), ms_s("lo")) == 3 && ms_find(ms_s("hello"), ms_s("loo")) == -1 && ms_find(ms_s("aab"), ms_s("ab")) == 1);
    MS_CHECK_TEXT(ms_url_encode(arena, ms_s("a/b ü?")), "a%2Fb%20%C3%BC%3F");
}

static void offsets_survive_the_way_through_json(void) {
    ms_call *call = ms_test_call();
    const char *text = "{\"position\":9223372036854775807,\"ratio\":1.5,\"name\":\"a \\\"b\\\"\",\"parts\":[null,true]}";
    ms_value value;
    ms_str again;
    MS_CHECK(ms_from_json(call, ms_s(text), &value) == MS_OK);
    MS_CHECK(ms_get(&value, "position")->as.integer == INT64_MAX);
    MS_CHECK(ms_to_json(call, &value, &again) == MS_OK);
    MS_CHECK_TEXT(again, text);
    MS_CHECK(ms_from_json(call, ms_s("[-9223372036854775808, 9223372036854775808, \"\\u00e4\\ud83d\\ude00\\n\"]"), &value) == MS_OK);
    MS_CHECK(value.as.list.items[0].as.integer == INT64_MIN && value.as.list.items[1].type == MS_FLOAT64);
    MS_CHECK_TEXT(value.as.list.items[2].as.text, "ä😀\n");
    const char *wrong[] = { "{", "[1,]", "\"\\x\"", "1 2", "nul", "{\"a\" 1}", "\"\\ud800\"", "-", "" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        MS_CHECK(ms_from_json(call, ms_s(wrong[i]), &value) == MS_FAILED);
    }
    ms_value bytes = ms_bytes_value(ms_s("x"));
    call = ms_test_call();
    MS_CHECK(ms_to_json(call, &bytes, &again) == MS_FAILED);
    MS_CHECK_TEXT(call->error->message, "a source partition or offset cannot hold a [B");
}

int main(void) {
    ms_test_begin();
    numbers_are_shown_as_java_shows_them();
    decimals_and_big_integers_have_all_their_digits();
    texts_are_put_together_as_by_printf();
    offsets_survive_the_way_through_json();
    ms_test_end();
    return 0;
}

MS_COMPONENT(NULL);
