/* Making columns from arrays of one kind, and taking rows of a column. */
#include "internal.h"

ms_column *ms_column_new(ms_arena *arena, ms_column_kind kind, uint32_t rows) {
    ms_column *column = MS_NEW(arena, ms_column);
    column->kind = (uint8_t)kind;
    column->rows = rows;
    column->schema = -1;
    column->data = (const uint8_t *)"";
    return column;
}

uint8_t *ms_bits(ms_arena *arena, uint32_t rows, bool set) {
    size_t len = (rows + (size_t)7) / 8;
    uint8_t *bits = ms_alloc_dirty(arena, len);
    memset(bits, set ? 0xff : 0, len);
    return bits;
}

void ms_bit_set(uint8_t *bitmap, uint32_t row, bool set) {
    uint8_t bit = (uint8_t)(1u << (row & 7));
    bitmap[row >> 3] = (uint8_t)(set ? bitmap[row >> 3] | bit : bitmap[row >> 3] & ~bit);
}

ms_column *ms_column_nulls(ms_arena *arena, uint32_t rows) { return ms_column_new(arena, MS_COL_NULL, rows); }

/* A constant column stands for at least one row. */
static ms_column *constant(ms_column *column, uint32_t rows) {
    column->constant = rows != 0;
    column->rows = rows;
    return column;
}

ms_column *ms_column_constant_text(ms_arena *arena, uint32_t rows, ms_str text) {
    if (text.data == NULL || rows == 0) {
        return ms_column_nulls(arena, rows);
    }
    return constant(ms_column_texts(arena, MS_COL_TEXT, &text, 1), rows);
}

ms_column *ms_column_constant_integer(ms_arena *arena, ms_column_kind kind, uint32_t rows, int64_t integer) {
    if (rows == 0) {
        return ms_column_nulls(arena, rows);
    }
    return constant(ms_column_integers(arena, kind, &integer, NULL, 1), rows);
}

ms_column *ms_column_integers(ms_arena *arena, ms_column_kind kind, const int64_t *integers, const uint8_t *validity, uint32_t rows) {
    ms_column *column = ms_column_new(arena, kind, rows);
    uint32_t width = ms_kind_width((uint8_t)kind);
    uint8_t *data = ms_alloc_dirty(arena, (size_t)width * rows);
    for (uint32_t row = 0; row < rows; row++) {
        memcpy(data + (size_t)width * row, &integers[row], width);
    }
    column->data = data;
    column->data_len = width * rows;
    column->validity = validity;
    return column;
}

ms_column *ms_column_numbers(ms_arena *arena, ms_column_kind kind, const double *numbers, const uint8_t *validity, uint32_t rows) {
    ms_column *column = ms_column_new(arena, kind, rows);
    uint32_t width = ms_kind_width((uint8_t)kind);
    uint8_t *data = ms_alloc_dirty(arena, (size_t)width * rows);
    for (uint32_t row = 0; row < rows; row++) {
        float narrow = (float)numbers[row];
        memcpy(data + (size_t)width * row, width == 4 ? (const void *)&narrow : &numbers[row], width);
    }
    column->data = data;
    column->data_len = width * rows;
    column->validity = validity;
    return column;
}

ms_column *ms_column_booleans(ms_arena *arena, const uint8_t *bits, const uint8_t *validity, uint32_t rows) {
    ms_column *column = ms_column_new(arena, MS_COL_BOOLEAN, rows);
    column->data = bits;
    column->data_len = (uint32_t)((rows + (size_t)7) / 8);
    column->validity = validity;
    return column;
}

/* ---- texts: offsets and, behind them, bytes */

ms_texts ms_texts_begin(ms_arena *arena, ms_column_kind kind, uint32_t rows, size_t bytes) {
    ms_texts texts;
    memset(&texts, 0, sizeof texts);
    texts.arena = arena;
    texts.kind = kind;
    texts.rows = rows;
    texts.len = 4 * ((size_t)rows + 1);
    texts.room = texts.len + bytes;
    texts.data = ms_alloc_dirty(arena, texts.room);
    ms_put_u32(texts.data, 0);
    return texts;
}

char *ms_texts_room(ms_texts *texts, size_t len) {
    ms_assert(texts->row < texts->rows);
    if (texts->room - texts->len < len) {
        size_t room = texts->room + texts->room / 2 + len;
        if (!ms_alloc_grow(texts->arena, texts->data, texts->room, room)) {
            char *moved = ms_alloc_dirty(texts->arena, room);
            ms_copy(moved, texts->data, texts->len);
            texts->data = moved;
        }
        texts->room = room;
    }
    char *place = texts->data + texts->len;
    texts->len += len;
    texts->row += 1;
    ms_put_u32(texts->data + 4 * (size_t)texts->row, (uint32_t)(texts->len - 4 * ((size_t)texts->rows + 1)));
    return place;
}

void ms_texts_add(ms_texts *texts, ms_str text) {
    if (text.data == NULL) {
        if (texts->validity == NULL) {
            texts->validity = ms_bits(texts->arena, texts->rows, true);
        }
        ms_bit_set(texts->validity, texts->row, false);
    }
    char *place = ms_texts_room(texts, text.len);
    if (text.len != 0) {
        memcpy(place, text.data, text.len);
    }
}

ms_column *ms_texts_end(ms_texts *texts) {
    ms_assert(texts->row == texts->rows);
    ms_column *column = ms_column_new(texts->arena, texts->kind, texts->rows);
    column->data = (const uint8_t *)texts->data;
    column->data_len = (uint32_t)texts->len;
    column->validity = texts->validity;
    return column;
}

ms_column *ms_column_texts(ms_arena *arena, ms_column_kind kind, const ms_str *texts, uint32_t rows) {
    size_t bytes = 0;
    for (uint32_t row = 0; row < rows; row++) {
        bytes += texts[row].len;
    }
    ms_texts column = ms_texts_begin(arena, kind, rows, bytes);
    for (uint32_t row = 0; row < rows; row++) {
        ms_texts_add(&column, texts[row]);
    }
    return ms_texts_end(&column);
}

ms_column *ms_column_topics(ms_arena *arena, const ms_str *topics, uint32_t rows) {
    /* Rows mostly name the topic of the row before; there are few. */
    uint32_t n_names = 0, room = 8;
    ms_str *names = MS_NEW_ARRAY(arena, ms_str, room);
    uint8_t *codes = ms_alloc_dirty(arena, 4 * (size_t)rows);
    for (uint32_t row = 0; row < rows; row++) {
        ms_str topic = topics[row].data == NULL ? ms_s("") : topics[row];
        uint32_t code = n_names;
        while (code != 0 && !ms_eq(names[code - 1], topic)) {
            code--;
        }
        if (code == 0) {
            if (n_names == room) {
                ms_str *more = MS_NEW_ARRAY(arena, ms_str, room * 2);
                memcpy(more, names, room * sizeof *more);
                names = more;
                room *= 2;
            }
            if (256 <= n_names) {
                /* Not few: plain texts cost less than looking names up. */
                return ms_column_texts(arena, MS_COL_TEXT, topics, rows);
            }
            names[n_names++] = topic;
            code = n_names;
        }
        ms_put_u32(codes + 4 * (size_t)row, code - 1);
    }
    if (n_names == 1) {
        return ms_column_constant_text(arena, rows, names[0]);
    }
    ms_column *column = ms_column_new(arena, MS_COL_DICTIONARY, rows);
    column->data = codes;
    column->data_len = 4 * rows;
    column->children = MS_NEW(arena, ms_column *);
    column->children[0] = ms_column_texts(arena, MS_COL_TEXT, names, n_names);
    column->n_children = 1;
    return column;
}

/* ---- rows of a column */

static const uint8_t *take_bits(ms_arena *arena, const uint8_t *bitmap, const uint32_t *rows, uint32_t n_rows) {
    if (bitmap == NULL) {
        return NULL;
    }
    uint8_t *bits = ms_bits(arena, n_rows, false);
    for (uint32_t i = 0; i < n_rows; i++) {
        ms_bit_set(bits, i, ms_bit(bitmap, rows[i]));
    }
    return bits;
}

static void take_children(ms_arena *arena, ms_column *taken, const ms_column *column, const uint32_t *rows, uint32_t n_rows) {
    taken->children = MS_NEW_ARRAY(arena, ms_column *, column->n_children);
    taken->n_children = column->n_children;
    for (uint32_t i = 0; i < column->n_children; i++) {
        taken->children[i] = ms_column_take(arena, column->children[i], rows, n_rows);
    }
}

ms_column *ms_column_take(ms_arena *arena, const ms_column *column, const uint32_t *rows, uint32_t n_rows) {
    ms_column *taken = MS_NEW(arena, ms_column);
    *taken = *column;
    taken->rows = n_rows;
    if (column->constant) {
        return n_rows != 0 ? taken : ms_column_nulls(arena, 0);
    }
    taken->validity = take_bits(arena, column->validity, rows, n_rows);
    taken->presence = take_bits(arena, column->presence, rows, n_rows);
    uint32_t width = ms_kind_width(column->kind);
    if (width != 0) {
        uint8_t *data = ms_alloc_dirty(arena, (size_t)width * n_rows);
        for (uint32_t i = 0; i < n_rows; i++) {
            memcpy(data + (size_t)width * i, column->data + (size_t)width * rows[i], width);
        }
        taken->data = data;
        taken->data_len = width * n_rows;
        return taken;
    }
    switch (column->kind) {
    case MS_COL_BOOLEAN:
        taken->data = take_bits(arena, column->data, rows, n_rows);
        taken->data_len = (uint32_t)((n_rows + (size_t)7) / 8);
        break;
    case MS_COL_STRUCT:
    case MS_COL_OBJECT:
        take_children(arena, taken, column, rows, n_rows);
        break;
    case MS_COL_LIST:
    case MS_COL_MAP: {
        ms_buf inner = ms_buf_in(arena);
        uint8_t *offsets = ms_alloc_dirty(arena, 4 * ((size_t)n_rows + 1));
        uint32_t total = 0, first, end;
        ms_put_u32(offsets, 0);
        for (uint32_t i = 0; i < n_rows; i++) {
            ms_column_range(column, rows[i], &first, &end);
            for (; first < end; first++) {
                ms_buf_u32(&inner, first);
                total++;
            }
            ms_put_u32(offsets + 4 * ((size_t)i + 1), total);
        }
        taken->data = offsets;
        taken->data_len = 4 * (n_rows + 1);
        take_children(arena, taken, column, (const uint32_t *)(void *)inner.data, total);
        break;
    }
    case MS_COL_TEXT:
    case MS_COL_BYTES:
    case MS_COL_DECIMAL:
    case MS_COL_VARIANT:
    case MS_COL_HEADERS: {
        ms_texts heap = ms_texts_begin(arena, MS_COL_BYTES, n_rows, column->data_len);
        for (uint32_t i = 0; i < n_rows; i++) {
            uint32_t first, end;
            ms_column_range(column, rows[i], &first, &end);
            memcpy(ms_texts_room(&heap, end - first), column->data + 4 * ((size_t)column->rows + 1) + first, end - first);
        }
        taken->data = (const uint8_t *)heap.data;
        taken->data_len = (uint32_t)heap.len;
        break;
    }
    default:
        break;
    }
    return taken;
}
