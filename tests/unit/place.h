/* SPDX-License-Identifier: MIT */
/* A registry and a shared memory directory of a test's own, and projects to put there. */
#ifndef CSHM_TESTS_PLACE_H
#define CSHM_TESTS_PLACE_H

#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "store/project.h"

struct place {
    char root[64];
    char shm[64];
    struct cshm_store *store;
};

static inline int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    assert_non_null(directory);
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(directory)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                 strcmp(entry->d_name, ".lock") != 0;
    closedir(directory);
    return count;
}

static inline void remove_all(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory)))
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    assert_int_equal(rmdir(path), 0);
}

static inline int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    strcpy(place->root, "/tmp/cuteshm-unit-XXXXXX");
    strcpy(place->shm, "/dev/shm/cuteshm-unit-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    assert_non_null(mkdtemp(place->shm));
    struct cshm_settings settings = {
        .root = place->root, .shm_dir = place->shm, .mode = 0640, .group = (gid_t)-1};
    struct cshm_error error;
    assert_int_equal(cshm_store_open(&settings, true, &place->store, &error), 0);
    *state = place;
    return 0;
}

static inline int tear_down(void **state)
{
    struct place *place = *state;
    cshm_store_close(place->store);
    remove_all(place->root);
    remove_all(place->shm);
    free(place);
    return 0;
}

static inline struct cshm_node *add_array(struct cshm_draft *draft, struct cshm_node *group,
                                          const char *key, const char *content)
{
    struct cshm_tree *tree = cshm_draft_tree(draft);
    struct cshm_node *node;
    struct cshm_dtype dtype;
    uint64_t length = strlen(content);
    int fd;
    assert_int_equal(cshm_tree_add(tree, group, cshm_text(key), CSHM_NODE_ARRAY, &node), 0);
    assert_int_equal(cshm_dtype_parse("uint8", 5, &dtype), 0);
    assert_int_equal(cshm_tree_set_array(tree, node, &dtype, 1, &length), 0);
    assert_int_equal(cshm_draft_reserve(draft, node, &fd, NULL), 0);
    assert_int_equal(cshm_file_write_at(fd, content, length, 0), 0);
    assert_int_equal(cshm_draft_filled(draft, node, NULL), 0);
    return node;
}

static inline void publish(struct place *place, const char *project, bool overwrite,
                           const char *content)
{
    struct cshm_draft *draft;
    struct cshm_error error = {0};
    assert_int_equal(cshm_draft_create(place->store, project, overwrite, &draft, &error), 0);
    struct cshm_node *root = &cshm_draft_tree(draft)->root;
    struct cshm_node *group;
    struct cshm_node *a = add_array(draft, root, "a", content);
    assert_int_equal(
        cshm_tree_add(cshm_draft_tree(draft), root, cshm_text("g"), CSHM_NODE_GROUP, &group), 0);
    add_array(draft, group, "empty", "");
    struct cshm_node *same;
    assert_int_equal(
        cshm_tree_add(cshm_draft_tree(draft), group, cshm_text("same"), CSHM_NODE_ARRAY, &same), 0);
    assert_int_equal(cshm_draft_share(draft, same, a), 0);
    assert_int_equal(cshm_draft_publish(draft, &error), 0);
    cshm_draft_destroy(draft);
}

static inline void write_file(const char *directory, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

#endif
