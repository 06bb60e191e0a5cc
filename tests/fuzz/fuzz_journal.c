/* SPDX-License-Identifier: MIT */
/*
 * The lines of a journal, their checksums made right first (nothing else would ever get far): what
 * parses together parses alike line by line; what is read, applied to a tree, leaves a tree that
 * its manifest gives back; what is read and rendered again does the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/journal.h"
#include "format/manifest.h"
#include "tree_equal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { GENERATION = 7, LINES_ALONE = 4 };

static const char manifest[] =
    "[a]\nshm_name = \"cute-shm.p.AAAAAAAAAA\"\nshape = [3]\ndtype = \"int8\"\nattrs = {u = 1}\n"
    "[g.b]\nshm_name = \"cute-shm.p.BBBBBBBBBB\"\nshape = []\ndtype = \"int8\"\nattrs = {}\n"
    "[g.h.c]\nshm_name = \"cute-shm.p.AAAAAAAAAA\"\nshape = [3]\ndtype = \"int8\"\nattrs = {}\n";

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct cshm_tree *make_tree(void)
{
    struct cshm_tree *tree = NULL;
    require(cshm_manifest_parse(manifest, sizeof manifest - 1, &tree, NULL) == 0);
    require(cshm_tree_index_segments(tree) == 0);
    return tree;
}

static void add_sums(const char *text, size_t size, struct cshm_buffer *out)
{
    const char *end = text + size;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline ? newline : end) - text);
        CSHM_AUTO_BUFFER struct cshm_buffer line = CSHM_BUFFER_INIT;
        cshm_buffer_add_format(&line, "%d ", GENERATION);
        cshm_buffer_add(&line, text, length);
        cshm_buffer_add_format(out, "%016" PRIx64 " ", cshm_hash(line.bytes, line.length));
        cshm_buffer_add(out, line.bytes, line.length);
        cshm_buffer_add_char(out, '\n');
        text += length + 1;
    }
}

/* Applies up to the first line that cannot be, and says it again in `again`. */
static void apply(struct cshm_tree *tree, const struct cshm_journal *journal,
                  struct cshm_buffer *again)
{
    for (size_t i = 0; i < journal->count; i++) {
        const struct cshm_journal_line *line = &journal->lines[i];
        for (size_t j = 0; j < line->count; j++) {
            struct cshm_operation_place place;
            if (cshm_operation_find(tree, &line->operations[j], &place) < 0 ||
                cshm_operation_apply(tree, &line->operations[j], &place) < 0)
                return;
        }
        if (again)
            require(cshm_journal_render(GENERATION, line->operations, line->count, line->free,
                                        line->free_count, again) == 0);
    }
}

static void check_holders(const struct cshm_tree *tree)
{
    size_t named = 0;
    size_t found = 0;
    const struct cshm_node *root = &tree->root;
    for (const struct cshm_node *n = root; n; n = cshm_node_walk(n, root)) {
        const struct cshm_node *holder =
            cshm_node_segment(n) ? cshm_tree_find_segment(tree, cshm_node_segment(n)) : NULL;
        named += cshm_node_segment(n) != NULL;
        for (; holder; holder = holder->described->next_holder)
            found += holder == n;
    }
    require(named == found);
}

static void check_manifest(const struct cshm_tree *tree)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    require(cshm_manifest_render(tree, &text) == 0);
    CSHM_AUTO_TREE struct cshm_tree *read = NULL;
    require(cshm_manifest_parse(text.bytes, text.length, &read, NULL) == 0);
    require(same_tree(tree, read));
}

static void check_line_by_line(const struct cshm_buffer *text, const struct cshm_journal *all)
{
    size_t start = 0;
    for (size_t i = 0; i <= all->count && i < LINES_ALONE && start < text->length; i++) {
        const char *newline = memchr(text->bytes + start, '\n', text->length - start);
        size_t end = (size_t)(newline - text->bytes) + 1;
        struct cshm_journal one;
        require(cshm_journal_parse(text->bytes + start, end - start, GENERATION, &one) == 0);
        require(one.count == (i < all->count));
        if (one.count)
            require(one.lines[0].count == all->lines[i].count && all->lines[i].end == end);
        cshm_journal_finish(&one);
        start = end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cshm_journal raw;
    require(cshm_journal_parse((const char *)data, size, 0, &raw) == 0);
    cshm_journal_finish(&raw);

    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    CSHM_AUTO_BUFFER struct cshm_buffer again = CSHM_BUFFER_INIT;
    add_sums((const char *)data, size, &text);
    struct cshm_journal journal;
    require(cshm_journal_parse(text.bytes, text.length, GENERATION, &journal) == 0);
    require(journal.end <= text.length);
    check_line_by_line(&text, &journal);

    CSHM_AUTO_TREE struct cshm_tree *tree = make_tree();
    apply(tree, &journal, &again);
    check_holders(tree);
    check_manifest(tree);

    struct cshm_journal second;
    require(cshm_journal_parse(again.bytes, again.length, GENERATION, &second) == 0);
    require(second.end == again.length);
    CSHM_AUTO_TREE struct cshm_tree *same = make_tree();
    apply(same, &second, NULL);
    if (second.count == journal.count) /* else the first went on into the line that failed */
        require(same_tree(tree, same));
    cshm_journal_finish(&second);
    cshm_journal_finish(&journal);
    return 0;
}
