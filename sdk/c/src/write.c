/* Writes a batch into one string of bytes: first everything is measured, then it is written once. */
#include "internal.h"

#include <stdlib.h>

#define HEADER 32u
#define ENTRY 40u

typedef struct writer {
    uint8_t *bytes;
    size_t at;
    uint8_t *directory;
    uint32_t entries;
} writer;

static size_t aligned(size_t at) { return (at + 7) & ~(size_t)7; }

static size_t bitmap_len(const ms_column *column) { return (ms_physical_rows(column) + (size_t)7) / 8; }

static void measure(const ms_column *column, size_t *len, uint32_t *entries) {
    *entries += 1;
    *len += (column->validity ? aligned(bitmap_len(column)) : 0) + (column->presence ? aligned(bitmap_len(column)) : 0) +
            aligned(column->data_len) + aligned(column->name.len);
    for (uint32_t i = 0; i < column->n_children; i++) {
        measure(column->children[i], len, entries);
    }
}

/* Copies a buffer to the next multiple of 8 and returns its position; what is between buffers is zero. */
static uint32_t put(writer *writer, const void *data, size_t len) {
    size_t position = writer->at;
    ms_copy(writer->bytes + position, data, len);
    writer->at = aligned(position + len);
    memset(writer->bytes + position + len, 0, writer->at - position - len);
    return (uint32_t)position;
}

/* A bitmap whose bits behind the last row are zero. */
static uint32_t put_bitmap(writer *writer, const uint8_t *bitmap, const ms_column *column) {
    size_t len = bitmap_len(column);
    uint32_t position = put(writer, bitmap, len), rest = ms_physical_rows(column) % 8;
    if (rest != 0) {
        writer->bytes[position + len - 1] &= (uint8_t)((1u << rest) - 1);
    }
    return position;
}

static void write_column(writer *writer, const ms_column *column) {
    uint8_t *entry = writer->directory + ENTRY * (size_t)writer->entries++;
    memset(entry, 0, ENTRY);
    entry[0] = column->kind;
    entry[1] = (uint8_t)((column->constant ? 1 : 0) | (column->validity ? 2 : 0) | (column->presence ? 4 : 0));
    entry[2] = column->role;
    if (column->name.len != 0) {
        ms_put_u32(entry + 4, put(writer, column->name.data, column->name.len));
        ms_put_u32(entry + 8, (uint32_t)column->name.len);
    }
    ms_put_u32(entry + 12, column->rows);
    ms_put_u32(entry + 16, column->n_children);
    if (column->validity != NULL) {
        ms_put_u32(entry + 20, put_bitmap(writer, column->validity, column));
    }
    if (column->presence != NULL) {
        ms_put_u32(entry + 24, put_bitmap(writer, column->presence, column));
    }
    if (column->data_len != 0) {
        ms_put_u32(entry + 28, column->kind == MS_COL_BOOLEAN ? put_bitmap(writer, column->data, column)
                                                              : put(writer, column->data, column->data_len));
        ms_put_u32(entry + 32, column->data_len);
    }
    bool is_block = column->role == MS_ROLE_KEY_BLOCK || column->role == MS_ROLE_VALUE_BLOCK;
    ms_put_u32(entry + 36, is_block && 0 <= column->schema ? (uint32_t)column->schema : UINT32_MAX);
    for (uint32_t i = 0; i < column->n_children; i++) {
        write_column(writer, column->children[i]);
    }
}

ms_bytes ms_batch_write(ms_batch *batch) {
    size_t len = HEADER;
    uint32_t entries = 0;
    for (uint32_t i = 0; i < batch->n_envelope; i++) {
        measure(batch->envelope[i], &len, &entries);
    }
    for (int side = 0; side < 2; side++) {
        if (batch->tags[side] != NULL) {
            measure(batch->tags[side], &len, &entries);
        }
        for (uint32_t i = 0; i < batch->sides[side].n_blocks; i++) {
            measure(batch->sides[side].blocks[i], &len, &entries);
        }
    }
    for (uint32_t i = 0; i < batch->n_schemas; i++) {
        len += aligned(batch->schemas[i].bytes.len);
    }
    len += aligned(12 * (size_t)batch->n_schemas);
    size_t directory = len;
    len += ENTRY * (size_t)entries;
    writer writer = { malloc(len), HEADER, NULL, 0 };
    if (writer.bytes == NULL) {
        ms_panic("out of memory: %zu bytes could not be had for a batch", len);
    }
    writer.directory = writer.bytes + directory;
    memset(writer.bytes, 0, HEADER);
    for (uint32_t i = 0; i < batch->n_envelope; i++) {
        write_column(&writer, batch->envelope[i]);
    }
    for (int side = 0; side < 2; side++) {
        if (batch->tags[side] != NULL) {
            write_column(&writer, batch->tags[side]);
        }
        for (uint32_t i = 0; i < batch->sides[side].n_blocks; i++) {
            write_column(&writer, batch->sides[side].blocks[i]);
        }
    }
    uint8_t *table = ms_alloc_dirty(batch->arena, 12 * (size_t)batch->n_schemas);
    for (uint32_t i = 0; i < batch->n_schemas; i++) {
        const ms_schema_entry *schema = &batch->schemas[i];
        /* The number of a schema is the host's to give. */
        ms_put_u32(table + 12 * (size_t)i, 0);
        ms_put_u32(table + 12 * (size_t)i + 4, put(&writer, schema->bytes.data, schema->bytes.len));
        ms_put_u32(table + 12 * (size_t)i + 8, (uint32_t)schema->bytes.len);
    }
    uint32_t table_at = put(&writer, table, 12 * (size_t)batch->n_schemas);
    memcpy(writer.bytes, "MSB1", 4);
    ms_put_u16(writer.bytes + 4, 1);
    ms_put_u32(writer.bytes + 8, batch->rows);
    ms_put_u32(writer.bytes + 12, entries);
    ms_put_u32(writer.bytes + 16, (uint32_t)directory);
    ms_put_u32(writer.bytes + 20, table_at);
    ms_put_u32(writer.bytes + 24, batch->n_schemas);
    ms_put_u32(writer.bytes + 28, (uint32_t)len);
    return ms_sn(writer.bytes, len);
}
