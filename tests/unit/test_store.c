/* SPDX-License-Identifier: MIT */
/* Each test in a registry and a shared memory directory of its own. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "format/toml.h"
#include "store/pending.h"
#include "store/project.h"
#include "store/registry.h"
#include "store/room.h"
#include "store/segment.h"

static void read_segment(struct place *place, const struct cshm_project *project, const char *key,
                         char out[64])
{
    struct cshm_node *node = cshm_node_child(&project->tree->root, cshm_text(key));
    int fd;
    assert_int_equal(
        cshm_segment_open(place->store, node->described->segment, project->uid, O_RDONLY, 0, &fd),
        0);
    ssize_t got = read(fd, out, 63);
    assert_true(got >= 0);
    out[got] = '\0';
    close(fd);
}

static void a_manifest_that_could_not_be_read_again_is_not_written(void **state)
{
    struct place *place = *state;
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    text.length = text.capacity = CSHM_TOML_SIZE_MAX + 1;
    text.bytes = calloc(1, text.capacity);
    assert_non_null(text.bytes);
    assert_int_equal(
        cshm_registry_replace(place->store, "p", &text, geteuid(), getegid(), 0600, NULL), -EFBIG);
    assert_int_equal(count_entries(place->root), 0);
}

static void what_was_dropped_from_a_draft_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct cshm_draft *draft;
    struct cshm_node *group;
    int fd;
    assert_int_equal(cshm_draft_create(place->store, "p", false, &draft, NULL), 0);
    struct cshm_tree *tree = cshm_draft_tree(draft);
    assert_int_equal(cshm_tree_add(tree, &tree->root, cshm_text("g"), CSHM_NODE_GROUP, &group), 0);
    struct cshm_node *begun = add_array(draft, group, "filled", "gone");
    assert_int_equal(cshm_tree_add(tree, group, cshm_text("begun"), CSHM_NODE_ARRAY, &begun), 0);
    uint64_t length = 5;
    struct cshm_dtype dtype;
    assert_int_equal(cshm_dtype_parse("uint8", 5, &dtype), 0);
    assert_int_equal(cshm_tree_set_array(tree, begun, &dtype, 1, &length), 0);
    assert_int_equal(cshm_draft_begin(draft, begun, &fd, NULL), 0);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0);
    add_array(draft, &tree->root, "kept", "here");
    cshm_draft_drop(draft, group);
    assert_int_equal(fstat(fd, &st), -1);
    cshm_tree_remove(tree, group);
    assert_int_equal(cshm_draft_publish(draft, NULL), 0);
    cshm_draft_destroy(draft);
    struct cshm_project project;
    char content[64];
    assert_int_equal(cshm_project_load(place->store, "p", &project, NULL), 0);
    read_segment(place, &project, "kept", content);
    assert_string_equal(content, "here");
    assert_ptr_equal(project.tree->root.first, cshm_node_last_child(&project.tree->root));
    cshm_project_finish(&project);
}

static void a_published_project_reads_back(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    struct cshm_error error;
    assert_int_equal(cshm_project_load(place->store, "p", &project, &error), 0);
    assert_int_equal(project.mode, 0640);
    assert_int_equal(project.uid, geteuid());
    char content[64];
    read_segment(place, &project, "a", content);
    assert_string_equal(content, "content");
    struct cshm_node *g = cshm_node_child(&project.tree->root, cshm_text("g"));
    struct cshm_node *empty = cshm_node_child(g, cshm_text("empty"));
    struct stat st;
    assert_int_equal(cshm_project_inspect(place->store, &project, empty, &st, NULL),
                     CSHM_ARRAY_FINE);
    assert_int_equal(st.st_size, 1);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_string_equal(cshm_node_child(g, cshm_text("same"))->described->segment,
                        cshm_node_child(&project.tree->root, cshm_text("a"))->described->segment);
    assert_int_equal(count_entries(place->shm), 2);
    assert_int_equal(count_entries(place->root), 1);
    cshm_project_finish(&project);
    assert_int_equal(cshm_project_remove(place->store, "p", &error), 0);
    assert_int_equal(count_entries(place->shm), 0);
    assert_int_equal(count_entries(place->root), 0);
}

static void a_project_is_not_replaced_without_being_asked(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "old");
    struct cshm_draft *draft;
    struct cshm_error error;
    assert_int_equal(cshm_draft_create(place->store, "p", false, &draft, &error), -EEXIST);
    /* Somebody publishes while we load. */
    assert_int_equal(cshm_draft_create(place->store, "q", false, &draft, &error), 0);
    add_array(draft, &cshm_draft_tree(draft)->root, "x", "mine");
    publish(place, "q", false, "theirs");
    assert_int_equal(cshm_draft_publish(draft, &error), -EEXIST);
    cshm_draft_destroy(draft);
    assert_int_equal(count_entries(place->shm), 4);
}

static void overwriting_frees_the_old_segments(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "old");
    publish(place, "p", true, "new");
    assert_int_equal(count_entries(place->shm), 2);
    struct cshm_project project;
    struct cshm_error error;
    char content[64];
    assert_int_equal(cshm_project_load(place->store, "p", &project, &error), 0);
    read_segment(place, &project, "a", content);
    assert_string_equal(content, "new");
    cshm_project_finish(&project);
}

static void a_draft_that_is_dropped_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct cshm_draft *draft;
    struct cshm_error error;
    assert_int_equal(cshm_draft_create(place->store, "p", false, &draft, &error), 0);
    add_array(draft, &cshm_draft_tree(draft)->root, "x", "content");
    cshm_draft_destroy(draft);
    assert_int_equal(count_entries(place->shm), 0);
    assert_int_equal(count_entries(place->root), 0);
}

/* More arrays than open files: the rest are linked early, with their names in the pending file. */
static void load_with_few_descriptors(struct place *place, int arrays, bool die)
{
    struct rlimit limit = {160, 160};
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    struct cshm_draft *draft;
    if (cshm_draft_create(place->store, "many", false, &draft, NULL) < 0)
        _exit(1);
    for (int i = 0; i < arrays; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        add_array(draft, &cshm_draft_tree(draft)->root, key, "content");
    }
    if (die)
        (void)kill(getpid(), SIGKILL);
    _exit(cshm_draft_publish(draft, NULL) == 0 ? 0 : 2);
}

static int run_child(struct place *place, int arrays, bool die)
{
    pid_t child = fork();
    if (child == 0)
        load_with_few_descriptors(place, arrays, die);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void open_files_are_no_limit_to_arrays(void **state)
{
    struct place *place = *state;
    assert_int_equal(run_child(place, 500, false), 0);
    assert_int_equal(count_entries(place->shm), 500);
    assert_int_equal(count_entries(place->root), 1);
}

static void a_killed_load_is_cleaned_up_by_the_next_writer(void **state)
{
    struct place *place = *state;
    publish(place, "other", false, "kept");
    int status = run_child(place, 500, true);
    assert_true(WIFSIGNALED(status));
    assert_true(count_entries(place->shm) > 2);
    atomic_store(&place->store->recovered, false); /* as of the next command */
    publish(place, "next", false, "x");
    assert_int_equal(count_entries(place->shm), 4);
    assert_int_equal(count_entries(place->root), 2);
}

static void a_living_writers_list_is_left_alone(void **state)
{
    struct place *place = *state;
    struct cshm_pending pending = CSHM_PENDING_NONE;
    int fd;
    assert_int_equal(cshm_segment_create(place->store, 10, &fd), 0);
    const char *name = "cute-shm.p.AAAAAAAAAA";
    assert_int_equal(cshm_pending_add(place->store, &pending, &name, 1), 0);
    assert_int_equal(cshm_segment_link(place->store, fd, name), 0);
    close(fd);
    assert_int_equal(cshm_pending_recover(place->store), 1);
    assert_int_equal(count_entries(place->shm), 1);
    cshm_close_fd(&pending.fd); /* its writer dies */
    assert_int_equal(cshm_pending_recover(place->store), 0);
    assert_int_equal(count_entries(place->shm), 0);
    assert_int_equal(count_entries(place->root), 0);
}

static void a_pending_file_names_segments_only(void **state)
{
    struct place *place = *state;
    write_file(place->shm, "innocent", "x");
    write_file(place->shm, "cute-shm.p.AAAAAAAAAA", "x");
    write_file(place->shm, "cute-shm.p.BBBBBBBBBB", "x");
    write_file(place->root, ".pending.1",
               "innocent\n../etc/passwd\n\ncute-shm.p.AAAAAAAAAA\ncute-shm.p.BBBBBBBBBB");
    assert_int_equal(cshm_pending_recover(place->store), 0);
    assert_int_equal(count_entries(place->shm), 2); /* a torn last line never happened */
}

static void what_a_manifest_names_survives_a_dead_writers_list(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project;
    assert_int_equal(cshm_project_load(place->store, "p", &project, NULL), 0);
    char line[300];
    (void)snprintf(line, sizeof line, "%s\n",
                   cshm_node_child(&project.tree->root, cshm_text("a"))->described->segment);
    write_file(place->root, ".pending.1", line);
    assert_int_equal(cshm_pending_recover(place->store), 0);
    assert_int_equal(count_entries(place->shm), 2);
    cshm_project_finish(&project);
}

static void age(const char *root, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_manifest_being_written_is_not_there_yet_and_later_damaged(void **state)
{
    struct place *place = *state;
    struct cshm_project project;
    struct cshm_error error;
    write_file(place->root, "cute-shm.p.toml", ""); /* the peer truncates first */
    assert_int_equal(cshm_project_load(place->store, "p", &project, &error), -EAGAIN);
    cshm_project_finish(&project);
    write_file(place->root, "cute-shm.p.toml", "[a]\nshm_name = \"cute");
    assert_int_equal(cshm_project_load(place->store, "p", &project, &error), -EAGAIN);
    cshm_project_finish(&project);
    age(place->root, "cute-shm.p.toml");
    assert_int_equal(cshm_project_load(place->store, "p", &project, &error), 0);
    assert_true(project.damaged);
    cshm_project_finish(&project);
}

static void removing_a_damaged_project_takes_its_segments_by_their_exact_form(void **state)
{
    struct place *place = *state;
    write_file(place->root, "cute-shm.p.toml", "[a\n");
    age(place->root, "cute-shm.p.toml");
    write_file(place->shm, "cute-shm.p.AAAAAAAAAA", "x");
    write_file(place->shm, "cute-shm.p.BBBBBBBBBB", "x");
    write_file(place->shm, "cute-shm.p.x.AAAAAAAAAA", "x"); /* of project "p.x" */
    write_file(place->shm, "cute-shm.p.short", "x");
    write_file(place->root, "cute-shm.q.toml",
               "[moved]\nshm_name = \"cute-shm.p.BBBBBBBBBB\"\n"
               "shm_private_name = \"/cute-shm.p.BBBBBBBBBB\"\n"
               "shape = [1]\ndtype = \"uint8\"\n[moved.attrs]\n");
    assert_int_equal(cshm_project_remove(place->store, "p", NULL), 0);
    assert_int_equal(count_entries(place->shm), 3);
    assert_int_equal(count_entries(place->root), 1);
    assert_int_equal(cshm_project_remove(place->store, "q", NULL), 0);
    assert_int_equal(count_entries(place->shm), 2);
}

static void only_the_damaged_project_that_was_loaded_is_removed(void **state)
{
    struct place *place = *state;
    struct cshm_project damaged;
    write_file(place->root, "cute-shm.p.toml", "[a\n");
    age(place->root, "cute-shm.p.toml");
    assert_int_equal(cshm_project_load(place->store, "p", &damaged, NULL), 0);
    assert_true(damaged.damaged);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/cute-shm.p.toml", place->root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(cshm_project_remove_loaded(place->store, "p", &damaged, NULL), -ENOENT);
    publish(place, "p", false, "another's");
    assert_int_equal(cshm_project_remove_loaded(place->store, "p", &damaged, NULL), -ESTALE);
    cshm_project_finish(&damaged);
    assert_int_equal(count_entries(place->shm), 2);
    assert_int_equal(count_entries(place->root), 1);
    write_file(place->root, "cute-shm.p.toml", "[a\n");
    age(place->root, "cute-shm.p.toml");
    assert_int_equal(cshm_project_load(place->store, "p", &damaged, NULL), 0);
    write_file(place->root, "cute-shm.p.toml", "[a]\n"); /* mended in place */
    assert_int_equal(cshm_project_remove_loaded(place->store, "p", &damaged, NULL), -ESTALE);
    cshm_project_finish(&damaged);
    write_file(place->root, "cute-shm.p.toml", "[a\n");
    age(place->root, "cute-shm.p.toml");
    assert_int_equal(cshm_project_load(place->store, "p", &damaged, NULL), 0);
    if (geteuid() == 0) { /* given to somebody else as it is */
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_int_equal(cshm_project_remove_loaded(place->store, "p", &damaged, NULL), -ESTALE);
        cshm_project_finish(&damaged);
        assert_int_equal(cshm_project_load(place->store, "p", &damaged, NULL), 0);
    }
    assert_int_equal(cshm_project_remove_loaded(place->store, "p", &damaged, NULL), 0);
    assert_int_equal(count_entries(place->root), 0);
    cshm_project_finish(&damaged);
}

static void hostile_manifests_reach_nothing_outside(void **state)
{
    struct place *place = *state;
    write_file(place->shm, "victim", "x");
    write_file(place->root, "cute-shm.p.toml",
               "[a]\nshm_name = \"victim\"\nshape = [1]\ndtype = \"uint8\"\n"
               "[b]\nshm_name = \"../victim\"\nshape = [1]\ndtype = \"uint8\"\n"
               "[c]\nshm_name = \"cute-shm.p.CCCCCCCCCC\"\nshape = [1]\ndtype = \"uint8\"\n");
    char target[128];
    (void)snprintf(target, sizeof target, "%s/cute-shm.p.CCCCCCCCCC", place->shm);
    assert_int_equal(symlink("victim", target), 0);
    struct cshm_project project;
    assert_int_equal(cshm_project_load(place->store, "p", &project, NULL), 0);
    cshm_for_each_child (node, &project.tree->root) {
        assert_int_equal(cshm_project_inspect(place->store, &project, node, NULL, NULL),
                         CSHM_ARRAY_BROKEN);
    }
    int fd;
    assert_int_equal(cshm_segment_open(place->store, "cute-shm.p.CCCCCCCCCC", 0, O_RDWR, 0, &fd),
                     -ESTALE);
    cshm_project_finish(&project);
    assert_int_equal(cshm_project_remove(place->store, "p", NULL), 0);
    assert_int_equal(count_entries(place->shm), 2); /* neither the victim nor the link */
    /* A manifest that is a link is no manifest. */
    (void)snprintf(target, sizeof target, "%s/cute-shm.link.toml", place->root);
    assert_int_equal(symlink("/etc/passwd", target), 0);
    assert_int_equal(cshm_project_load(place->store, "link", &project, NULL), -EPERM);
}

static void segments_of_others_are_refused(void **state)
{
    struct place *place = *state;
    if (geteuid() != 0)
        skip(); /* only root can give files away */
    publish(place, "p", false, "content");
    struct cshm_project project;
    assert_int_equal(cshm_project_load(place->store, "p", &project, NULL), 0);
    project.uid = 12345; /* as if a stranger had written the manifest */
    struct cshm_node *a = cshm_node_child(&project.tree->root, cshm_text("a"));
    const char *reason;
    assert_int_equal(cshm_project_inspect(place->store, &project, a, NULL, &reason),
                     CSHM_ARRAY_BROKEN);
    assert_non_null(strstr(reason, "another user"));
    int fd;
    assert_int_equal(
        cshm_segment_open(place->store, a->described->segment, 12345, O_RDONLY, 0, &fd), -EPERM);
    cshm_project_finish(&project);
}

static int change(struct place *place, struct cshm_project *project, enum cshm_change_kind kind,
                  const char *first, const char *second)
{
    struct cshm_text path[2] = {cshm_text(first ? first : ""), cshm_text(second ? second : "")};
    struct cshm_change one = {
        .kind = kind, .path = path, .depth = (size_t)(first != NULL) + (second != NULL)};
    int result =
        project->tree ? cshm_project_change(place->store, "p", project, &one, NULL) : -ESTALE;
    if (result != -ESTALE)
        return result;
    cshm_project_finish(project);
    assert_int_equal(cshm_project_load(place->store, "p", project, NULL), 0);
    return cshm_project_change(place->store, "p", project, &one, NULL);
}

static void arrays_and_groups_are_removed_one_by_one(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "content");
    struct cshm_project project = {0};
    assert_int_equal(change(place, &project, CSHM_REMOVE_ARRAY, "nothing", NULL), -ENOENT);
    assert_int_equal(change(place, &project, CSHM_REMOVE_ARRAY, "g", NULL), -EISDIR);
    assert_int_equal(change(place, &project, CSHM_REMOVE_GROUP, "a", NULL), -ENOTDIR);
    assert_int_equal(change(place, &project, CSHM_REMOVE_GROUP, "g", NULL), -ENOTEMPTY);
    assert_int_equal(change(place, &project, CSHM_REMOVE_ARRAY, "a", NULL), 0);
    assert_int_equal(count_entries(place->shm), 2); /* "same" still has the segment */
    assert_int_equal(change(place, &project, CSHM_REMOVE_ARRAY, "g", "same"), 0);
    assert_int_equal(count_entries(place->shm), 1);
    assert_int_equal(change(place, &project, CSHM_REMOVE_ARRAY, "g", "empty"), 0);
    assert_int_equal(change(place, &project, CSHM_REMOVE_GROUP, NULL, NULL), -ENOTEMPTY);
    assert_int_equal(change(place, &project, CSHM_REMOVE_GROUP, "g", NULL), 0);
    struct cshm_project again;
    assert_int_equal(cshm_project_load(place->store, "p", &again, NULL), 0);
    assert_null(again.tree->root.first);
    assert_true(cshm_stamp_equal(&again.stamp, &project.stamp));
    cshm_project_finish(&again);
    assert_int_equal(change(place, &project, CSHM_REMOVE_GROUP, NULL, NULL), 0);
    cshm_project_finish(&project);
    assert_int_equal(count_entries(place->shm), 0);
    assert_int_equal(count_entries(place->root), 0);
}

static void a_change_sees_what_others_published_meanwhile(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "old");
    struct cshm_project project;
    assert_int_equal(cshm_project_load(place->store, "p", &project, NULL), 0);
    publish(place, "p", true, "new");
    assert_int_equal(cshm_project_check(place->store, "p", &project.stamp), -ESTALE);
    assert_int_equal(change(place, &project, CSHM_REMOVE_ARRAY, "g", "empty"), 0);
    char content[64];
    read_segment(place, &project, "a", content);
    assert_string_equal(content, "new");
    cshm_project_finish(&project);
}

/* --- Adding to a project ------------------------------------------------------------------------
 */

static struct cshm_draft *begin_into(struct place *place, const char *group, bool overwrite,
                                     const char *key, const char *content)
{
    struct cshm_draft *draft;
    struct cshm_error error = {0};
    assert_int_equal(cshm_draft_create_into(place->store, "p", group, overwrite, &draft, &error),
                     0);
    add_array(draft, &cshm_draft_tree(draft)->root, key, content);
    return draft;
}

static int finish_into(struct cshm_draft *draft)
{
    struct cshm_error error = {0};
    int result = cshm_draft_publish(draft, &error);
    cshm_draft_destroy(draft);
    return result;
}

static void assert_content(struct place *place, const char *group, const char *key,
                           const char *expected)
{
    struct cshm_project project;
    assert_int_equal(cshm_project_load(place->store, "p", &project, NULL), 0);
    struct cshm_node *node = &project.tree->root;
    if (group)
        node = cshm_node_child(node, cshm_text(group));
    assert_non_null(node);
    node = cshm_node_child(node, cshm_text(key));
    assert_non_null(node);
    char content[64] = "";
    int fd;
    assert_int_equal(
        cshm_segment_open(place->store, node->described->segment, project.uid, O_RDONLY, 0, &fd),
        0);
    assert_true(read(fd, content, sizeof content - 1) >= 0);
    close(fd);
    assert_string_equal(content, expected);
    cshm_project_finish(&project);
}

static void what_is_added_goes_below_its_group(void **state)
{
    struct place *place = *state;
    assert_int_equal(finish_into(begin_into(place, "/g", false, "x", "first")), 0);
    publish(place, "p", true, "old");
    assert_int_equal(finish_into(begin_into(place, "g", false, "x", "second")), 0);
    assert_int_equal(finish_into(begin_into(place, "new/", false, "x", "third")), 0);
    assert_content(place, NULL, "a", "old");
    assert_content(place, "g", "same", "old");
    assert_content(place, "g", "x", "second");
    assert_content(place, "new", "x", "third");
    assert_int_equal(count_entries(place->shm), 4);
    assert_int_equal(count_entries(place->root), 1);
}

static void a_name_that_is_there_is_refused_or_replaced(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "old");
    struct cshm_draft *draft = begin_into(place, "/", false, "a", "new");
    struct cshm_error error = {0};
    assert_int_equal(cshm_draft_check(draft, &error), -EEXIST);
    assert_non_null(strstr(error.text, "/a "));
    assert_int_equal(finish_into(draft), -EEXIST);
    assert_int_equal(count_entries(place->shm), 2);
    assert_content(place, NULL, "a", "old");
    assert_int_equal(finish_into(begin_into(place, "/", true, "a", "new")), 0);
    assert_int_equal(count_entries(place->shm), 3); /* "same" still has the old one */
    assert_int_equal(finish_into(begin_into(place, "/", true, "g", "no group")), 0);
    assert_int_equal(count_entries(place->shm), 2);
    assert_content(place, NULL, "a", "new");
    assert_content(place, NULL, "g", "no group");
    assert_int_equal(count_entries(place->root), 1);
}

static void a_name_published_meanwhile_is_refused_too(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "old");
    struct cshm_draft *draft = begin_into(place, "g", false, "x", "mine");
    assert_int_equal(finish_into(begin_into(place, "g", false, "x", "theirs")), 0);
    assert_int_equal(finish_into(draft), -EEXIST);
    assert_content(place, "g", "x", "theirs");
    assert_int_equal(count_entries(place->shm), 3);
    assert_int_equal(count_entries(place->root), 1);
}

static void what_is_no_group_is_not_added_to(void **state)
{
    struct place *place = *state;
    struct cshm_draft *draft;
    publish(place, "p", false, "old");
    assert_int_equal(cshm_draft_create_into(place->store, "p", "a", true, &draft, NULL), -ENOTDIR);
    assert_int_equal(cshm_draft_create_into(place->store, "p", "a/b", true, &draft, NULL),
                     -ENOTDIR);
    assert_int_equal(cshm_draft_create_into(place->store, "p", "..", true, &draft, NULL), -EINVAL);
    write_file(place->root, "cute-shm.p.toml", "[a\n");
    age(place->root, "cute-shm.p.toml");
    assert_int_equal(cshm_draft_create_into(place->store, "p", "g", true, &draft, NULL), -EINVAL);
    assert_int_equal(cshm_project_remove(place->store, "p", NULL), 0);
}

/* Killed with segments linked early: the project is as before, the next writer cleans up. */
static void a_killed_addition_leaves_the_project(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "old");
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {160, 160};
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        struct cshm_draft *draft = begin_into(place, "g", true, "same", "new");
        for (int i = 0; i < 300; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "%d", i);
            add_array(draft, &cshm_draft_tree(draft)->root, key, "content");
        }
        (void)kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && count_entries(place->shm) > 2);
    assert_content(place, "g", "same", "old");
    atomic_store(&place->store->recovered, false); /* as of the next command */
    assert_int_equal(finish_into(begin_into(place, "g", true, "same", "new")), 0);
    assert_content(place, "g", "same", "new");
    assert_content(place, NULL, "a", "old");
    assert_int_equal(count_entries(place->shm), 3);
    assert_int_equal(count_entries(place->root), 1);
}

static void the_lock_keeps_others_out_and_gives_up_in_time(void **state)
{
    struct place *place = *state;
    int first;
    assert_int_equal(cshm_registry_lock(place->store, &first, NULL), 0);
    pid_t child = fork();
    if (child == 0) {
        int second;
        _exit(cshm_registry_lock(place->store, &second, NULL) == -ETIMEDOUT ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(first);
    assert_int_equal(cshm_registry_lock(place->store, &first, NULL), 0);
    close(first);
}

static void the_registry_is_found_again_after_it_was_removed(void **state)
{
    struct place *place = *state;
    remove_all(place->root);
    assert_int_equal(mkdir(place->root, 0700), 0);
    publish(place, "p", false, "content");
    assert_int_equal(count_entries(place->root), 1);
}

static void what_does_not_fit_is_refused_with_numbers(void **state)
{
    struct place *place = *state;
    struct cshm_room room;
    assert_int_equal(cshm_room_measure(place->store->shm_fd, &room), 0);
    assert_true(room.bytes > 0 && room.bytes < UINT64_MAX);
    struct cshm_error error;
    assert_int_equal(cshm_room_check(place->store, 1, NULL, &error), 0);
    assert_int_equal(cshm_room_check(place->store, 1ULL << 60, NULL, &error), -ENOSPC);
    assert_non_null(strstr(error.text, "1.00 EB"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_manifest_that_could_not_be_read_again_is_not_written),
        TEST(what_was_dropped_from_a_draft_leaves_nothing),
        TEST(a_published_project_reads_back),
        TEST(a_project_is_not_replaced_without_being_asked),
        TEST(overwriting_frees_the_old_segments),
        TEST(a_draft_that_is_dropped_leaves_nothing),
        TEST(open_files_are_no_limit_to_arrays),
        TEST(a_killed_load_is_cleaned_up_by_the_next_writer),
        TEST(a_living_writers_list_is_left_alone),
        TEST(a_pending_file_names_segments_only),
        TEST(what_a_manifest_names_survives_a_dead_writers_list),
        TEST(a_manifest_being_written_is_not_there_yet_and_later_damaged),
        TEST(removing_a_damaged_project_takes_its_segments_by_their_exact_form),
        TEST(only_the_damaged_project_that_was_loaded_is_removed),
        TEST(hostile_manifests_reach_nothing_outside),
        TEST(segments_of_others_are_refused),
        TEST(arrays_and_groups_are_removed_one_by_one),
        TEST(a_change_sees_what_others_published_meanwhile),
        TEST(what_is_added_goes_below_its_group),
        TEST(a_name_that_is_there_is_refused_or_replaced),
        TEST(a_name_published_meanwhile_is_refused_too),
        TEST(what_is_no_group_is_not_added_to),
        TEST(a_killed_addition_leaves_the_project),
        TEST(the_lock_keeps_others_out_and_gives_up_in_time),
        TEST(the_registry_is_found_again_after_it_was_removed),
        TEST(what_does_not_fit_is_refused_with_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
