/* Opens the bytes of a batch. The host has checked them; what is looked at here is what memory safety needs of the directory. */
#include "internal.h"

#define HEADER 32u
#define ENTRY 40u
#define MAX_DEPTH 64u

typedef struct opener {
    ms_call *call;
    ms_batch *batch;
    const uint8_t *bytes;
    size_t len;
    const uint8_t *directory;
    uint32_t entries, next;
} opener;

static ms_status damaged(opener *opener, const char *what) { return ms_fail(opener->call, MS_FATAL, "open a batch: %s", what); }

static const uint8_t *part(const opener *opener, uint32_t position, size_t len) {
    return position <= opener->len && len <= opener->len - position ? opener->bytes + position : NULL;
}

static ms_status column(opener *opener, ms_column **made, unsigned depth) {
    if (opener->entries <= opener->next || MAX_DEPTH < depth) {
        return damaged(opener, "its directory ends within a column");
    }
    const uint8_t *entry = opener->directory + ENTRY * (size_t)opener->next++;
    uint8_t kind = entry[0], flags = entry[1];
    ms_column *column_ = ms_column_new(opener->batch->arena, (ms_column_kind)kind, ms_u32(entry + 12));
    column_->constant = (flags & 1) != 0;
    column_->role = entry[2];
    size_t bitmap = (ms_physical_rows(column_) + (size_t)7) / 8;
    uint32_t name_len = ms_u32(entry + 8), children = ms_u32(entry + 16);
    if (name_len != 0) {
        const uint8_t *name = part(opener, ms_u32(entry + 4), name_len);
        if (name == NULL) {
            return damaged(opener, "a name is outside of it");
        }
        column_->name = ms_sn(name, name_len);
    } else if (1 < depth) {
        column_->name = ms_sn("", 0);
    }
    column_->validity = (flags & 2) != 0 ? part(opener, ms_u32(entry + 20), bitmap) : NULL;
    column_->presence = (flags & 4) != 0 ? part(opener, ms_u32(entry + 24), bitmap) : NULL;
    column_->data_len = ms_u32(entry + 32);
    column_->data = part(opener, ms_u32(entry + 28), column_->data_len);
    uint32_t schema = ms_u32(entry + 36);
    column_->schema = schema == UINT32_MAX ? -1 : (int32_t)schema;
    size_t width = ms_kind_width(kind), rows = ms_physical_rows(column_);
    bool has_offsets = (MS_COL_TEXT <= kind && kind <= MS_COL_DECIMAL) || (MS_COL_LIST <= kind && kind <= MS_COL_MAP) ||
                       kind == MS_COL_VARIANT || kind == MS_COL_HEADERS;
    size_t least = width != 0 ? width * rows : kind == MS_COL_BOOLEAN ? bitmap : has_offsets ? 4 * (rows + 1) : 0;
    if (MS_COL_HEADERS < kind || column_->data == NULL || column_->data_len < least || ((flags & 2) != 0 && column_->validity == NULL) ||
        ((flags & 4) != 0 && column_->presence == NULL)) {
        return damaged(opener, "the buffers of a column are outside of it");
    }
    if (opener->entries - opener->next < children) {
        return damaged(opener, "a column has more children than there are");
    }
    if (children != 0) {
        column_->children = MS_NEW_ARRAY(opener->batch->arena, ms_column *, children);
        column_->n_children = children;
    }
    for (uint32_t i = 0; i < children; i++) {
        if (column(opener, &column_->children[i], depth + 1) != MS_OK) {
            return MS_FAILED;
        }
    }
    *made = column_;
    return MS_OK;
}

static ms_status schemas(opener *opener) {
    ms_batch *batch = opener->batch;
    uint32_t count = ms_u32(opener->bytes + 24);
    const uint8_t *table = part(opener, ms_u32(opener->bytes + 20), 12 * (size_t)count);
    if (table == NULL || 65534 < count) {
        return damaged(opener, "its table of schemas is outside of it");
    }
    /* Some room, so that a schema more needs no new table. */
    batch->schemas_room = count + 4;
    batch->schemas = MS_NEW_ARRAY(batch->arena, ms_schema_entry, batch->schemas_room);
    batch->n_schemas = count;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = table + 12 * (size_t)i;
        uint32_t len = ms_u32(entry + 8);
        const uint8_t *bytes = part(opener, ms_u32(entry + 4), len);
        if (bytes == NULL) {
            return damaged(opener, "a schema is outside of it");
        }
        batch->schemas[i].number = ms_u32(entry);
        batch->schemas[i].bytes = ms_sn(bytes, len);
    }
    return MS_OK;
}

ms_status ms_batch_open(ms_call *call, ms_bytes bytes, ms_batch **batch) {
    opener opener = { call, NULL, (const uint8_t *)bytes.data, bytes.len, NULL, 0, 0 };
    if (bytes.len < HEADER || memcmp(bytes.data, "MSB1", 4) != 0) {
        return damaged(&opener, "these bytes are none");
    }
    if (ms_u16(opener.bytes + 4) != 1) {
        return ms_fail(call, MS_FATAL, "open a batch: its format has version %u, and this SDK knows version 1: build the plugin with a newer SDK",
                       ms_u16(opener.bytes + 4));
    }
    opener.batch = ms_batch_new(call->arena, ms_u32(opener.bytes + 8));
    opener.entries = ms_u32(opener.bytes + 12);
    opener.directory = part(&opener, ms_u32(opener.bytes + 16), ENTRY * (size_t)opener.entries);
    if (opener.directory == NULL) {
        return damaged(&opener, "its directory is outside of it");
    }
    if (schemas(&opener) != MS_OK) {
        return MS_FAILED;
    }
    ms_batch *opened = opener.batch;
    ms_column **blocks[2];
    uint32_t counts[2] = { 0, 0 };
    for (int side = 0; side < 2; side++) {
        blocks[side] = MS_NEW_ARRAY(opened->arena, ms_column *, opener.entries < 255 ? opener.entries : 255);
    }
    while (opener.next < opener.entries) {
        ms_column *made;
        if (column(&opener, &made, 1) != MS_OK) {
            return MS_FAILED;
        }
        if (made->role == MS_ROLE_KEY_BLOCK || made->role == MS_ROLE_VALUE_BLOCK) {
            int side = made->role - MS_ROLE_KEY_BLOCK;
            if (counts[side] == 255) {
                return damaged(&opener, "a side has more than 255 blocks");
            }
            blocks[side][counts[side]++] = made;
            continue;
        }
        if (made->rows != opened->rows) {
            return damaged(&opener, "a column has another number of rows");
        }
        if (made->role == MS_ROLE_KEY_TAGS || made->role == MS_ROLE_VALUE_TAGS) {
            opened->tags[made->role - MS_ROLE_KEY_TAGS] = made;
        } else if (made->role != 0 && made->role < MS_ROLE_KEY_TAGS) {
            ms_batch_set(opened, (ms_role)made->role, made);
        } else {
            ms_batch_keep(opened, made);
        }
    }
    for (int side = 0; side < 2; side++) {
        opened->sides[side].blocks = blocks[side];
        opened->sides[side].n_blocks = counts[side];
    }
    *batch = opened;
    return MS_OK;
}
