/* What the host would refuse in a batch that a plugin made: the rules of `batch.md` that a mistake in a plugin can break. */
#include "native.h"

typedef struct checker {
    ms_arena *arena;
    ms_batch *batch;
    const char *problem;
} checker;

static bool refuse(checker *checker, const char *what, const ms_column *column) {
    if (checker->problem == NULL) {
        checker->problem = ms_cstr(checker->arena, ms_format(checker->arena, "%s (a column of kind %u, role %u, name '%.*s')", what, column->kind,
                                                             column->role, MS_ARG(column->name)));
    }
    return false;
}

static bool offsets_are_right(checker *checker, const ms_column *column, uint32_t end) {
    uint32_t rows = ms_physical_rows(column);
    if (ms_u32(column->data) != 0) {
        return refuse(checker, "offsets do not begin with 0", column);
    }
    for (uint32_t row = 0; row < rows; row++) {
        if (ms_u32(column->data + 4 * ((size_t)row + 1)) < ms_u32(column->data + 4 * (size_t)row)) {
            return refuse(checker, "offsets go down", column);
        }
    }
    if (ms_u32(column->data + 4 * (size_t)rows) != end) {
        return refuse(checker, "the last offset is not the end", column);
    }
    return true;
}

/* Whether the value of a row can be read to its end. */
static bool variant_is_whole(checker *checker, const ms_column *column, const uint8_t *at, const uint8_t *end) {
    ms_variant_reader reader = { checker->arena, at, end, column->n_children != 0 ? column->children[0] : NULL, checker->batch, false };
    ms_variant_decode(&reader);
    return (!reader.failed && reader.at == reader.end) || refuse(checker, "a variant is damaged", column);
}

static bool check_heap(checker *checker, const ms_column *column) {
    size_t rows = ms_physical_rows(column), start = 4 * (rows + 1);
    if (!offsets_are_right(checker, column, (uint32_t)(column->data_len - start))) {
        return false;
    }
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t first = ms_u32(column->data + 4 * (size_t)row), end = ms_u32(column->data + 4 * (size_t)row + 4);
        const uint8_t *bytes = column->data + start + first;
        bool is_null = (column->validity != NULL && !ms_bit(column->validity, row)) || (column->presence != NULL && !ms_bit(column->presence, row));
        if (column->kind == MS_COL_TEXT && !ms_is_utf8(ms_sn(bytes, end - first))) {
            return refuse(checker, "a text is not UTF-8", column);
        }
        if (column->kind == MS_COL_DECIMAL && (is_null ? end != first : end - first < 5)) {
            return refuse(checker, "a decimal has a wrong size", column);
        }
        if (column->kind == MS_COL_VARIANT && is_null && end != first) {
            return refuse(checker, "a null variant has bytes", column);
        }
        if (column->kind == MS_COL_VARIANT && !is_null && !variant_is_whole(checker, column, bytes, bytes + (end - first))) {
            return false;
        }
    }
    return true;
}

static bool check_column(checker *checker, const ms_column *column, const ms_schema *schema, unsigned depth) {
    uint32_t rows = ms_physical_rows(column);
    static const uint8_t children_of[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 255, 255, 1, 1, 0 };
    if (64 < depth) {
        return refuse(checker, "columns are nested deeper than 64 levels", column);
    }
    if (MS_COL_HEADERS < column->kind || (children_of[column->kind] != 255 && column->n_children != children_of[column->kind])) {
        return refuse(checker, "a column has a wrong number of children", column);
    }
    if (column->constant && column->rows == 0) {
        return refuse(checker, "a constant column has no rows", column);
    }
    if (column->kind == MS_COL_NULL && (column->constant || column->validity != NULL)) {
        return refuse(checker, "a column of nulls is constant or has a validity bitmap", column);
    }
    if (schema != NULL && column->kind != MS_COL_NULL && column->kind != MS_COL_VARIANT && column->kind != ms_schema_kind(schema)) {
        return refuse(checker, "a column is not of the kind that its schema calls for", column);
    }
    if (schema == NULL && (column->kind == MS_COL_STRUCT || (column->kind == MS_COL_HEADERS && 1 < depth))) {
        return refuse(checker, "schemaless data holds a struct or headers", column);
    }
    uint32_t width = ms_kind_width(column->kind);
    size_t expected = width != 0 ? (size_t)width * rows : column->kind == MS_COL_BOOLEAN ? (rows + (size_t)7) / 8 : column->data_len;
    if (column->data_len != expected) {
        return refuse(checker, "the data of a column has a wrong size", column);
    }
    switch (column->kind) {
    case MS_COL_TEXT:
    case MS_COL_BYTES:
    case MS_COL_DECIMAL:
    case MS_COL_VARIANT:
    case MS_COL_HEADERS:
        if (!check_heap(checker, column)) {
            return false;
        }
        break;
    case MS_COL_LIST:
    case MS_COL_MAP:
        if (!offsets_are_right(checker, column, column->children[0]->rows) ||
            (column->n_children == 2 && column->children[1]->rows != column->children[0]->rows)) {
            return refuse(checker, "children have a wrong number of rows", column);
        }
        break;
    case MS_COL_STRUCT:
        if (column->n_children != schema->n_fields) {
            return refuse(checker, "a struct has another number of fields than its schema", column);
        }
        break;
    case MS_COL_DICTIONARY:
        for (uint32_t row = 0; row < rows; row++) {
            if (column->children[0]->rows <= ms_u32(column->data + 4 * (size_t)row)) {
                return refuse(checker, "a code is outside of its dictionary", column);
            }
        }
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < column->n_children; i++) {
        const ms_column *child = column->children[i];
        bool is_record = column->kind == MS_COL_STRUCT || column->kind == MS_COL_OBJECT;
        if (is_record && child->rows != rows) {
            return refuse(checker, "a field or member has another number of rows", child);
        }
        if (is_record && ms_column_child(column, child->name) != child) {
            return refuse(checker, "a name is there twice", child);
        }
        const ms_schema *inner = schema == NULL ? NULL
                                 : column->kind == MS_COL_STRUCT ? schema->fields[i].schema
                                 : column->kind == MS_COL_MAP && i == 0 ? schema->key
                                 : column->kind == MS_COL_VARIANT || column->kind == MS_COL_DICTIONARY ? NULL
                                                                                                       : schema->element;
        if (!check_column(checker, child, inner, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool check_side(checker *checker, ms_side side) {
    const ms_batch *batch = checker->batch;
    const ms_side_data *data = &batch->sides[side];
    const ms_column *tags = batch->tags[side];
    uint32_t counts[256] = { 0 };
    if (tags == NULL && 1 < data->n_blocks) {
        checker->problem = "a side has several blocks and no tags";
        return false;
    }
    for (uint32_t row = 0; row < batch->rows && data->n_blocks != 0; row++) {
        counts[tags == NULL ? 0 : tags->data[ms_physical(tags, row)]]++;
    }
    for (uint32_t i = 0; i < 256; i++) {
        if (i < data->n_blocks ? data->blocks[i]->rows != counts[i] : counts[i] != 0) {
            checker->problem = "the blocks and tags of a side do not add up";
            return false;
        }
    }
    for (uint32_t i = 0; i < data->n_blocks; i++) {
        const ms_schema *schema = ms_batch_schema(checker->batch, data->blocks[i]);
        if ((0 <= data->blocks[i]->schema) != (schema != NULL)) {
            return refuse(checker, "a block has a schema that is not in the table", data->blocks[i]);
        }
        if (!check_column(checker, data->blocks[i], schema, 1)) {
            return false;
        }
    }
    return true;
}

const char *ms_test_refuse_batch(ms_arena *arena, ms_bytes bytes) {
    ms_call call;
    checker checker = { arena, NULL, NULL };
    memset(&call, 0, sizeof call);
    call.arena = call.memory = arena;
    if (ms_batch_open(&call, bytes, &checker.batch) != MS_OK) {
        return ms_cstr(arena, call.error->message);
    }
    if (ms_u32(bytes.data + 28) != bytes.len) {
        return "the length in the header is not that of the batch";
    }
    static const uint8_t roles[15][3] = {
        { 0 }, { 8, 17, 0 }, { 4, 0, 0 }, { 5, 0, 0 }, { 2, 2, 2 }, { 18, 18, 18 }, { 15, 16, 0 }, { 15, 16, 0 },
        { 5, 0, 0 }, { 8, 17, 0 }, { 4, 0, 0 }, { 5, 0, 0 }, { 4, 4, 4 }, { 4, 4, 4 }, { 1, 1, 1 },
    };
    for (uint32_t i = 0; i < checker.batch->n_envelope; i++) {
        const ms_column *column = checker.batch->envelope[i];
        if (column->role < 15 && column->kind != roles[column->role][0] && column->kind != roles[column->role][1] &&
            column->kind != roles[column->role][2]) {
            refuse(&checker, "a column has a kind that its role does not allow", column);
        }
        if (!check_column(&checker, column, NULL, 1)) {
            break;
        }
    }
    if (checker.problem == NULL && check_side(&checker, MS_KEY)) {
        check_side(&checker, MS_VALUE);
    }
    return checker.problem;
}
