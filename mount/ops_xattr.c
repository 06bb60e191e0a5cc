/* SPDX-License-Identifier: MIT */
/*
 * Callbacks: extended attributes, which a mount has that was asked for them (-o xattr). Attributes
 * of arrays, groups and projects are user.NAME; and what is known of an array can be asked for by
 * name. Sidecars answer the same, for links have no extended attributes; but they list none, so
 * that who copies both copies them once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/scope.h"
#include "change.h"
#include "format/attribute_text.h"
#include "ops.h"
#include "right.h"
#include "sight.h"

#define SPACE "user."
#define OWN   "cuteshm."

enum { NAME_LENGTH_MAX = 255, VALUE_BYTES_MAX = 65536, SURELY_SHORT = 1024 };

static bool begins_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Only directories, arrays and their sidecars have any. */
static bool can_have(const struct inode *inode)
{
    return inode->kind != INODE_ROOT && inode->kind != INODE_NPY;
}

static const struct cshm_attribute *find(const struct cshm_node *node, struct cshm_text name)
{
    const struct cshm_attribute *attribute = node->attributes;
    while (attribute && !cshm_text_equal(attribute->name, name))
        attribute = attribute->next;
    return attribute;
}

/* --- Reading ------------------------------------------------------------------------------------
 */

static int add_shape(const struct cshm_description *described, struct cshm_buffer *out)
{
    if (described->rank == CSHM_SHAPE_NULL)
        cshm_buffer_add_string(out, "null");
    else if (described->rank < 0)
        return -ENODATA;
    else
        cshm_buffer_add_char(out, '[');
    for (int i = 0; i < described->rank; i++)
        cshm_buffer_add_format(out, i > 0 ? ", %llu" : "%llu",
                               (unsigned long long)described->shape[i]);
    if (described->rank >= 0)
        cshm_buffer_add_char(out, ']');
    return out->error;
}

/* What is known besides the attributes; `name` is without its prefixes. */
static int read_own(const struct cshm_node *node, const char *name, struct cshm_buffer *out)
{
    const struct cshm_description *described = node->described;
    const char *text = NULL;
    if (!described || node->type == CSHM_NODE_GROUP)
        return -ENODATA;
    if (strcmp(name, "shape") == 0)
        return add_shape(described, out);
    if (strcmp(name, "dtype") == 0)
        text = described->dtype_text;
    else if (strcmp(name, "segment") == 0)
        text = cshm_node_segment(node);
    if (!text)
        return -ENODATA;
    cshm_buffer_add_string(out, text);
    return out->error;
}

static int read_named(const struct cshm_node *node, const char *name, struct cshm_buffer *out)
{
    if (begins_with(name, OWN))
        return read_own(node, name + strlen(OWN), out);
    const struct cshm_attribute *attribute = find(node, cshm_text(name));
    return attribute ? cshm_attribute_text_write(&attribute->value, out) : -ENODATA;
}

/* The kernel has others asked for by itself: before the first write for security.capability. */
static int without_space(const char *name)
{
    return begins_with(name, "security.") ? -ENODATA : -EOPNOTSUPP;
}

/* What the kernel has asked for may be another user's by now. */
static int check_asker(fuse_req_t request, const struct picture *picture,
                       const struct cshm_node *node, mode_t mask)
{
    const struct right right = right_to(picture, node);
    return right_allows(request, &right, mask) ? 0 : -EACCES;
}

static int get(struct daemon *daemon, fuse_req_t request, struct inode *inode, const char *name,
               struct cshm_buffer *out)
{
    struct sight sight;
    if (!begins_with(name, SPACE))
        return without_space(name);
    int result = can_have(inode) ? sight_begin(daemon, inode, &sight) : -ENODATA;
    if (result < 0)
        return result;
    result = check_asker(request, sight.picture, sight.node, 04);
    if (result == 0)
        result = read_named(sight.node, name + strlen(SPACE), out);
    sight_end(&sight);
    return result;
}

static void reply(fuse_req_t request, int result, const struct cshm_buffer *bytes, size_t size)
{
    if (result == 0 && size > 0 && bytes->length > size)
        result = -ERANGE;
    if (result < 0)
        ops_reply_result(request, result);
    else if (size == 0)
        (void)fuse_reply_xattr(request, bytes->length);
    else
        (void)fuse_reply_buf(request, bytes->bytes, bytes->length);
}

void ops_getxattr(fuse_req_t request, fuse_ino_t id, const char *name, size_t size)
{
    struct daemon *daemon = ops_daemon(request);
    CSHM_AUTO_BUFFER struct cshm_buffer value = CSHM_BUFFER_INIT;
    int result = get(daemon, request, inode_from_id(&daemon->inodes, id), name, &value);
    reply(request, result, &value, size);
}

/* Whoever copies all that is listed must be able to read all that is listed. */
static bool is_readable(const struct cshm_attribute *attribute)
{
    struct cshm_text name = attribute->name;
    const struct cshm_value *value = &attribute->value;
    if (name.length == 0 || name.length > NAME_LENGTH_MAX - strlen(SPACE) ||
        memchr(name.bytes, 0, name.length))
        return false;
    if (name.length >= strlen(OWN) && memcmp(name.bytes, OWN, strlen(OWN)) == 0)
        return false;
    bool is_short = value->type == CSHM_VALUE_STRING
                        ? value->string.length < SURELY_SHORT
                        : value->type != CSHM_VALUE_ARRAY && value->type != CSHM_VALUE_TABLE;
    if (is_short)
        return true;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    return cshm_attribute_text_write(value, &text) == 0 && text.length <= VALUE_BYTES_MAX;
}

static int list(struct daemon *daemon, struct inode *inode, struct cshm_buffer *out)
{
    struct sight sight;
    if (inode->kind != INODE_ARRAY && inode->kind != INODE_DIRECTORY)
        return 0;
    int result = sight_begin(daemon, inode, &sight);
    if (result < 0)
        return result;
    for (const struct cshm_attribute *a = sight.node->attributes; a; a = a->next) {
        if (!is_readable(a))
            continue;
        cshm_buffer_add_string(out, SPACE);
        cshm_buffer_add(out, a->name.bytes, a->name.length);
        cshm_buffer_add(out, "", 1);
    }
    sight_end(&sight);
    return out->error;
}

void ops_listxattr(fuse_req_t request, fuse_ino_t id, size_t size)
{
    struct daemon *daemon = ops_daemon(request);
    CSHM_AUTO_BUFFER struct cshm_buffer names = CSHM_BUFFER_INIT;
    int result = list(daemon, inode_from_id(&daemon->inodes, id), &names);
    reply(request, result, &names, size);
}

/* --- Changing -----------------------------------------------------------------------------------
 */

struct wish {
    const struct inode *inode;
    struct cshm_text key; /* of what is in the directory; of the directory itself: no bytes */
    struct cshm_text name;
    const struct cshm_value *value; /* NULL: to be removed */
    int flags;
    struct cshm_arena *arena;
};

static struct cshm_node *find_node(const struct change *change, const struct wish *wish)
{
    if (!wish->key.bytes)
        return change->group;
    struct cshm_node *node = cshm_node_child(change->group, wish->key);
    if (!node || node->type == CSHM_NODE_GROUP)
        return NULL;
    const char *segment = cshm_node_segment(node);
    const struct inode *inode = wish->inode;
    if (inode->kind != INODE_ARRAY)
        return node;
    const char *known = ((const struct inode_array *)inode)->segment;
    return segment && strcmp(segment, known) == 0 ? node : NULL;
}

static int check(const struct wish *wish, const struct cshm_attribute *old)
{
    if (!old && (!wish->value || wish->flags & XATTR_REPLACE))
        return -ENODATA;
    return old && wish->value && wish->flags & XATTR_CREATE ? -EEXIST : 0;
}

/* The attributes as they are to be. What is not other is not copied. */
static int make_attributes(const struct wish *wish, const struct cshm_node *node,
                           struct cshm_attribute **out)
{
    bool done = !wish->value;
    struct cshm_attribute **end = out;
    *out = NULL;
    for (const struct cshm_attribute *a = node->attributes; a || !done; a = a ? a->next : NULL) {
        bool is_it = !a || cshm_text_equal(a->name, wish->name);
        if (is_it && !wish->value)
            continue;
        struct cshm_attribute *made = cshm_arena_alloc(wish->arena, sizeof *made);
        if (!made)
            return -ENOMEM;
        if (a)
            *made = *a;
        if (is_it) {
            done = true;
            /* A number stays of the type it has; what becomes something else is that. */
            made->type = a && a->value.type == wish->value->type ? a->type : NULL;
            made->name = wish->name;
            made->value = *wish->value;
        }
        made->next = NULL;
        *end = made;
        end = &made->next;
    }
    return 0;
}

static int change_attribute(struct change *change, void *context)
{
    const struct wish *wish = context;
    const struct cshm_node *node = find_node(change, wish);
    if (!node)
        return -ENOENT;
    const struct cshm_attribute *old = find(node, wish->name);
    int result = check_asker(change->request, change->picture, node, 02);
    if (result == 0)
        result = check(wish, old);
    if (result < 0 || (old && wish->value && cshm_value_equal(&old->value, wish->value)))
        return result;
    struct cshm_node said = *node;
    CSHM_AUTO_PATH struct change_path path = {0};
    result = make_attributes(wish, node, &said.attributes);
    if (result == 0)
        result = change_path_make(node, NULL, &path);
    if (result < 0)
        return result;
    const struct cshm_operation operation = {
        .kind = CSHM_OPERATION_PUT, .path = path.keys, .depth = path.depth, .node = &said};
    const struct cshm_commit commit = {.operations = &operation, .count = 1};
    return change_commit(change, &commit);
}

/* The directory that the inode is in, or is, held; and the key there. An array's may change. */
static struct inode *find_place(struct daemon *daemon, struct inode *inode, struct wish *wish)
{
    struct inode_table *table = &daemon->inodes;
    bool is_directory = inode->kind == INODE_DIRECTORY;
    bool is_child = inode->kind == INODE_ARRAY || inode->kind == INODE_SIDECAR;
    (void)pthread_mutex_lock(&table->lock);
    struct inode *directory = is_directory ? inode : inode->parent;
    directory->references++;
    wish->key = is_child ? cshm_arena_text(wish->arena, inode_name(inode)) : (struct cshm_text){0};
    bool failed = is_child && !wish->key.bytes;
    (void)pthread_mutex_unlock(&table->lock);
    if (!failed)
        return directory;
    inode_drop(table, directory, 1);
    return NULL;
}

static int change_named(struct daemon *daemon, fuse_req_t request, struct inode *inode,
                        const char *name, struct wish *wish)
{
    if (!begins_with(name, SPACE) || !can_have(inode))
        return -EOPNOTSUPP;
    wish->name = cshm_text(name + strlen(SPACE));
    wish->inode = inode;
    if (wish->name.length == 0)
        return -EINVAL;
    if (begins_with(wish->name.bytes, OWN))
        return -EPERM;
    struct inode *directory = find_place(daemon, inode, wish);
    if (!directory)
        return -ENOMEM;
    int result = change_run(daemon, request, directory, change_attribute, wish);
    inode_drop(&daemon->inodes, directory, 1);
    return result;
}

void ops_setxattr(fuse_req_t request, fuse_ino_t id, const char *name, const char *bytes,
                  size_t size, int flags)
{
    struct daemon *daemon = ops_daemon(request);
    struct cshm_arena arena = {0};
    struct cshm_value value;
    struct wish wish = {.value = &value, .flags = flags, .arena = &arena};
    int result = cshm_attribute_text_read((struct cshm_text){bytes, size}, &arena, &value);
    if (result == 0)
        result = change_named(daemon, request, inode_from_id(&daemon->inodes, id), name, &wish);
    cshm_arena_finish(&arena);
    ops_reply_result(request, result);
}

void ops_removexattr(fuse_req_t request, fuse_ino_t id, const char *name)
{
    struct daemon *daemon = ops_daemon(request);
    struct cshm_arena arena = {0};
    struct wish wish = {.arena = &arena};
    int result = change_named(daemon, request, inode_from_id(&daemon->inodes, id), name, &wish);
    cshm_arena_finish(&arena);
    ops_reply_result(request, result);
}
