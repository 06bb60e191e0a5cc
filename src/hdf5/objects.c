/* SPDX-License-Identifier: MIT */
#include "hdf5/objects.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 256 };

static size_t slot_of(const struct cshm_objects *objects, const struct cshm_identity *identity)
{
    return (size_t)cshm_hash((const char *)identity, sizeof *identity) & (objects->slot_count - 1);
}

static bool same(const struct cshm_identity *a, const struct cshm_identity *b)
{
    return a->file == b->file && memcmp(a->token, b->token, CSHM_TOKEN_SIZE) == 0;
}

struct cshm_object *cshm_objects_find(const struct cshm_objects *objects,
                                      const struct cshm_identity *identity)
{
    if (!objects->slot_count)
        return NULL;
    struct cshm_object *object = objects->slots[slot_of(objects, identity)];
    while (object && !same(&object->identity, identity))
        object = object->same_slot;
    return object;
}

static void enter(struct cshm_objects *objects, struct cshm_object *object)
{
    struct cshm_object **slot = &objects->slots[slot_of(objects, &object->identity)];
    object->same_slot = *slot;
    *slot = object;
}

static int grow(struct cshm_objects *objects)
{
    size_t slot_count = objects->slot_count ? objects->slot_count * 4 : FIRST_SLOTS;
    struct cshm_object **slots = calloc(slot_count, sizeof(struct cshm_object *));
    if (!slots)
        return -ENOMEM;
    free(objects->slots);
    objects->slots = slots;
    objects->slot_count = slot_count;
    for (struct cshm_object *object = objects->first; object; object = object->next)
        enter(objects, object);
    return 0;
}

struct cshm_object *cshm_objects_add(struct cshm_objects *objects, struct cshm_arena *arena,
                                     const struct cshm_object_info *info)
{
    if (objects->count >= objects->slot_count && grow(objects) < 0)
        return NULL;
    struct cshm_object *object = cshm_arena_alloc(arena, sizeof *object);
    if (!object)
        return NULL;
    object->identity = info->identity;
    object->type = info->type;
    object->has_attributes = info->attribute_count > 0;
    if (!objects->last)
        objects->last = &objects->first;
    *objects->last = object;
    objects->last = &object->next;
    objects->count++;
    enter(objects, object);
    return object;
}

static const struct cshm_open_file *find_file(const struct cshm_objects *objects,
                                              unsigned long number)
{
    for (size_t i = 0; i < objects->file_count; i++)
        if (objects->files[i].number == number)
            return &objects->files[i];
    return NULL;
}

static hid_t file_of(const struct cshm_objects *objects, unsigned long number)
{
    const struct cshm_open_file *file = find_file(objects, number);
    return file ? file->id : H5I_INVALID_HID;
}

int cshm_objects_descriptor(const struct cshm_objects *objects, unsigned long number)
{
    const struct cshm_open_file *file = find_file(objects, number);
    return file ? file->fd : -1;
}

uint64_t cshm_objects_end(const struct cshm_objects *objects, unsigned long number)
{
    const struct cshm_open_file *file = find_file(objects, number);
    return file ? file->end : 0;
}

/* The end of the file's address space, which begins behind the user block. */
static uint64_t end_of(hid_t file)
{
    CSHM_AUTO_HID hid_t creation = H5Fget_create_plist(file);
    hsize_t user_block;
    haddr_t end;
    if (creation < 0 || H5Pget_userblock(creation, &user_block) < 0 || H5Fget_eoa(file, &end) < 0 ||
        __builtin_add_overflow(end, user_block, &end))
        return 0;
    return end;
}

/* Only of the driver for one plain file: others split, cache or fetch what they read. */
static int descriptor_of(hid_t file)
{
    CSHM_AUTO_HID hid_t access = H5Fget_access_plist(file);
    void *handle = NULL;
    if (access < 0 || H5Pget_driver(access) != H5FD_SEC2 ||
        H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) < 0 || !handle)
        return -1;
    return *(const int *)handle;
}

int cshm_objects_keep_file(struct cshm_objects *objects, hid_t object, unsigned long number)
{
    if (file_of(objects, number) >= 0)
        return 0;
    struct cshm_open_file *files =
        reallocarray(objects->files, objects->file_count + 1, sizeof *files);
    if (!files)
        return -ENOMEM;
    objects->files = files;
    hid_t id = H5Iget_file_id(object);
    if (id < 0)
        return -EINVAL;
    struct cshm_open_file *file = &files[objects->file_count++];
    *file = (struct cshm_open_file){.number = number, .id = id, .fd = descriptor_of(id)};
    if (file->fd >= 0)
        file->end = end_of(id);
    return 0;
}

hid_t cshm_objects_open(const struct cshm_objects *objects, const struct cshm_object *object)
{
    return cshm_h5_open(file_of(objects, object->identity.file), object->identity.token);
}

struct cshm_text cshm_object_path(struct cshm_object *object, struct cshm_text above,
                                  struct cshm_arena *arena)
{
    if (object->path.bytes || !object->node)
        return object->path;
    size_t length = above.length;
    for (const struct cshm_node *node = object->node; node->parent; node = node->parent)
        length += 1 + node->key.length;
    size_t whole = length ? length : 1;
    char *bytes = cshm_arena_array(arena, whole + 1, 1);
    if (!bytes)
        return object->path;
    bytes[0] = '/';
    size_t at = length;
    for (const struct cshm_node *node = object->node; node->parent; node = node->parent) {
        at -= node->key.length;
        memcpy(bytes + at, node->key.bytes, node->key.length);
        bytes[--at] = '/';
    }
    if (at > 0)
        memcpy(bytes, above.bytes, at);
    object->path = (struct cshm_text){bytes, whole};
    return object->path;
}

void cshm_objects_finish(struct cshm_objects *objects)
{
    for (size_t i = 0; i < objects->file_count; i++)
        (void)H5Idec_ref(objects->files[i].id);
    free(objects->files);
    free(objects->slots);
    *objects = (struct cshm_objects){0};
}
