/* SPDX-License-Identifier: MIT */
/* cute-shm-list --json. The keys are a promise (cute-shm-list(1)): add, never change. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/json.h"
#include "cli/list.h"

static void add_number(struct cshm_buffer *out, const char *key, uint64_t number)
{
    json_key(out, key);
    cshm_buffer_add_format(out, "%" PRIu64, number);
}

static void add_text(struct cshm_buffer *out, const char *key, const char *text)
{
    json_key(out, key);
    json_c_string(out, text);
}

/* A buffer's bytes as a string; "" where nothing was added. */
static void add_buffer(struct cshm_buffer *out, const char *key, const struct cshm_buffer *text)
{
    json_key(out, key);
    json_string(out, (struct cshm_text){text->bytes ? text->bytes : "", text->length});
}

static void add_attributes(struct cshm_buffer *out, const struct cshm_node *node)
{
    json_key(out, "attributes");
    cshm_buffer_add_char(out, '{');
    for (const struct cshm_attribute *attribute = node->attributes; attribute;
         attribute = attribute->next) {
        json_separate(out);
        json_string(out, attribute->name);
        cshm_buffer_add_string(out, ": ");
        json_value(out, &attribute->value);
    }
    cshm_buffer_add_char(out, '}');
}

/* The way from the root, outermost first. Whether all keys were UTF-8. */
static bool add_keys(struct cshm_buffer *out, const struct cshm_node *node)
{
    if (!node->parent)
        return true;
    bool valid = add_keys(out, node->parent);
    json_separate(out);
    json_string(out, node->key);
    return cshm_utf8_valid(node->key.bytes, node->key.length) && valid;
}

static void add_place(struct cshm_buffer *out, const struct cshm_node *node)
{
    CSHM_AUTO_BUFFER struct cshm_buffer path = CSHM_BUFFER_INIT;
    list_path(node, &path);
    add_buffer(out, "path", &path);
    json_key(out, "keys");
    cshm_buffer_add_char(out, '[');
    bool valid = add_keys(out, node);
    cshm_buffer_add_char(out, ']');
    if (!valid) {
        json_key(out, "bytes_name");
        cshm_buffer_add_string(out, "true");
    }
}

static void add_shape(struct cshm_buffer *out, const struct cshm_node *node)
{
    CSHM_AUTO_BUFFER struct cshm_buffer shape = CSHM_BUFFER_INIT;
    list_shape(node, &shape);
    json_key(out, "shape");
    bool numbers = shape.length > 0 && shape.bytes[0] == '[';
    cshm_buffer_add_string(out, numbers ? shape.bytes : "null");
}

static const char *state_of(const struct list_item *item)
{
    const struct cshm_node *node = item->node;
    if (node->type == CSHM_NODE_BARE)
        return node->described && node->described->rank == CSHM_SHAPE_NULL ? "null" : "waiting";
    if (item->state == CSHM_ARRAY_MISSING)
        return "missing";
    return item->state == CSHM_ARRAY_BROKEN ? "broken" : "ok";
}

/* What an HDF5 type had beyond a dtype. */
static void add_origin(struct cshm_buffer *out, const struct cshm_description *described)
{
    if (described->detail->kind)
        add_text(out, "kind", described->detail->kind);
    if (described->detail->encoding)
        add_text(out, "encoding", described->detail->encoding);
    if (described->detail->enumeration) {
        json_key(out, "enum");
        json_value(out, described->detail->enumeration);
    }
    if (described->detail->tag.bytes) {
        json_key(out, "tag");
        json_string(out, described->detail->tag);
    }
}

static void add_array(struct cshm_buffer *out, const struct list_item *item)
{
    const struct cshm_description *described = item->node->described;
    char dtype[CSHM_DTYPE_TEXT_MAX];
    add_place(out, item->node);
    add_shape(out, item->node);
    add_text(out, "dtype", list_dtype(item->node, dtype));
    add_number(out, "bytes", described ? described->bytes : 0);
    add_text(out, "segment", described ? described->segment : NULL);
    add_text(out, "state", state_of(item));
    if (item->reason)
        add_text(out, "reason", item->reason);
    if (described)
        add_origin(out, described);
    add_attributes(out, item->node);
}

static void add_group(struct cshm_buffer *out, const struct cshm_node *node)
{
    add_place(out, node);
    if (node->described)
        add_origin(out, node->described);
    add_attributes(out, node);
}

static void add_items(struct cshm_buffer *out, const struct list_project *project, bool groups)
{
    json_key(out, groups ? "groups" : "arrays");
    cshm_buffer_add_char(out, '[');
    for (size_t i = 0; i < project->item_count; i++) {
        const struct list_item *item = &project->items[i];
        if ((item->node->type == CSHM_NODE_GROUP) != groups)
            continue;
        json_separate(out);
        cshm_buffer_add_string(out, "\n    {");
        if (groups)
            add_group(out, item->node);
        else
            add_array(out, item);
        cshm_buffer_add_char(out, '}');
    }
    cshm_buffer_add_char(out, ']');
}

static void add_lifetime(struct cshm_buffer *out, const struct cshm_project_facts *facts)
{
    static const char *const words[] = {"null", "false", "true"};
    json_key(out, "persistent");
    cshm_buffer_add_string(out, words[facts->persistent + 1]);
    json_key(out, "pid");
    if (facts->owner.pid)
        cshm_buffer_add_format(out, "%" PRId64, facts->owner.pid);
    else
        cshm_buffer_add_string(out, "null");
    add_text(out, "created", facts->created);
    add_text(out, "source", facts->source);
}

static void add_summary(struct cshm_buffer *out, const struct list_project *project)
{
    CSHM_AUTO_BUFFER struct cshm_buffer owner = CSHM_BUFFER_INIT;
    list_owner(project, &owner);
    add_text(out, "name", project->name);
    add_text(out, "manifest", project->manifest);
    add_text(out, "integrity", list_integrity(project));
    if (project->read.damaged)
        add_text(out, "reason", project->read.why.text);
    add_number(out, "array_count", project->arrays);
    add_number(out, "bytes", project->bytes);
    add_number(out, "missing", project->missing);
    add_number(out, "broken", project->broken);
    add_buffer(out, "owner", &owner);
    add_number(out, "uid", project->read.uid);
    json_key(out, "mode");
    cshm_buffer_add_format(out, "\"%04o\"", (unsigned)project->read.mode);
}

static void add_project(struct cshm_buffer *out, const struct list_project *project, bool summary)
{
    static const struct cshm_project_facts nothing = {.persistent = -1};
    const struct cshm_tree *tree = project->read.tree;
    json_separate(out);
    cshm_buffer_add_string(out, "\n  {");
    add_summary(out, project);
    add_lifetime(out, tree ? &tree->facts : &nothing);
    if (!summary && tree) {
        add_attributes(out, &tree->root);
        add_items(out, project, true);
        add_items(out, project, false);
    }
    cshm_buffer_add_char(out, '}');
}

int list_print_json(const struct cshm_store *store, const struct list_projects *projects,
                    bool summary)
{
    CSHM_AUTO_BUFFER struct cshm_buffer out = CSHM_BUFFER_INIT;
    cshm_buffer_add_string(&out, "{\"version\": 1");
    add_text(&out, "root", store ? store->root : NULL);
    add_text(&out, "shm_dir", store ? store->shm_dir : NULL);
    json_key(&out, "projects");
    cshm_buffer_add_char(&out, '[');
    for (size_t i = 0; i < projects->count; i++)
        add_project(&out, &projects->projects[i], summary);
    cshm_buffer_add_string(&out, "]}\n");
    if (out.error)
        return out.error;
    (void)fwrite(out.bytes, 1, out.length, stdout); /* checked when stdout is flushed */
    return 0;
}
