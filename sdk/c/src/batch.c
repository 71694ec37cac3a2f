/* A batch opened: its columns by role, keys and values by block, its schemas. Reading and writing bytes is in read.c and write.c. */
#include "internal.h"

ms_batch *ms_batch_new(ms_arena *arena, uint32_t rows) {
    ms_batch *batch = MS_NEW(arena, ms_batch);
    batch->arena = arena;
    batch->rows = rows;
    return batch;
}

uint32_t ms_batch_rows(const ms_batch *batch) { return batch->rows; }

ms_arena *ms_batch_arena(const ms_batch *batch) { return batch->arena; }

ms_column *ms_batch_get(const ms_batch *batch, ms_role role) {
    if (role == MS_ROLE_KEY_TAGS || role == MS_ROLE_VALUE_TAGS) {
        return batch->tags[role - MS_ROLE_KEY_TAGS];
    }
    return batch->by_role[role];
}

void ms_batch_set(ms_batch *batch, ms_role role, ms_column *column) {
    if (column != NULL) {
        column->role = (uint8_t)role;
    }
    batch->by_role[role] = column;
    for (uint32_t i = 0; i < batch->n_envelope; i++) {
        if (batch->envelope[i]->role == role) {
            if (column != NULL) {
                batch->envelope[i] = column;
                return;
            }
            batch->n_envelope--;
            memmove(&batch->envelope[i], &batch->envelope[i + 1], (batch->n_envelope - i) * sizeof *batch->envelope);
            return;
        }
    }
    if (column != NULL) {
        ms_batch_keep(batch, column);
    }
}

/* A role that is not known here is one of a later version. */
void ms_batch_keep(ms_batch *batch, ms_column *column) {
    if (batch->n_envelope == batch->envelope_room) {
        uint32_t room = batch->envelope_room == 0 ? 16 : batch->envelope_room * 2;
        ms_column **envelope = MS_NEW_ARRAY(batch->arena, ms_column *, room);
        if (batch->n_envelope != 0) {
            memcpy(envelope, batch->envelope, batch->n_envelope * sizeof *envelope);
        }
        batch->envelope = envelope;
        batch->envelope_room = room;
    }
    batch->envelope[batch->n_envelope++] = column;
}

/* ---- keys and values */

/* Where each row's key or value stands: found out when it is asked for first. */
static void place_rows(ms_batch *batch, ms_side side) {
    ms_side_data *data = &batch->sides[side];
    uint8_t *block_of = ms_alloc_dirty(batch->arena, batch->rows);
    uint32_t *row_of = ms_alloc_dirty(batch->arena, sizeof(uint32_t) * (size_t)batch->rows);
    const ms_column *tags = batch->tags[side];
    if (tags == NULL) {
        memset(block_of, data->n_blocks == 0 ? 255 : 0, batch->rows);
        for (uint32_t row = 0; row < batch->rows; row++) {
            row_of[row] = row;
        }
    } else {
        uint32_t next[256] = { 0 };
        for (uint32_t row = 0; row < batch->rows; row++) {
            uint8_t tag = tags->data[ms_physical(tags, row)];
            block_of[row] = tag;
            row_of[row] = next[tag]++;
        }
    }
    data->block_of = block_of;
    data->row_of = row_of;
    batch->has_places[side] = true;
}

ms_side_data *ms_batch_side(ms_batch *batch, ms_side side) {
    if (!batch->has_places[side]) {
        place_rows(batch, side);
    }
    return &batch->sides[side];
}

ms_status ms_batch_set_side(ms_call *call, ms_batch *batch, ms_side side, const ms_schema *schema, ms_column *column) {
    int32_t place = -1;
    if (column->rows != batch->rows) {
        return ms_fail(call, MS_FATAL, "a column of %u rows was put into a batch of %u", column->rows, batch->rows);
    }
    if (schema != NULL && ms_batch_add_schema(call, batch, schema, &place) != MS_OK) {
        return MS_FAILED;
    }
    ms_column **blocks = MS_NEW(batch->arena, ms_column *);
    blocks[0] = column;
    column->schema = place;
    column->role = (uint8_t)(side == MS_KEY ? MS_ROLE_KEY_BLOCK : MS_ROLE_VALUE_BLOCK);
    batch->sides[side].blocks = blocks;
    batch->sides[side].n_blocks = 1;
    batch->tags[side] = NULL;
    batch->has_places[side] = false;
    return MS_OK;
}

/* Rows of one block, while a side is put together. */
typedef struct block_builder {
    const ms_schema *schema;
    uint32_t rows;
    ms_value *values;
} block_builder;

ms_status ms_batch_build_side(ms_call *call, ms_batch *batch, ms_side side, const ms_datum *data) {
    uint32_t rows = batch->rows, n_blocks = 0, room = 4;
    block_builder *blocks = MS_NEW_ARRAY(batch->arena, block_builder, room);
    uint8_t *tags = ms_alloc_dirty(batch->arena, rows);
    bool any = false;
    for (uint32_t row = 0; row < rows; row++) {
        const ms_schema *schema = data[row].schema;
        any = any || schema != NULL || data[row].value.type != MS_NULL;
        uint32_t block = n_blocks;
        /* Rows mostly have the schema of the row before. */
        for (uint32_t i = n_blocks; i-- != 0;) {
            if (blocks[i].schema == schema || (blocks[i].schema != NULL && schema != NULL && ms_schema_equal(blocks[i].schema, schema))) {
                block = i;
                break;
            }
        }
        if (block == n_blocks) {
            if (n_blocks == 255) {
                return ms_fail(call, MS_FATAL, "put a batch together: its records have more than 255 different schemas");
            }
            if (n_blocks == room) {
                block_builder *more = MS_NEW_ARRAY(batch->arena, block_builder, room * 2);
                memcpy(more, blocks, room * sizeof *more);
                blocks = more;
                room *= 2;
            }
            blocks[n_blocks].schema = schema;
            n_blocks++;
        }
        blocks[block].rows++;
        tags[row] = (uint8_t)block;
    }
    ms_side_data *built = &batch->sides[side];
    memset(built, 0, sizeof *built);
    batch->tags[side] = NULL;
    batch->has_places[side] = false;
    if (!any) {
        return MS_OK;
    }
    for (uint32_t i = 0; i < n_blocks; i++) {
        blocks[i].values = ms_alloc_dirty(batch->arena, sizeof(ms_value) * (size_t)blocks[i].rows);
        blocks[i].rows = 0;
    }
    for (uint32_t row = 0; row < rows; row++) {
        block_builder *block = &blocks[tags[row]];
        block->values[block->rows++] = data[row].value;
    }
    built->blocks = MS_NEW_ARRAY(batch->arena, ms_column *, n_blocks);
    built->n_blocks = n_blocks;
    for (uint32_t i = 0; i < n_blocks; i++) {
        int32_t place = -1;
        if ((blocks[i].schema != NULL && ms_batch_add_schema(call, batch, blocks[i].schema, &place) != MS_OK) ||
            ms_column_build(call, batch, blocks[i].schema, blocks[i].values, blocks[i].rows, &built->blocks[i]) != MS_OK) {
            return MS_FAILED;
        }
        built->blocks[i]->schema = place;
        built->blocks[i]->role = (uint8_t)(side == MS_KEY ? MS_ROLE_KEY_BLOCK : MS_ROLE_VALUE_BLOCK);
    }
    if (1 < n_blocks) {
        ms_column *column = ms_column_new(batch->arena, MS_COL_INT8, rows);
        column->role = (uint8_t)(MS_ROLE_KEY_TAGS + (int)side);
        column->data = tags;
        column->data_len = rows;
        batch->tags[side] = column;
    }
    return MS_OK;
}

ms_datum ms_batch_datum(ms_batch *batch, ms_side side, uint32_t row) {
    ms_side_data *data = ms_batch_side(batch, side);
    ms_datum datum = { NULL, ms_null() };
    uint8_t block = data->block_of[row];
    if (block < data->n_blocks) {
        const ms_column *column = data->blocks[block];
        datum.schema = ms_batch_schema(batch, column);
        datum.value = ms_column_value(batch, column, data->row_of[row], datum.schema);
    }
    return datum;
}

bool ms_batch_field(ms_batch *batch, ms_side side, uint32_t row, const char *path, ms_value *value) {
    ms_side_data *data = ms_batch_side(batch, side);
    uint8_t block = data->block_of[row];
    if (data->n_blocks <= block) {
        return false;
    }
    const ms_column *column = data->blocks[block];
    const ms_schema *schema = ms_batch_schema(batch, column);
    uint32_t at = data->row_of[row];
    for (;;) {
        const char *dot = strchr(path, '.');
        ms_str step = ms_sn(path, dot == NULL ? strlen(path) : (size_t)(dot - path));
        if (ms_column_is_null(column, at)) {
            return false;
        }
        if (column->kind == MS_COL_VARIANT) {
            /* From here on the value says itself what it is. */
            ms_value whole = ms_column_value(batch, column, at, schema);
            const ms_value *part = &whole;
            while (part != NULL && step.data != NULL) {
                part = ms_get(part, ms_cstr(batch->arena, step));
                path = dot == NULL ? NULL : dot + 1;
                dot = path == NULL ? NULL : strchr(path, '.');
                step = path == NULL ? ms_none() : ms_sn(path, dot == NULL ? strlen(path) : (size_t)(dot - path));
            }
            if (part != NULL) {
                *value = *part;
            }
            return part != NULL;
        }
        if (column->kind != MS_COL_OBJECT && column->kind != MS_COL_STRUCT) {
            if (column->kind != MS_COL_MAP || dot != NULL) {
                return false;
            }
            ms_value whole = ms_column_value(batch, column, at, schema);
            const ms_value *part = ms_get(&whole, ms_cstr(batch->arena, step));
            if (part != NULL) {
                *value = *part;
            }
            return part != NULL;
        }
        at = ms_physical(column, at);
        const ms_column *child = ms_column_child(column, step);
        if (child == NULL || !ms_column_is_present(child, at)) {
            return false;
        }
        if (schema != NULL) {
            ptrdiff_t place = ms_schema_field(schema, step);
            schema = place < 0 ? NULL : schema->fields[place].schema;
        }
        column = child;
        if (dot == NULL) {
            *value = ms_column_value(batch, column, at, schema);
            return true;
        }
        path = dot + 1;
    }
}

/* ---- the envelope */

bool ms_batch_is_selected(const ms_batch *batch, uint32_t row) {
    const ms_column *selection = batch->by_role[MS_ROLE_SELECTION];
    return selection == NULL || ms_column_boolean(selection, row);
}

void ms_batch_deselect(ms_batch *batch, uint32_t row) {
    const ms_column *old = batch->by_role[MS_ROLE_SELECTION];
    /* One that was made here may be changed where it stands. */
    if (old == NULL || old->schema != -2) {
        uint8_t *bits = ms_bits(batch->arena, batch->rows, true);
        for (uint32_t i = 0; old != NULL && i < batch->rows; i++) {
            if (!ms_column_boolean(old, i)) {
                ms_bit_set(bits, i, false);
            }
        }
        ms_column *made = ms_column_booleans(batch->arena, bits, NULL, batch->rows);
        made->schema = -2;
        ms_batch_set(batch, MS_ROLE_SELECTION, made);
        old = made;
    }
    ms_bit_set((uint8_t *)old->data, row, false);
}

ms_str ms_batch_topic(const ms_batch *batch, uint32_t row) {
    const ms_column *topics = batch->by_role[MS_ROLE_TOPIC];
    return topics == NULL ? ms_none() : ms_column_text(topics, row);
}

bool ms_batch_integer(const ms_batch *batch, ms_role role, uint32_t row, int64_t *integer) {
    const ms_column *column = ms_batch_get(batch, role);
    if (column == NULL || ms_column_is_null(column, row)) {
        return false;
    }
    *integer = ms_column_integer(column, row);
    return true;
}

/* ---- schemas */

const ms_schema *ms_batch_schema_at(ms_batch *batch, int32_t place) {
    if (place < 0 || batch->n_schemas <= (uint32_t)place) {
        return NULL;
    }
    ms_schema_entry *entry = &batch->schemas[place];
    if (entry->schema == NULL) {
        ms_call call;
        memset(&call, 0, sizeof call);
        call.arena = batch->arena;
        ms_schema_decode(&call, entry->bytes, &entry->schema);
    }
    return entry->schema;
}

const ms_schema *ms_batch_schema(ms_batch *batch, const ms_column *block) { return ms_batch_schema_at(batch, block->schema); }

ms_status ms_batch_add_schema(ms_call *call, ms_batch *batch, const ms_schema *schema, int32_t *place) {
    if (batch->last_schema == schema) {
        *place = batch->last_place;
        return MS_OK;
    }
    for (uint32_t i = 0; i < batch->n_schemas; i++) {
        if (batch->schemas[i].schema == schema) {
            batch->last_schema = schema;
            *place = batch->last_place = (int32_t)i;
            return MS_OK;
        }
    }
    if (ms_schema_check_anew(call, schema) != MS_OK) {
        return MS_FAILED;
    }
    ms_buf buf = ms_buf_in(batch->arena);
    ms_schema_encode(&buf, schema);
    ms_bytes bytes = ms_buf_done(&buf);
    for (uint32_t i = 0; i < batch->n_schemas; i++) {
        if (ms_eq(batch->schemas[i].bytes, bytes)) {
            batch->last_schema = schema;
            *place = batch->last_place = (int32_t)i;
            return MS_OK;
        }
    }
    if (65534 <= batch->n_schemas) {
        return ms_fail(call, MS_DATA, "put a value into a batch: the batch has too many different schemas");
    }
    if (batch->n_schemas == batch->schemas_room) {
        uint32_t room = batch->schemas_room == 0 ? 8 : batch->schemas_room * 2;
        ms_schema_entry *schemas = MS_NEW_ARRAY(batch->arena, ms_schema_entry, room);
        if (batch->n_schemas != 0) {
            memcpy(schemas, batch->schemas, batch->n_schemas * sizeof *schemas);
        }
        batch->schemas = schemas;
        batch->schemas_room = room;
    }
    ms_schema_entry *entry = &batch->schemas[batch->n_schemas];
    entry->number = 0;
    entry->bytes = bytes;
    entry->schema = schema;
    batch->last_schema = schema;
    *place = batch->last_place = (int32_t)batch->n_schemas++;
    return MS_OK;
}
