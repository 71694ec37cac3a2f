/* The worker's time zone, in which Java writes dates as text: `description.md` beside the contract says how an instance hears of it. */
#include "component.h"

/* 1900-01-01T00:00Z. Java knows no changes before it. */
#define HISTORY_BEGINS INT64_C(-2208988800)
#define DAY 86400

/* What clocks show for a part of the year. */
typedef struct clock_time {
    int32_t offset;
    bool is_daylight;
    ms_str designation;
} clock_time;

/* The day of a change: `Jn`, `n` or `Mm.w.d`, and the time on it. */
typedef struct rule_day {
    char kind;
    int a, b, c;
    int32_t time;
} rule_day;

typedef struct zone {
    bool is_set, is_fixed, is_negative, has_rule;
    clock_time standard, daylight;
    size_t n_changes, n_types;
    /* Big-endian, as they came. */
    const uint8_t *changes, *types_of_changes;
    clock_time *types;
    clock_time rule_standard, rule_daylight;
    bool has_daylight;
    rule_day start, end;
} zone;

/* ---- reading */

typedef struct reader {
    ms_str rest;
    bool failed;
} reader;

static bool next_is(reader *reader, char c) {
    if (reader->rest.len == 0 || reader->rest.data[0] != c) {
        return false;
    }
    reader->rest = ms_sn(reader->rest.data + 1, reader->rest.len - 1);
    return true;
}

static int32_t number(reader *reader) {
    int32_t value = 0;
    size_t digits = 0;
    for (; digits < reader->rest.len && '0' <= reader->rest.data[digits] && reader->rest.data[digits] <= '9' && digits < 6; digits++) {
        value = value * 10 + (reader->rest.data[digits] - '0');
    }
    reader->failed = reader->failed || digits == 0;
    reader->rest = ms_sn(reader->rest.data + digits, reader->rest.len - digits);
    return value;
}

/* `[+-]hh[:mm[:ss]]` in seconds. */
static int32_t hours(reader *reader) {
    int32_t sign = next_is(reader, '-') ? -1 : (next_is(reader, '+'), 1);
    int32_t hour = number(reader), minute = 0, second = 0;
    if (next_is(reader, ':')) {
        minute = number(reader);
        second = next_is(reader, ':') ? number(reader) : 0;
    }
    reader->failed = reader->failed || 167 < hour || 59 < minute || 59 < second;
    return sign * (hour * 3600 + minute * 60 + second);
}

static ms_str designation(reader *reader) {
    bool quoted = next_is(reader, '<');
    size_t len = 0;
    while (len < reader->rest.len && (quoted ? reader->rest.data[len] != '>'
                                             : (('A' <= reader->rest.data[len] && reader->rest.data[len] <= 'Z') ||
                                                ('a' <= reader->rest.data[len] && reader->rest.data[len] <= 'z')))) {
        len++;
    }
    ms_str name = ms_sn(reader->rest.data, len);
    reader->rest = ms_sn(reader->rest.data + len, reader->rest.len - len);
    reader->failed = reader->failed || len < 3 || (quoted && !next_is(reader, '>'));
    return name;
}

static rule_day day_of_rule(reader *reader) {
    rule_day day = { 'n', 0, 0, 0, 7200 };
    if (next_is(reader, 'M')) {
        day.kind = 'M';
        day.a = number(reader);
        reader->failed = reader->failed || !next_is(reader, '.');
        day.b = number(reader);
        reader->failed = reader->failed || !next_is(reader, '.');
        day.c = number(reader);
    } else {
        day.kind = next_is(reader, 'J') ? 'J' : 'n';
        day.a = number(reader);
    }
    if (next_is(reader, '/')) {
        day.time = hours(reader);
    }
    return day;
}

/* A rule such as `CET-1CEST,M3.5.0,M10.5.0/3`. */
static bool read_rule(zone *zone, ms_str text) {
    reader reader = { text, false };
    zone->rule_standard.designation = designation(&reader);
    zone->rule_standard.offset = -hours(&reader);
    if (!reader.failed && reader.rest.len != 0) {
        zone->has_daylight = true;
        zone->rule_daylight.is_daylight = true;
        zone->rule_daylight.designation = designation(&reader);
        zone->rule_daylight.offset = zone->rule_standard.offset + 3600;
        if (reader.rest.len != 0 && reader.rest.data[0] != ',') {
            zone->rule_daylight.offset = -hours(&reader);
        }
        reader.failed = reader.failed || !next_is(&reader, ',');
        zone->start = day_of_rule(&reader);
        reader.failed = reader.failed || !next_is(&reader, ',');
        zone->end = day_of_rule(&reader);
    }
    zone->has_rule = !reader.failed && reader.rest.len == 0;
    return zone->has_rule;
}

static uint32_t big(const uint8_t *at) { return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]; }

static int64_t change_at(const zone *zone, size_t i) {
    const uint8_t *at = zone->changes + 8 * i;
    return (int64_t)((uint64_t)big(at) << 32 | big(at + 4));
}

/* A compiled zone, as RFC 8536 specifies it: the second of its two parts, and the rule behind it. */
static bool read_compiled(zone *zone, ms_arena *arena, const uint8_t *bytes, size_t len) {
    for (int part = 0; part < 2; part++) {
        size_t width = part == 0 ? 4 : 8;
        if (len < 44 || memcmp(bytes, "TZif", 4) != 0 || bytes[4] < '2') {
            return false;
        }
        size_t n_utc = big(bytes + 20), n_std = big(bytes + 24), n_leap = big(bytes + 28), n_changes = big(bytes + 32), n_types = big(bytes + 36),
               n_chars = big(bytes + 40);
        if (len < n_utc || len < n_std || len < n_leap || len < n_changes || len < n_types || len < n_chars) {
            return false;
        }
        size_t size = n_changes * (width + 1) + n_types * 6 + n_chars + n_leap * (width + 4) + n_std + n_utc;
        if (len - 44 < size || n_types == 0) {
            return false;
        }
        const uint8_t *body = bytes + 44, *types = body + n_changes * (width + 1), *chars = types + n_types * 6;
        bytes = body + size;
        len -= 44 + size;
        if (part == 0) {
            continue;
        }
        zone->changes = body;
        zone->types_of_changes = body + n_changes * 8;
        zone->n_changes = n_changes;
        zone->n_types = n_types;
        zone->types = MS_NEW_ARRAY(arena, clock_time, n_types);
        for (size_t i = 0; i < n_types; i++) {
            size_t name = types[6 * i + 5];
            const char *start = (const char *)chars + name;
            if (n_chars <= name) {
                return false;
            }
            const char *nul = memchr(start, '\0', n_chars - name);
            zone->types[i].offset = (int32_t)big(types + 6 * i);
            zone->types[i].is_daylight = types[6 * i + 4] != 0;
            zone->types[i].designation = ms_sn(start, nul == NULL ? n_chars - name : (size_t)(nul - start));
        }
        for (size_t i = 0; i < n_changes; i++) {
            if (n_types <= zone->types_of_changes[i]) {
                return false;
            }
        }
    }
    if (2 < len && bytes[0] == '\n' && bytes[len - 1] == '\n') {
        return read_rule(zone, ms_sn(bytes + 1, len - 2));
    }
    return true;
}

static ms_str from_base64(ms_arena *arena, ms_str text) {
    uint8_t *bytes = ms_alloc(arena, text.len);
    size_t len = 0;
    uint32_t bits = 0, n_bits = 0;
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < text.len && text.data[i] != '='; i++) {
        const char *letter = text.data[i] == '\0' ? NULL : strchr(letters, text.data[i]);
        if (letter == NULL) {
            return ms_none();
        }
        bits = bits << 6 | (uint32_t)(letter - letters);
        n_bits += 6;
        if (8 <= n_bits) {
            n_bits -= 8;
            bytes[len++] = (uint8_t)(bits >> n_bits);
        }
    }
    return ms_sn(bytes, len);
}

static void fix(zone *zone, int32_t offset) {
    zone->is_set = zone->is_fixed = true;
    zone->standard.offset = zone->daylight.offset = offset;
    zone->standard.designation = zone->daylight.designation = ms_s("");
}

static bool same_time(const clock_time *a, const clock_time *b) { return a->offset == b->offset && ms_eq(a->designation, b->designation); }

/* Which of a zone's times Java has names for: the latest of each kind. */
static void choose(zone *zone) {
    const clock_time *standard = NULL, *daylight = NULL;
    if (zone->has_rule) {
        standard = &zone->rule_standard;
        daylight = zone->has_daylight ? &zone->rule_daylight : NULL;
    }
    for (size_t i = zone->n_changes + zone->n_types; i-- != 0;) {
        /* Those of changes, latest first, and then all. */
        const clock_time *time = zone->n_types <= i ? &zone->types[zone->types_of_changes[i - zone->n_types]] : &zone->types[zone->n_types - 1 - i];
        standard = standard == NULL && !time->is_daylight ? time : standard;
        daylight = daylight == NULL && time->is_daylight ? time : daylight;
    }
    standard = standard != NULL ? standard : zone->n_types != 0 ? &zone->types[0] : &zone->rule_standard;
    daylight = daylight != NULL ? daylight : standard;
    zone->is_negative = daylight->offset < standard->offset;
    bool swapped = zone->is_negative && zone->has_rule && zone->has_daylight;
    zone->standard = swapped ? *daylight : *standard;
    zone->daylight = swapped ? *standard : *daylight;
    zone->is_fixed = zone->n_changes == 0 && same_time(&zone->standard, &zone->daylight);
    zone->is_set = !(zone->is_fixed && zone->standard.offset == 0 && ms_is(zone->standard.designation, "UTC"));
}

/* `GMT`, `GMT+5:30`, `GMT-0330`. */
static bool read_offset(zone *zone, ms_str text) {
    reader reader = { text, false };
    if (!next_is(&reader, 'G') || !next_is(&reader, 'M') || !next_is(&reader, 'T')) {
        return false;
    }
    int32_t sign = next_is(&reader, '-') ? -1 : next_is(&reader, '+') ? 1 : 0, hour = 0, minute = 0;
    if (sign != 0) {
        size_t digits = reader.rest.len;
        hour = number(&reader);
        if (next_is(&reader, ':')) {
            minute = number(&reader);
        } else if (2 < digits) {
            minute = hour % 100;
            hour /= 100;
        }
    }
    if (reader.failed || reader.rest.len != 0 || 23 < hour || 59 < minute) {
        return false;
    }
    fix(zone, sign * (hour * 60 + minute) * 60);
    return true;
}

bool ms_zone_describe(ms_arena *arena, ms_str text) {
    zone *made = MS_NEW(arena, zone);
    ms_str prefix = ms_s("tzif:");
    bool ok;
    if (prefix.len <= text.len && memcmp(text.data, prefix.data, prefix.len) == 0) {
        ms_str bytes = from_base64(arena, ms_sn(text.data + prefix.len, text.len - prefix.len));
        ok = bytes.data != NULL && read_compiled(made, arena, (const uint8_t *)bytes.data, bytes.len);
        if (ok) {
            choose(made);
        }
    } else if (read_offset(made, text)) {
        ok = true;
    } else {
        ok = read_rule(made, ms_dup(arena, text));
        if (ok && made->has_daylight) {
            choose(made);
        } else if (ok) {
            /* Java does not take over the name of a rule that it cannot read. */
            fix(made, made->rule_standard.offset);
        }
    }
    ms_zone_set(ok && made->is_set ? made : NULL);
    return ok;
}

/* ---- asking */

static int64_t days_before_year(int64_t year) {
    int64_t y = year - 1;
    int64_t leaps = (y >= 0 ? y / 4 - y / 100 + y / 400 : (y - 3) / 4 - (y - 99) / 100 + (y - 399) / 400);
    return y * 365 + leaps - 719162;
}

static bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

/* Seconds since the epoch of a rule's change, as clocks show it. */
static int64_t change_of(const rule_day *day, int64_t year) {
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
    int64_t first = days_before_year(year), of_year = day->a;
    if (day->kind == 'J') {
        of_year = day->a - 1 + (is_leap(year) && 59 < day->a ? 1 : 0);
    } else if (day->kind == 'M') {
        int month = day->a < 1 ? 0 : 12 < day->a ? 11 : day->a - 1;
        int64_t start = before[month] + (is_leap(year) && 1 < month ? 1 : 0), len = before[month + 1] - before[month] + (is_leap(year) && month == 1 ? 1 : 0);
        int64_t weekday = ((first + start + 4) % 7 + 7) % 7;
        int64_t in_month = (day->c - weekday + 7) % 7 + (int64_t)(day->b - 1) * 7;
        while (len <= in_month) {
            in_month -= 7;
        }
        of_year = start + in_month;
    }
    return (first + of_year) * DAY + day->time;
}

static const clock_time *by_rule(const zone *zone, int64_t second) {
    if (!zone->has_daylight) {
        return &zone->rule_standard;
    }
    int64_t year = 1970 + (second + zone->rule_standard.offset) / 31556952 - (second < 0 ? 1 : 0);
    while (days_before_year(year + 1) * DAY <= second + zone->rule_standard.offset) {
        year++;
    }
    while (second + zone->rule_standard.offset < days_before_year(year) * DAY) {
        year--;
    }
    int64_t start = change_of(&zone->start, year) - zone->rule_standard.offset, end = change_of(&zone->end, year) - zone->rule_daylight.offset;
    bool is_daylight = start < end ? start <= second && second < end : !(end <= second && second < start);
    return is_daylight ? &zone->rule_daylight : &zone->rule_standard;
}

static const clock_time *at(const zone *zone, int64_t second) {
    if (zone->is_fixed || second < HISTORY_BEGINS) {
        return &zone->standard;
    }
    size_t low = 0, high = zone->n_changes;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (change_at(zone, middle) <= second) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == zone->n_changes) {
        return zone->has_rule ? by_rule(zone, second) : zone->n_changes != 0 ? &zone->standard : &zone->types[0];
    }
    return low == 0 ? &zone->types[0] : &zone->types[zone->types_of_changes[low - 1]];
}

static const zone *local;
static bool is_known;

void ms_zone_set(const void *made) {
    local = made;
    is_known = true;
}

int32_t ms_zone_at(int64_t second, ms_buf *name) {
    if (!is_known) {
        /* As in a JVM it is one for the whole process; its memory stays. */
        static ms_arena *memory;
        memory = ms_arena_new();
        ms_str text = msh_time_zone(memory);
        is_known = true;
        if (text.data != NULL && !ms_zone_describe(memory, text)) {
            ms_log(MS_WARN, "dates are written in UTC, since the worker's time zone in MILLSTREAM_TIME_ZONE cannot be read; build the plugin with "
                            "the SDK of the worker's version");
        }
        if (local == NULL) {
            ms_arena_free(memory);
            memory = NULL;
        }
    }
    if (local == NULL) {
        ms_buf_text(name, "UTC");
        return 0;
    }
    const clock_time *time = at(local, second);
    /* Java has two names for a zone, whatever its times were called in the past. */
    bool is_daylight = local->is_negative ? ms_eq(time->designation, local->daylight.designation) ||
                                                (time->is_daylight && !ms_eq(time->designation, local->standard.designation))
                                          : time->is_daylight;
    const clock_time *shown = is_daylight ? &local->daylight : &local->standard;
    if (shown->designation.len != 0 && shown->designation.data[0] != '+' && shown->designation.data[0] != '-') {
        ms_buf_str(name, shown->designation);
        return time->offset;
    }
    /* Where the data have only a number for a name, Java writes the offset. */
    int32_t minutes = (shown->offset < 0 ? -shown->offset : shown->offset) / 60;
    ms_buf_text(name, "GMT");
    if (minutes != 0) {
        ms_buf_format(name, "%c%02d:%02d", shown->offset < 0 ? '-' : '+', (int)(minutes / 60), (int)(minutes % 60));
    }
    return time->offset;
}
