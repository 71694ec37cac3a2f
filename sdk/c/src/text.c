/* Texts: searching, UTF-8, letters, and putting them together. */
#include "internal.h"

#include <wctype.h>

ptrdiff_t ms_find(ms_str text, ms_str part) {
    if (part.len == 0) {
        return 0;
    }
    for (size_t at = 0; at + part.len <= text.len; at++) {
        const char *next = memchr(text.data + at, part.data[0], text.len - part.len - at + 1);
        if (next == NULL) {
            return -1;
        }
        at = (size_t)(next - text.data);
        if (memcmp(next, part.data, part.len) == 0) {
            return (ptrdiff_t)at;
        }
    }
    return -1;
}

ms_str ms_trim(ms_str text) {
    while (text.len != 0 && (unsigned char)text.data[0] <= ' ') {
        text.data++;
        text.len--;
    }
    while (text.len != 0 && (unsigned char)text.data[text.len - 1] <= ' ') {
        text.len--;
    }
    return text;
}

/* Length of the letter at the beginning and its code; 0 if there is none. */
static size_t decode(const unsigned char *at, size_t len, uint32_t *code) {
    if (len == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        *code = at[0];
        return 1;
    }
    size_t size = (at[0] & 0xe0) == 0xc0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : (at[0] & 0xf8) == 0xf0 ? 4 : 0;
    if (size == 0 || len < size) {
        return 0;
    }
    uint32_t found = at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        found = found << 6 | (at[i] & 0x3f);
    }
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (found < least[size] || 0x10ffff < found || (0xd800 <= found && found < 0xe000)) {
        return 0;
    }
    *code = found;
    return size;
}

bool ms_is_utf8(ms_str text) {
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.len;
    while (at < end) {
        /* Eight letters of ASCII at a time. */
        uint64_t eight;
        if (8 <= end - at && (memcpy(&eight, at, 8), (eight & 0x8080808080808080u) == 0)) {
            at += 8;
            continue;
        }
        uint32_t code;
        size_t size = decode(at, (size_t)(end - at), &code);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

void ms_buf_utf8(ms_buf *buf, uint32_t code) {
    if (code < 0x80) {
        ms_buf_char(buf, (char)code);
    } else if (code < 0x800) {
        ms_buf_char(buf, (char)(0xc0 | code >> 6));
        ms_buf_char(buf, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        ms_buf_char(buf, (char)(0xe0 | code >> 12));
        ms_buf_char(buf, (char)(0x80 | (code >> 6 & 0x3f)));
        ms_buf_char(buf, (char)(0x80 | (code & 0x3f)));
    } else {
        ms_buf_char(buf, (char)(0xf0 | code >> 18));
        ms_buf_char(buf, (char)(0x80 | (code >> 12 & 0x3f)));
        ms_buf_char(buf, (char)(0x80 | (code >> 6 & 0x3f)));
        ms_buf_char(buf, (char)(0x80 | (code & 0x3f)));
    }
}

/* Eight letters of ASCII at once; false if there is another among them. */
static bool ascii_case(char *out, const unsigned char *in, bool upper) {
    const uint64_t ones = 0x0101010101010101u, highs = 0x80 * ones;
    uint64_t eight;
    memcpy(&eight, in, 8);
    if ((eight & highs) != 0) {
        return false;
    }
    /* The highest bit of a byte says whether it is at least the first letter, and whether it is behind the last one. */
    uint64_t first = eight + (0x80u - (upper ? 'a' : 'A')) * ones, behind = eight + (0x7fu - (upper ? 'z' : 'Z')) * ones;
    eight ^= (first & ~behind & highs) >> 2;
    memcpy(out, &eight, 8);
    return true;
}

static ms_str each_letter(ms_arena *arena, ms_str text, bool upper) {
    if (text.data == NULL) {
        return text;
    }
    char *plain = ms_alloc_dirty(arena, text.len + 1);
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.len;
    size_t done = 0;
    while (8 <= text.len - done && ascii_case(plain + done, at + done, upper)) {
        done += 8;
    }
    for (; at + done < end && at[done] < 0x80; done++) {
        unsigned char c = at[done];
        plain[done] = (char)(upper ? ('a' <= c && c <= 'z' ? c - 32 : c) : ('A' <= c && c <= 'Z' ? c + 32 : c));
    }
    if (done == text.len) {
        plain[done] = '\0';
        return ms_sn(plain, done);
    }
    ms_buf buf = ms_buf_in(arena);
    ms_buf_add(&buf, plain, done);
    for (at += done; at < end;) {
        uint32_t code;
        size_t size = decode(at, (size_t)(end - at), &code);
        if (size == 0) {
            /* No text: its bytes stay what they are. */
            ms_buf_char(&buf, (char)*at++);
            continue;
        }
        at += size;
        if (upper && code == 0xdf) {
            ms_buf_text(&buf, "SS");
        } else {
            ms_buf_utf8(&buf, (uint32_t)(upper ? towupper((wint_t)code) : towlower((wint_t)code)));
        }
    }
    return ms_buf_done(&buf);
}

ms_str ms_upper(ms_arena *arena, ms_str text) { return each_letter(arena, text, true); }

ms_str ms_lower(ms_arena *arena, ms_str text) { return each_letter(arena, text, false); }

/* ---- printf, without what the C library's would bring along */

static void padded(ms_buf *buf, ms_str text, size_t width, bool left, bool zeros) {
    size_t missing = text.len < width ? width - text.len : 0;
    if (zeros && !left) {
        if (text.len != 0 && text.data[0] == '-') {
            ms_buf_char(buf, '-');
            text.data++;
            text.len--;
        }
        while (missing-- != 0) {
            ms_buf_char(buf, '0');
        }
        ms_buf_str(buf, text);
        return;
    }
    for (size_t i = 0; !left && i < missing; i++) {
        ms_buf_char(buf, ' ');
    }
    ms_buf_str(buf, text);
    for (size_t i = 0; left && i < missing; i++) {
        ms_buf_char(buf, ' ');
    }
}

static ms_str digits(char *end, uint64_t number, unsigned base, bool capitals, bool minus) {
    char *at = end;
    do {
        *--at = (capitals ? "0123456789ABCDEF" : "0123456789abcdef")[number % base];
        number /= base;
    } while (number != 0);
    if (minus) {
        *--at = '-';
    }
    return ms_sn(at, (size_t)(end - at));
}

static void vformat(ms_buf *buf, const char *format, va_list *arguments) {
    char scratch[72];
    while (*format != '\0') {
        const char *percent = strchr(format, '%');
        size_t plain = percent == NULL ? strlen(format) : (size_t)(percent - format);
        ms_buf_add(buf, format, plain);
        format += plain;
        if (*format == '\0') {
            return;
        }
        bool left = false, zeros = false, has_precision = false;
        size_t width = 0, precision = 0;
        for (format++; *format == '-' || *format == '0'; format++) {
            left = left || *format == '-';
            zeros = zeros || *format == '0';
        }
        if (*format == '*') {
            int given = va_arg(*arguments, int);
            width = given < 0 ? 0 : (size_t)given;
            format++;
        }
        for (; '0' <= *format && *format <= '9'; format++) {
            width = width * 10 + (size_t)(*format - '0');
        }
        if (*format == '.') {
            has_precision = true;
            format++;
            if (*format == '*') {
                int given = va_arg(*arguments, int);
                has_precision = 0 <= given;
                precision = has_precision ? (size_t)given : 0;
                format++;
            }
            for (; '0' <= *format && *format <= '9'; format++) {
                precision = precision * 10 + (size_t)(*format - '0');
            }
        }
        unsigned longs = 0;
        for (; *format == 'l' || *format == 'z' || *format == 'h' || *format == 'j' || *format == 't'; format++) {
            longs += *format == 'l' ? 1 : *format == 'j' ? 2 : *format == 'z' || *format == 't' ? 4 : 0;
        }
        char kind = *format == '\0' ? '\0' : *format++;
        switch (kind) {
        case 's': {
            const char *text = va_arg(*arguments, const char *);
            text = text == NULL ? "(null)" : text;
            const char *nul = has_precision ? memchr(text, '\0', precision) : NULL;
            size_t len = has_precision ? (nul == NULL ? precision : (size_t)(nul - text)) : strlen(text);
            padded(buf, ms_sn(text, len), width, left, false);
            break;
        }
        case 'c': {
            char byte = (char)va_arg(*arguments, int);
            padded(buf, ms_sn(&byte, 1), width, left, false);
            break;
        }
        case 'd':
        case 'i': {
            int64_t number = 4 <= longs   ? (int64_t)va_arg(*arguments, ptrdiff_t)
                             : longs == 0 ? va_arg(*arguments, int)
                             : longs == 1 ? va_arg(*arguments, long)
                                          : va_arg(*arguments, long long);
            uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
            padded(buf, digits(scratch + sizeof scratch, size, 10, false, number < 0), width, left, zeros);
            break;
        }
        case 'u':
        case 'x':
        case 'X':
        case 'p': {
            uint64_t number = kind == 'p'  ? (uintptr_t)va_arg(*arguments, void *)
                              : 4 <= longs ? va_arg(*arguments, size_t)
                              : longs == 0 ? va_arg(*arguments, unsigned)
                              : longs == 1 ? va_arg(*arguments, unsigned long)
                                           : va_arg(*arguments, unsigned long long);
            unsigned base = kind == 'u' ? 10 : 16;
            padded(buf, digits(scratch + sizeof scratch, number, base, kind == 'X', false), width, left, zeros);
            break;
        }
        case 'f':
        case 'g':
        case 'e':
            padded(buf, ms_sn(scratch, ms_double_text(va_arg(*arguments, double), scratch)), width, left, zeros);
            break;
        case '%':
            ms_buf_char(buf, '%');
            break;
        default:
            /* Not known: shown as it is, so that its author sees it. What follows cannot be told apart any more. */
            ms_buf_text(buf, "%?");
            return;
        }
    }
}

void ms_buf_vformat(ms_buf *buf, const char *format, va_list arguments) {
    va_list copy;
    va_copy(copy, arguments);
    vformat(buf, format, &copy);
    va_end(copy);
}

void ms_buf_format(ms_buf *buf, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    ms_buf_vformat(buf, format, arguments);
    va_end(arguments);
}

ms_str ms_vformat(ms_arena *arena, const char *format, va_list arguments) {
    ms_buf buf = ms_buf_in(arena);
    ms_buf_vformat(&buf, format, arguments);
    return ms_buf_done(&buf);
}

ms_str ms_format(ms_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    ms_str text = ms_vformat(arena, format, arguments);
    va_end(arguments);
    return text;
}
