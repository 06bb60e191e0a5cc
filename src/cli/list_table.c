/* SPDX-License-Identifier: MIT */
/*
 * cute-shm-list's tables. libsmartcols makes cells safe to print: what is not printable in the
 * locale becomes \xNN. That is not left to cshm_text_escape() because libsmartcols would escape the
 * escapes, and told not to (noencoding) it loops forever on bytes the locale cannot decode (2.38).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libsmartcols.h>

#include "base/names.h"
#include "cli/list.h"

enum { FULL_PATH, FULL_SHAPE, FULL_DTYPE, FULL_SIZE, FULL_ATTRIBUTES, FULL_SEGMENT };
enum {
    SHORT_NAME,
    SHORT_MANIFEST,
    SHORT_ARRAYS,
    SHORT_SIZE,
    SHORT_INTEGRITY,
    SHORT_OWNER,
    SHORT_LIFETIME,
};

struct column {
    const char *name;
    int flags;
    const char *colour;
};

static const struct column full_columns[] = {
    {"KEY PATH", SCOLS_FL_WRAP, "cyan"}, {"SHAPE", SCOLS_FL_RIGHT, NULL},
    {"DTYPE", 0, "green"},               {"SIZE", SCOLS_FL_RIGHT, NULL},
    {"ATTRIBUTES", SCOLS_FL_WRAP, NULL}, {"SEGMENT", SCOLS_FL_WRAP, NULL},
    {NULL, 0, NULL},
};
static const struct column tree_columns[] = {
    {"NAME", SCOLS_FL_TREE, "cyan"},     {"SHAPE", SCOLS_FL_RIGHT, NULL},
    {"DTYPE", 0, "green"},               {"SIZE", SCOLS_FL_RIGHT, NULL},
    {"ATTRIBUTES", SCOLS_FL_WRAP, NULL}, {"SEGMENT", SCOLS_FL_WRAP, NULL},
    {NULL, 0, NULL},
};
static const struct column short_columns[] = {
    {"PROJECT", SCOLS_FL_WRAP, "cyan"}, {"MANIFEST", SCOLS_FL_WRAP, NULL},
    {"ARRAYS", SCOLS_FL_RIGHT, NULL},   {"SIZE", SCOLS_FL_RIGHT, NULL},
    {"INTEGRITY", 0, NULL},             {"OWNER", 0, NULL},
    {"LIFETIME", 0, NULL},              {NULL, 0, NULL},
};

static void unref_table(struct libscols_table **table)
{
    scols_unref_table(*table);
}
#define AUTO_TABLE __attribute__((cleanup(unref_table)))

/* NULL: out of memory. */
static struct libscols_table *make_table(const struct column *columns)
{
    struct libscols_table *table = scols_new_table();
    if (!table)
        return NULL;
    scols_table_enable_colors(table, cli_wants_colour(STDOUT_FILENO));
    for (; columns->name; columns++) {
        struct libscols_column *column =
            scols_table_new_column(table, columns->name, 0, columns->flags);
        if (!column) {
            scols_unref_table(table);
            return NULL;
        }
        if (columns->colour)
            (void)scols_column_set_color(column, columns->colour);
    }
    return table;
}

/* --- Cells ------------------------------------------------------------------------------------ */

/* Cells are C strings: a NUL, which TOML keys may hold, is shown as \0. */
static int set_text(struct libscols_line *line, size_t column, struct cshm_text text)
{
    char *cell = malloc(text.length * 2 + 1);
    char *at = cell;
    if (!cell)
        return -ENOMEM;
    for (size_t i = 0; i < text.length; i++) {
        if (text.bytes[i] == '\0')
            *at++ = '\\';
        *at++ = text.bytes[i] ? text.bytes[i] : '0';
    }
    *at = '\0';
    return scols_line_refer_data(line, column, cell);
}

static int set_string(struct libscols_line *line, size_t column, const char *string)
{
    return set_text(line, column, cshm_text(string));
}

/* The buffer is emptied for the next cell. */
static int set_buffer(struct libscols_line *line, size_t column, struct cshm_buffer *buffer)
{
    struct cshm_text text = {buffer->length ? buffer->bytes : "", buffer->length};
    int result = buffer->error ? buffer->error : set_text(line, column, text);
    cshm_buffer_clear(buffer);
    return result;
}

static int set_size(struct libscols_line *line, size_t column, uint64_t bytes)
{
    char human[32];
    return set_string(line, column, cshm_bytes_to_human(bytes, human));
}

static void colour_cell(struct libscols_line *line, size_t column, const char *colour)
{
    (void)scols_cell_set_color(scols_line_get_cell(line, column), colour);
}

static void add_attribute_names(struct cshm_buffer *out, const struct cshm_node *node)
{
    for (const struct cshm_attribute *attribute = node->attributes; attribute;
         attribute = attribute->next) {
        cshm_buffer_add(out, attribute->name.bytes, attribute->name.length);
        cshm_buffer_add_string(out, attribute->next ? ", " : "");
    }
}

static void add_segment(struct cshm_buffer *out, const struct list_item *item)
{
    const struct cshm_node *node = item->node;
    if (node->type == CSHM_NODE_BARE && node->described &&
        node->described->rank != CSHM_SHAPE_NULL)
        cshm_buffer_add_string(out, "waits for its data");
    if (node->type != CSHM_NODE_ARRAY)
        return;
    if (item->state == CSHM_ARRAY_MISSING)
        cshm_buffer_add_string(out, "* MISSING *");
    else if (item->state == CSHM_ARRAY_BROKEN)
        cshm_buffer_add_format(out, "* BROKEN * %s", item->reason ? item->reason : "");
    else
        cshm_buffer_add_string(out, node->described->segment);
}

/* All cells but the first. */
static int fill_line(struct libscols_line *line, const struct list_item *item)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    char dtype[CSHM_DTYPE_TEXT_MAX];
    const struct cshm_description *described = item->node->described;
    bool group = item->node->type == CSHM_NODE_GROUP;
    list_shape(item->node, &text);
    int result = set_buffer(line, FULL_SHAPE, &text);
    if (group && described && described->detail->kind)
        result = result ? result : set_string(line, FULL_DTYPE, described->detail->kind);
    else
        result = result ? result : set_string(line, FULL_DTYPE, list_dtype(item->node, dtype));
    result = result ? result : set_size(line, FULL_SIZE, item->bytes);
    add_attribute_names(&text, item->node);
    result = result ? result : set_buffer(line, FULL_ATTRIBUTES, &text);
    add_segment(&text, item);
    result = result ? result : set_buffer(line, FULL_SEGMENT, &text);
    if (item->state != CSHM_ARRAY_FINE)
        colour_cell(line, FULL_SEGMENT, "red");
    return result;
}

/* --- Full ------------------------------------------------------------------------------------- */

static void print_title(const struct list_project *project)
{
    char text[2048];
    char human[32];
    bool colour = cli_wants_colour(STDOUT_FILENO);
    printf("%sProject: %s", colour ? "\033[1m" : "",
           cshm_text_escape(project->name, strlen(project->name), text, sizeof text));
    printf("%s - %s", colour ? "\033[0m" : "",
           cshm_text_escape(project->manifest, strlen(project->manifest), text, sizeof text));
    if (project->read.damaged)
        printf("\n  damaged: %s\n", project->read.why.text);
    else
        printf(" - %s%s\n", cshm_bytes_to_human(project->bytes, human),
               project->arrays ? "" : "\n  no arrays");
}

static int add_array_line(struct libscols_table *table, const struct list_item *item)
{
    CSHM_AUTO_BUFFER struct cshm_buffer path = CSHM_BUFFER_INIT;
    struct libscols_line *line = scols_table_new_line(table, NULL);
    if (!line)
        return -ENOMEM;
    list_path(item->node, &path);
    int result = set_buffer(line, FULL_PATH, &path);
    return result ? result : fill_line(line, item);
}

static int print_arrays(const struct list_project *project)
{
    AUTO_TABLE struct libscols_table *table = make_table(full_columns);
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < project->item_count; i++) {
        const struct list_item *item = &project->items[i];
        int result = item->node->type == CSHM_NODE_GROUP ? 0 : add_array_line(table, item);
        if (result < 0)
            return result;
    }
    return scols_table_is_empty(table) ? 0 : scols_print_table(table);
}

static void print_missing(const struct list_projects *projects)
{
    const char *before = "\nWarning: memory is missing or unusable in: ";
    char text[1024];
    for (size_t i = 0; i < projects->count; i++) {
        const struct list_project *project = &projects->projects[i];
        if (project->missing == 0 && project->broken == 0)
            continue;
        printf("%s%s", before,
               cshm_text_escape(project->name, strlen(project->name), text, sizeof text));
        before = ", ";
    }
    if (before[0] == ',')
        putchar('\n');
}

int list_print_full(const struct list_projects *projects)
{
    for (size_t i = 0; i < projects->count; i++) {
        if (i > 0)
            putchar('\n');
        print_title(&projects->projects[i]);
        int result = print_arrays(&projects->projects[i]);
        if (result < 0)
            return result;
    }
    print_missing(projects);
    return 0;
}

/* --- Tree ------------------------------------------------------------------------------------- */

static int add_project_line(struct libscols_table *table, const struct list_project *project,
                            struct libscols_line **out)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct libscols_line *line = *out = scols_table_new_line(table, NULL);
    if (!line)
        return -ENOMEM;
    int result = set_string(line, FULL_PATH, project->name);
    result = result ? result : set_size(line, FULL_SIZE, project->bytes);
    if (project->read.tree)
        add_attribute_names(&text, &project->read.tree->root);
    result = result ? result : set_buffer(line, FULL_ATTRIBUTES, &text);
    if (project->read.damaged) {
        cshm_buffer_add_format(&text, "* DAMAGED * %s", project->read.why.text);
        result = result ? result : set_buffer(line, FULL_SEGMENT, &text);
        colour_cell(line, FULL_SEGMENT, "red");
    }
    return result;
}

static int add_tree_line(struct libscols_table *table, const struct list_item *item,
                         struct libscols_line *parent, struct libscols_line **out)
{
    char name[CSHM_FSNAME_MAX + 1];
    struct libscols_line *line = *out = scols_table_new_line(table, parent);
    if (!line)
        return -ENOMEM;
    cshm_fsname_encode(item->node->key, name);
    int result = set_string(line, FULL_PATH, name);
    return result ? result : fill_line(line, item);
}

static int add_tree(struct libscols_table *table, const struct list_project *project)
{
    struct libscols_line *top;
    int result = add_project_line(table, project, &top);
    struct libscols_line **lines = calloc(project->item_count + 1, sizeof(struct libscols_line *));
    if (!lines)
        return -ENOMEM;
    for (size_t i = 0; result == 0 && i < project->item_count; i++) {
        const struct list_item *item = &project->items[i];
        result = add_tree_line(table, item, item->parent == LIST_TOP ? top : lines[item->parent],
                               &lines[i]);
    }
    free(lines);
    return result;
}

int list_print_tree(const struct list_projects *projects)
{
    AUTO_TABLE struct libscols_table *table = make_table(tree_columns);
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < projects->count; i++) {
        int result = add_tree(table, &projects->projects[i]);
        if (result < 0)
            return result;
    }
    return scols_print_table(table);
}

/* --- Short ------------------------------------------------------------------------------------ */

static void add_integrity(struct cshm_buffer *out, const struct list_project *project)
{
    const char *word = list_integrity(project);
    if (cli_locale_is_utf8())
        cshm_buffer_add_string(out, word[0] == 'o' ? "✓ " : "✗ ");
    cshm_buffer_add_string(out, word);
}

static void add_lifetime(struct cshm_buffer *out, const struct list_project *project)
{
    const struct cshm_project_facts *facts = project->read.tree ? &project->read.tree->facts : NULL;
    if (facts && facts->owner.pid)
        cshm_buffer_add_format(out, "process %" PRId64, facts->owner.pid);
    else if (facts && facts->persistent == 1)
        cshm_buffer_add_string(out, "persistent");
    else
        cshm_buffer_add_string(out, cli_locale_is_utf8() ? "–" : "-");
}

static int add_short_line(struct libscols_table *table, const struct list_project *project)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct libscols_line *line = scols_table_new_line(table, NULL);
    if (!line)
        return -ENOMEM;
    int result = set_string(line, SHORT_NAME, project->name);
    result = result ? result : set_string(line, SHORT_MANIFEST, project->manifest);
    cshm_buffer_add_format(&text, "%" PRIu64, project->arrays);
    result = result ? result : set_buffer(line, SHORT_ARRAYS, &text);
    result = result ? result : set_size(line, SHORT_SIZE, project->bytes);
    add_integrity(&text, project);
    result = result ? result : set_buffer(line, SHORT_INTEGRITY, &text);
    list_owner(project, &text);
    result = result ? result : set_buffer(line, SHORT_OWNER, &text);
    add_lifetime(&text, project);
    result = result ? result : set_buffer(line, SHORT_LIFETIME, &text);
    colour_cell(line, SHORT_INTEGRITY, list_integrity(project)[0] == 'o' ? "green" : "red");
    return result;
}

int list_print_short(const struct list_projects *projects)
{
    AUTO_TABLE struct libscols_table *table = make_table(short_columns);
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < projects->count; i++) {
        int result = add_short_line(table, &projects->projects[i]);
        if (result < 0)
            return result;
    }
    return scols_print_table(table);
}
