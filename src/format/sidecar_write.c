/* SPDX-License-Identifier: MIT */
#include "format/sidecar.h"

#include <errno.h>

#include "format/describe.h"
#include "format/toml_write.h"

enum { PATH_SHOWN = 4096 };

/* --- Lines of comment and of words from outside ------------------------------------------ */

/* A comment may hold no control character; neither should a terminal see one. */
static void write_comment(struct cshm_buffer *out, const char *text)
{
    char escaped[PATH_SHOWN];
    cshm_buffer_add_string(out, "# ");
    cshm_buffer_add_string(out, cshm_text_escape(text, strlen(text), escaped, sizeof escaped));
    cshm_buffer_add_char(out, '\n');
}

static void write_title(struct cshm_buffer *out, const struct cshm_node *node, const char *project)
{
    char path[PATH_SHOWN];
    char escaped[PATH_SHOWN];
    cshm_buffer_add_string(out, "# /");
    if (project)
        cshm_buffer_add_string(out,
                               cshm_text_escape(project, strlen(project), escaped, sizeof escaped));
    if (node->parent) /* escaped already */
        cshm_buffer_add_string(out, cshm_node_path(node, path, sizeof path));
    cshm_buffer_add_char(out, '\n');
}

static void write_total(const struct cshm_lines *lines, const char *key, uint64_t value)
{
    cshm_lines_unsigned(lines, key, value > INT64_MAX ? INT64_MAX : value);
}

static void write_words(const struct cshm_lines *lines, const char *key, const char *value)
{
    if (value)
        cshm_lines_bytes(lines, key, cshm_text(value));
}

static void write_state(const struct cshm_lines *lines, const char *state, const char *reason)
{
    write_words(lines, "state", state);
    write_words(lines, "reason", reason);
}

/* --- Arrays ------------------------------------------------------------------------------ */

/*
 * Bytes of the file that are not of the array. An empty array's segment has a byte that nobody
 * wrote.
 */
static uint64_t rest_of(const struct cshm_node *node, uint64_t file_bytes)
{
    const struct cshm_description *described = node->described;
    if (node->type != CSHM_NODE_ARRAY || !described || file_bytes <= described->bytes)
        return 0;
    if (described->bytes == 0 && file_bytes == 1 && !described->empty_rest)
        return 0;
    return file_bytes - described->bytes;
}

static const char *state_of(const struct cshm_node *node, const struct cshm_sidecar_facts *facts)
{
    if (facts->state)
        return facts->state;
    bool null = node->described && node->described->rank == CSHM_SHAPE_NULL;
    if (node->type == CSHM_NODE_BARE && !null)
        return "waiting";
    return node->problem ? "broken" : NULL;
}

static void write_array(const struct cshm_lines *lines, const struct cshm_node *node,
                        const struct cshm_sidecar_facts *facts)
{
    const struct cshm_description *described = node->described;
    cshm_lines_text(lines, "[array]");
    if (described) {
        cshm_describe_write_dtype(lines, described);
        cshm_describe_write_shape(lines, described);
        if (node->type == CSHM_NODE_ARRAY)
            write_total(lines, "nbytes", described->bytes);
        cshm_lines_string(lines, "segment", described->segment);
        cshm_describe_write_more(lines, described);
    }
    uint64_t rest = rest_of(node, facts->file_bytes);
    if (rest > 0)
        write_total(lines, "rest", rest);
    write_state(lines, state_of(node, facts), facts->reason ? facts->reason : node->problem);
}

/* --- Groups and projects ----------------------------------------------------------------- */

static struct cshm_sidecar_totals count(const struct cshm_node *group)
{
    struct cshm_sidecar_totals totals = {0};
    for (const struct cshm_node *n = cshm_node_walk(group, group); n;
         n = cshm_node_walk(n, group)) {
        totals.groups += n->type == CSHM_NODE_GROUP;
        if (n->type != CSHM_NODE_ARRAY)
            continue;
        totals.arrays++;
        if (__builtin_add_overflow(totals.bytes, n->described->bytes, &totals.bytes))
            totals.bytes = UINT64_MAX;
    }
    return totals;
}

static void write_totals(const struct cshm_lines *lines, const struct cshm_sidecar_totals *totals)
{
    cshm_lines_unsigned(lines, "arrays", totals->arrays);
    cshm_lines_unsigned(lines, "groups", totals->groups);
    write_total(lines, "nbytes", totals->bytes);
}

static void write_project(const struct cshm_lines *lines, const struct cshm_tree *tree,
                          const struct cshm_sidecar_facts *facts)
{
    write_words(lines, "created", tree->facts.created);
    write_words(lines, "source", tree->facts.source);
    if (tree->facts.persistent >= 0)
        cshm_lines_flag(lines, "persistent", tree->facts.persistent != 0);
    write_words(lines, "owner", facts->owner);
}

static void write_group(const struct cshm_lines *lines, const struct cshm_tree *tree,
                        const struct cshm_node *node, const struct cshm_sidecar_facts *facts)
{
    struct cshm_sidecar_totals counted;
    if (!facts->totals)
        counted = count(node);
    cshm_lines_text(lines, "[group]");
    write_totals(lines, facts->totals ? facts->totals : &counted);
    if (node->described) {
        cshm_lines_string(lines, "kind", node->described->detail->kind);
        cshm_describe_write_shape(lines, node->described);
    }
    if (!node->parent)
        write_project(lines, tree, facts);
    write_state(lines, facts->state, facts->reason);
}

/* --- All of it --------------------------------------------------------------------------- */

static void write_attributes(const struct cshm_lines *lines, const struct cshm_node *node,
                             bool spelled)
{
    if (!node->attributes)
        return;
    cshm_lines_text(lines, "\n[attrs]");
    cshm_attributes_write(lines, node, spelled);
    if (!cshm_attributes_typed(node))
        return;
    cshm_lines_text(lines, "\n[attr_types]");
    cshm_attributes_write_types(lines, node, spelled);
}

int cshm_sidecar_render(const struct cshm_tree *tree, const struct cshm_node *node,
                        const struct cshm_sidecar_facts *facts, struct cshm_buffer *out)
{
    const struct cshm_lines lines = {.out = out, .prefix = ""};
    bool spelled = cshm_attributes_spelled(node);
    write_title(out, node, facts->project);
    if (node->type == CSHM_NODE_GROUP)
        write_group(&lines, tree, node, facts);
    else
        write_array(&lines, node, facts);
    if (spelled)
        cshm_lines_flag(&lines, "bytes_attrs", true);
    write_attributes(&lines, node, spelled);
    if (facts->remark) {
        cshm_buffer_add_char(out, '\n');
        write_comment(out, facts->remark);
    }
    return out->error;
}
