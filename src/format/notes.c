/* SPDX-License-Identifier: MIT */
#include "format/notes.h"

#include <errno.h>
#include <stdint.h>

#include "model/tree.h"

static size_t slot_of(const struct cshm_notes *notes, const struct cshm_note *parent,
                      struct cshm_text key)
{
    uint64_t hash = cshm_hash(key.bytes, key.length) ^ ((uint64_t)(uintptr_t)parent >> 4);
    hash *= 0x9E3779B97F4A7C15U; /* spreads the parent's bits (Knuth's multiplicative hashing) */
    return (size_t)(hash >> 32) & (notes->size - 1);
}

static void put(struct cshm_notes *notes, struct cshm_note *note)
{
    size_t at = slot_of(notes, note->parent, note->key);
    while (notes->slots[at])
        at = (at + 1) & (notes->size - 1);
    notes->slots[at] = note;
}

static int grow(struct cshm_notes *notes, struct cshm_arena *arena)
{
    struct cshm_note **old = notes->slots;
    size_t old_size = notes->size;
    notes->size = old_size ? old_size * 4 : 64;
    notes->slots = cshm_arena_array(arena, notes->size, sizeof(struct cshm_note *));
    if (!notes->slots)
        return -ENOMEM;
    for (size_t i = 0; i < old_size; i++)
        if (old[i])
            put(notes, old[i]);
    return 0;
}

struct cshm_note *cshm_notes_child(const struct cshm_notes *notes, const struct cshm_note *parent,
                                   struct cshm_text key)
{
    if (!parent || notes->size == 0)
        return NULL;
    size_t at = slot_of(notes, parent, key);
    for (; notes->slots[at]; at = (at + 1) & (notes->size - 1))
        if (notes->slots[at]->parent == parent && cshm_text_equal(notes->slots[at]->key, key))
            return notes->slots[at];
    return NULL;
}

static struct cshm_note *add_child(struct cshm_notes *notes, struct cshm_note *parent,
                                   struct cshm_text key, struct cshm_arena *arena)
{
    struct cshm_note *note = cshm_notes_child(notes, parent, key);
    if (note)
        return note;
    if (notes->count * 2 >= notes->size && grow(notes, arena) < 0)
        return NULL;
    note = cshm_arena_alloc(arena, sizeof *note);
    if (!note)
        return NULL;
    note->parent = parent;
    note->key = key;
    *(parent->last ? &parent->last->next : &parent->first) = note;
    parent->last = note;
    put(notes, note);
    notes->count++;
    return note;
}

static bool is_path(const struct cshm_value *path)
{
    if (!path || path->type != CSHM_VALUE_ARRAY || path->array.count > CSHM_DEPTH_MAX)
        return false;
    for (size_t i = 0; i < path->array.count; i++)
        if (path->array.items[i].type != CSHM_VALUE_STRING)
            return false;
    return true;
}

static int read_entry(struct cshm_notes *notes, const struct cshm_value *table,
                      struct cshm_arena *arena)
{
    const struct cshm_value *path = cshm_value_get(table, "path");
    if (!is_path(path))
        return 0;
    struct cshm_note *note = &notes->root;
    for (size_t i = 0; i < path->array.count; i++) {
        note = add_child(notes, note, path->array.items[i].string, arena);
        if (!note)
            return -ENOMEM;
    }
    if (!note->table)
        note->table = table;
    return 0;
}

int cshm_notes_read(struct cshm_notes *notes, const struct cshm_value *list,
                    struct cshm_arena *arena)
{
    if (!list || list->type != CSHM_VALUE_ARRAY)
        return 0;
    for (size_t i = 0; i < list->array.count; i++) {
        int result = read_entry(notes, &list->array.items[i], arena);
        if (result < 0)
            return result;
    }
    return 0;
}
