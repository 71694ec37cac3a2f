/* Numbers as text: the shortest that is the same number, in Java's form, and whole numbers of any size. */
#include "internal.h"

#include <math.h>

/* ---- naturals of up to 1,152 bits, which hold every double scaled to a whole number, and some digits more */

#define LIMBS 40

typedef struct natural {
    uint32_t limbs[LIMBS];
    int len;
} natural;

static void natural_set(natural *n, uint64_t value) {
    n->len = 0;
    for (; value != 0; value >>= 32) {
        n->limbs[n->len++] = (uint32_t)value;
    }
}

static void natural_multiply(natural *n, uint32_t factor) {
    uint64_t carry = 0;
    for (int i = 0; i < n->len; i++) {
        carry += (uint64_t)n->limbs[i] * factor;
        n->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        n->limbs[n->len++] = (uint32_t)carry;
    }
}

static void natural_shift(natural *n, int bits) {
    int limbs = bits / 32, rest = bits % 32;
    if (n->len == 0) {
        return;
    }
    for (int i = n->len - 1; 0 <= i; i--) {
        n->limbs[i + limbs] = n->limbs[i];
    }
    memset(n->limbs, 0, (size_t)limbs * 4);
    n->len += limbs;
    if (rest != 0) {
        natural_multiply(n, 1u << rest);
    }
}

static void natural_power10(natural *n, int exponent) {
    for (; 9 <= exponent; exponent -= 9) {
        natural_multiply(n, 1000000000u);
    }
    for (; 0 < exponent; exponent--) {
        natural_multiply(n, 10);
    }
}

static int natural_compare(const natural *a, const natural *b) {
    if (a->len != b->len) {
        return a->len < b->len ? -1 : 1;
    }
    for (int i = a->len - 1; 0 <= i; i--) {
        if (a->limbs[i] != b->limbs[i]) {
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
        }
    }
    return 0;
}

static void natural_add(natural *sum, const natural *a, const natural *b) {
    uint64_t carry = 0;
    int len = a->len < b->len ? b->len : a->len;
    for (int i = 0; i < len; i++) {
        carry += (uint64_t)(i < a->len ? a->limbs[i] : 0) + (i < b->len ? b->limbs[i] : 0);
        sum->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    sum->len = len;
    if (carry != 0) {
        sum->limbs[sum->len++] = (uint32_t)carry;
    }
}

/* a -= b, which is not greater. */
static void natural_subtract(natural *a, const natural *b) {
    int64_t borrow = 0;
    for (int i = 0; i < a->len; i++) {
        int64_t limb = (int64_t)a->limbs[i] - (i < b->len ? b->limbs[i] : 0) + borrow;
        a->limbs[i] = (uint32_t)limb;
        borrow = limb < 0 ? -1 : 0;
    }
    while (a->len != 0 && a->limbs[a->len - 1] == 0) {
        a->len--;
    }
}

/* Digits of the shortest decimal within the interval that rounds to mantissa * 2^exponent, after Steele and White. Returns how many;
 * the number is 0.DIGITS * 10^point. */
static int shortest(uint64_t mantissa, int exponent, bool narrow_below, char *digits, int *point) {
    natural numerator, denominator, below, above, sum;
    natural_set(&numerator, mantissa);
    natural_set(&denominator, 1);
    natural_set(&below, 1);
    natural_set(&above, 1);
    int shift = narrow_below ? 2 : 1;
    natural_shift(&numerator, (0 <= exponent ? exponent : 0) + shift);
    natural_shift(&denominator, (exponent < 0 ? -exponent : 0) + shift);
    natural_shift(&below, 0 <= exponent ? exponent : 0);
    natural_shift(&above, (0 <= exponent ? exponent : 0) + shift - 1);
    double size = (double)mantissa;
    int estimate = (int)ceil(log10(size) + exponent * 0.30102999566398120 - 1e-10);
    if (0 <= estimate) {
        natural_power10(&denominator, estimate);
    } else {
        natural_power10(&numerator, -estimate);
        natural_power10(&below, -estimate);
        natural_power10(&above, -estimate);
    }
    /* Ends of the interval count where the mantissa is even: a reader rounds to it. */
    bool even = mantissa % 2 == 0;
    natural_add(&sum, &numerator, &above);
    int compared = natural_compare(&sum, &denominator);
    if (even ? 0 <= compared : 0 < compared) {
        estimate += 1;
    } else {
        natural_multiply(&numerator, 10);
        natural_multiply(&below, 10);
        natural_multiply(&above, 10);
    }
    *point = estimate;
    int count = 0;
    for (;;) {
        int digit = 0;
        while (0 <= natural_compare(&numerator, &denominator)) {
            natural_subtract(&numerator, &denominator);
            digit++;
        }
        natural_add(&sum, &numerator, &above);
        int low = natural_compare(&numerator, &below), high = natural_compare(&sum, &denominator);
        bool is_low = even ? low <= 0 : low < 0, is_high = even ? 0 <= high : 0 < high;
        if (is_low || is_high) {
            natural_add(&sum, &numerator, &numerator);
            int half = natural_compare(&sum, &denominator);
            bool up = is_low && is_high ? 0 < half || (half == 0 && digit % 2 == 1) : is_high;
            digits[count++] = (char)('0' + digit + (up ? 1 : 0));
            break;
        }
        digits[count++] = (char)('0' + digit);
        natural_multiply(&numerator, 10);
        natural_multiply(&below, 10);
        natural_multiply(&above, 10);
    }
    /* A last digit of ten carries over. */
    for (int i = count - 1; 0 < i && digits[i] > '9'; i--) {
        digits[i] = '0';
        digits[i - 1]++;
    }
    if (digits[0] > '9') {
        digits[0] = '1';
        *point += 1;
    }
    while (1 < count && digits[count - 1] == '0') {
        count--;
    }
    return count;
}

/* In the form of Double.toString. */
static size_t java_form(bool minus, const char *digits, int count, int point, char *text) {
    char *at = text;
    if (minus) {
        *at++ = '-';
    }
    if (-3 < point && point <= 7) {
        if (point <= 0) {
            *at++ = '0';
        }
        for (int i = 0; i < point; i++) {
            *at++ = i < count ? digits[i] : '0';
        }
        *at++ = '.';
        for (int i = point; i < 0; i++) {
            *at++ = '0';
        }
        int first = point < 0 ? 0 : point;
        if (count <= first) {
            *at++ = '0';
        }
        for (int i = first; i < count; i++) {
            *at++ = digits[i];
        }
        return (size_t)(at - text);
    }
    *at++ = digits[0];
    *at++ = '.';
    if (count == 1) {
        *at++ = '0';
    }
    for (int i = 1; i < count; i++) {
        *at++ = digits[i];
    }
    *at++ = 'E';
    int exponent = point - 1;
    if (exponent < 0) {
        *at++ = '-';
        exponent = -exponent;
    }
    if (100 <= exponent) {
        *at++ = (char)('0' + exponent / 100);
    }
    if (10 <= exponent) {
        *at++ = (char)('0' + exponent / 10 % 10);
    }
    *at++ = (char)('0' + exponent % 10);
    return (size_t)(at - text);
}

static size_t special(bool minus, bool is_nan, bool is_zero, char *text) {
    const char *word = is_nan ? "NaN" : is_zero ? (minus ? "-0.0" : "0.0") : minus ? "-Infinity" : "Infinity";
    memcpy(text, word, strlen(word));
    return strlen(word);
}

/* One digit would do, but Java shows two, and those are the nearest ones: it matters among the least numbers only, multiples of
 * `least`, which has 17 digits. */
static int two_digits(uint64_t mantissa, uint64_t least, int least_point, char *digits, int *point) {
    uint64_t product = mantissa * least, unit = 1;
    int size = 0;
    for (uint64_t rest = product; rest != 0; rest /= 10) {
        size++;
    }
    for (int i = 2; i < size; i++) {
        unit *= 10;
    }
    uint64_t two = (product + unit / 2) / unit;
    *point = least_point + size - 17;
    if (two == 100) {
        two = 10;
        *point += 1;
    }
    digits[0] = (char)('0' + two / 10);
    digits[1] = (char)('0' + two % 10);
    return two % 10 == 0 ? 1 : 2;
}

size_t ms_double_text(double number, char *text) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    bool minus = bits >> 63 != 0;
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t fraction = bits & 0xfffffffffffffu;
    if (exponent == 0x7ff || (bits << 1) == 0) {
        return special(minus, exponent == 0x7ff && fraction != 0, exponent == 0, text);
    }
    uint64_t mantissa = exponent == 0 ? fraction : fraction | 1ull << 52;
    char digits[24];
    int point;
    int count = shortest(mantissa, (exponent == 0 ? 1 : exponent) - 1075, fraction == 0 && 1 < exponent, digits, &point);
    if (count == 1 && exponent == 0 && mantissa <= 20) {
        count = two_digits(mantissa, 49406564584124654u, -323, digits, &point);
    }
    return java_form(minus, digits, count, point, text);
}

size_t ms_float_text(float number, char *text) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    bool minus = bits >> 31 != 0;
    int exponent = (int)(bits >> 23 & 0xff);
    uint32_t fraction = bits & 0x7fffffu;
    if (exponent == 0xff || (bits << 1) == 0) {
        return special(minus, exponent == 0xff && fraction != 0, exponent == 0, text);
    }
    uint32_t mantissa = exponent == 0 ? fraction : fraction | 1u << 23;
    char digits[24];
    int point;
    int count = shortest(mantissa, (exponent == 0 ? 1 : exponent) - 150, fraction == 0 && 1 < exponent, digits, &point);
    if (count == 1 && exponent == 0 && mantissa <= 20) {
        count = two_digits(mantissa, 14012984643248171u, -44, digits, &point);
    }
    return java_form(minus, digits, count, point, text);
}

ms_str ms_big_integer_text(ms_arena *arena, ms_bytes bytes) {
    /* The absolute value, in place, divided by ten again and again. */
    unsigned char *value = ms_alloc(arena, bytes.len + 1);
    size_t len = bytes.len;
    memcpy(value, bytes.data, len);
    bool minus = len != 0 && (value[0] & 0x80) != 0;
    unsigned carry = 1;
    for (size_t i = len; minus && i-- != 0;) {
        carry += (unsigned char)~value[i];
        value[i] = (unsigned char)carry;
        carry >>= 8;
    }
    size_t room = len * 3 + 3;
    char *text = ms_alloc(arena, room), *end = text + room - 1, *at = end;
    size_t first = 0;
    do {
        unsigned rest = 0;
        for (size_t i = first; i < len; i++) {
            rest = rest << 8 | value[i];
            value[i] = (unsigned char)(rest / 10);
            rest %= 10;
        }
        while (first < len && value[first] == 0) {
            first++;
        }
        *--at = (char)('0' + rest);
    } while (first < len);
    if (minus) {
        *--at = '-';
    }
    return ms_sn(at, (size_t)(end - at));
}

ms_str ms_decimal_text(ms_arena *arena, ms_bytes unscaled, int32_t scale) {
    ms_str whole = ms_big_integer_text(arena, unscaled);
    if (scale == 0) {
        return whole;
    }
    bool minus = whole.data[0] == '-';
    ms_str digits = ms_sn(whole.data + minus, whole.len - minus);
    /* As BigDecimal.toString: plain unless the number is far from its digits. */
    int64_t adjusted = -(int64_t)scale + ((int64_t)digits.len - 1);
    ms_buf buf = ms_buf_in(arena);
    if (minus) {
        ms_buf_char(&buf, '-');
    }
    if (0 <= scale && -6 <= adjusted) {
        int64_t point = (int64_t)digits.len - scale;
        if (point <= 0) {
            ms_buf_text(&buf, "0.");
            for (; point < 0; point++) {
                ms_buf_char(&buf, '0');
            }
            ms_buf_str(&buf, digits);
        } else {
            ms_buf_add(&buf, digits.data, (size_t)point);
            ms_buf_char(&buf, '.');
            ms_buf_add(&buf, digits.data + point, digits.len - (size_t)point);
        }
        return ms_buf_done(&buf);
    }
    ms_buf_char(&buf, digits.data[0]);
    if (1 < digits.len) {
        ms_buf_char(&buf, '.');
        ms_buf_add(&buf, digits.data + 1, digits.len - 1);
    }
    if (adjusted != 0) {
        ms_buf_format(&buf, "E%s%lld", 0 < adjusted ? "+" : "", (long long)adjusted);
    }
    return ms_buf_done(&buf);
}
