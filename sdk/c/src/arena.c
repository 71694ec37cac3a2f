/* Memory that is freed as a whole: chunks from malloc, and what is to be done when they go. */
#include "internal.h"

#include <stdlib.h>

#define FIRST_CHUNK 4096u
#define LARGEST_CHUNK (256u * 1024u)
#define ALIGNMENT 16u

typedef struct chunk {
    struct chunk *before;
    size_t room, used;
    /* Memory follows. */
    _Alignas(ALIGNMENT) char data[];
} chunk;

typedef struct deferred {
    struct deferred *before;
    void (*release)(void *);
    void *object;
} deferred;

struct ms_arena {
    chunk *newest;
    deferred *deferred;
};

static void *must(void *memory, size_t size) {
    if (memory == NULL) {
        ms_panic("out of memory: %zu bytes could not be had", size);
    }
    return memory;
}

ms_arena *ms_arena_new(void) { return must(calloc(1, sizeof(ms_arena)), sizeof(ms_arena)); }

static void release_all(ms_arena *arena) {
    while (arena->deferred != NULL) {
        deferred *last = arena->deferred;
        arena->deferred = last->before;
        last->release(last->object);
    }
}

void ms_arena_reset(ms_arena *arena) {
    release_all(arena);
    /* One chunk of usual size stays, so that a call like the last one asks for nothing. */
    chunk *kept = NULL;
    while (arena->newest != NULL) {
        chunk *before = arena->newest->before;
        if (kept == NULL && arena->newest->room <= LARGEST_CHUNK) {
            kept = arena->newest;
        } else {
            free(arena->newest);
        }
        arena->newest = before;
    }
    if (kept != NULL) {
        kept->before = NULL;
        kept->used = 0;
        arena->newest = kept;
    }
}

void ms_arena_free(ms_arena *arena) {
    if (arena == NULL) {
        return;
    }
    release_all(arena);
    while (arena->newest != NULL) {
        chunk *before = arena->newest->before;
        free(arena->newest);
        arena->newest = before;
    }
    free(arena);
}

static size_t aligned(size_t size) { return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1); }

void *ms_alloc_dirty(ms_arena *arena, size_t size) {
    if (SIZE_MAX / 2 < size) {
        ms_panic("out of memory: %zu bytes could not be had", size);
    }
    size_t needed = aligned(size);
    chunk *newest = arena->newest;
    if (newest == NULL || newest->room - newest->used < needed) {
        size_t room = newest == NULL ? FIRST_CHUNK : newest->room * 2;
        if (LARGEST_CHUNK < room) {
            room = LARGEST_CHUNK;
        }
        bool alone = room < needed;
        if (alone) {
            room = needed;
        }
        chunk *made = must(malloc(sizeof(chunk) + room), room);
        made->room = room;
        made->used = 0;
        if (alone && newest != NULL) {
            /* What fills a chunk of its own stands behind the newest one, whose rest can still be used. */
            made->before = newest->before;
            newest->before = made;
            made->used = needed;
            return made->data;
        }
        made->before = newest;
        arena->newest = newest = made;
    }
    void *memory = newest->data + newest->used;
    newest->used += needed;
    return memory;
}

void *ms_alloc(ms_arena *arena, size_t size) {
    void *memory = ms_alloc_dirty(arena, size);
    memset(memory, 0, size);
    return memory;
}

bool ms_alloc_grow(ms_arena *arena, void *memory, size_t old_size, size_t new_size) {
    chunk *newest = arena->newest;
    size_t old_end = aligned(old_size), new_end = aligned(new_size);
    if (newest == NULL || memory == NULL || (char *)memory + old_end != newest->data + newest->used) {
        return false;
    }
    size_t start = (size_t)((char *)memory - newest->data);
    if (newest->room - start < new_end) {
        return false;
    }
    newest->used = start + new_end;
    return true;
}

void ms_defer(ms_arena *arena, void (*release)(void *), void *object) {
    deferred *entry = MS_NEW(arena, deferred);
    entry->before = arena->deferred;
    entry->release = release;
    entry->object = object;
    arena->deferred = entry;
}

char *ms_buf_add(ms_buf *buf, const void *data, size_t len) {
    if (buf->room - buf->len < len) {
        size_t room = buf->room < 64 ? 64 : buf->room * 2;
        while (room - buf->len < len) {
            room *= 2;
        }
        if (!ms_alloc_grow(buf->arena, buf->data, buf->room, room)) {
            char *moved = ms_alloc_dirty(buf->arena, room);
            if (buf->len != 0) {
                ms_copy(moved, buf->data, buf->len);
            }
            buf->data = moved;
        }
        buf->room = room;
    }
    char *place = buf->data + buf->len;
    if (data == NULL) {
        memset(place, 0, len);
    } else if (len != 0) {
        memcpy(place, data, len);
    }
    buf->len += len;
    return place;
}

void ms_buf_str(ms_buf *buf, ms_str text) {
    if (text.len != 0) {
        ms_buf_add(buf, text.data, text.len);
    }
}

void ms_buf_text(ms_buf *buf, const char *text) { ms_buf_str(buf, ms_s(text)); }

void ms_buf_char(ms_buf *buf, char byte) { ms_buf_add(buf, &byte, 1); }

ms_str ms_buf_done(ms_buf *buf) {
    /* A NUL behind the text, which is no part of it, makes it a C string as well. */
    ms_buf_char(buf, '\0');
    buf->len -= 1;
    return ms_sn(buf->data, buf->len);
}

ms_str ms_dup(ms_arena *arena, ms_str text) {
    if (text.data == NULL) {
        return text;
    }
    char *copy = ms_alloc_dirty(arena, text.len + 1);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return ms_sn(copy, text.len);
}

char *ms_cstr(ms_arena *arena, ms_str text) { return (char *)ms_dup(arena, text).data; }
