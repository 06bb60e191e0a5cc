/* SPDX-License-Identifier: MIT */
/* Nodes that go from one project to another, and whole projects made, renamed and given away. */
#include "projects.h"

#include <sys/file.h>
#include <time.h>

#include "store/intent.h"

#define Q_ALONE "q: a=two g g/empty= g/same=two "

/* --- Moving ----------------------------------------------------------------------------------- */

static void an_array_moves_with_its_segment(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "g/empty", "moved", MOVE), 0);
    assert_seen(place, "p: a=one g g/same=one q: a=two g g/empty= g/same=two moved= ");
    assert_nothing_left_over(place);
    assert_int_equal(take_out(place, "q", "moved"), 0);
    assert_nothing_left_over(place);
}

static void what_is_there_is_replaced_in_its_place(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "a", "g/empty", MOVE), 0);
    assert_seen(place, "p: g g/empty= g/same=one q: a=two g g/empty=one g/same=two ");
    assert_nothing_left_over(place);
}

static void a_group_moves_with_all_below_it(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "g", "g/h", MOVE), 0);
    assert_seen(place, "p: a=one q: a=two g g/empty= g/same=two g/h g/h/empty= g/h/same=one ");
    assert_nothing_left_over(place);
}

static void what_keeps_a_name_behind_outlives_either(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "a", "b", MOVE), 0); /* g/same has its segment, too */
    assert_int_equal(take_out(place, "p", "g"), 0);
    assert_seen(place, "p: " Q_ALONE "b=one ");
    assert_int_equal(take_out(place, "q", "b"), 0);
    assert_seen(place, "p: " Q_ALONE);
    assert_nothing_left_over(place);
}

static void what_came_home_is_an_ordinary_array(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "g/empty", "g/empty", MOVE), 0);
    assert_int_equal(transfer(place, "g", "h", MOVE), 0);
    assert_int_equal(transfer(place, "a", "h/same", EXCHANGE), 0);
    assert_seen(place, "p: a=one q: a=two g g/empty= g/same=two h h/same=one ");
    assert_nothing_left_over(place);
    assert_int_equal(cshm_project_remove(place->store, "q", NULL), 0);
    assert_seen(place, "p: a=one ");
    assert_int_equal(cshm_project_remove(place->store, "p", NULL), 0);
    assert_nothing_left_over(place);
}

static void it_may_say_something_else_there(void **state)
{
    struct place *place = *state;
    publish_two(place);
    struct cshm_project p;
    struct cshm_project q;
    load(place, "p", &p);
    load(place, "q", &q);
    CSHM_AUTO_TREE struct cshm_tree *scratch = cshm_tree_create();
    struct cshm_node *as;
    struct cshm_dtype dtype;
    assert_int_equal(cshm_tree_add(scratch, &scratch->root, cshm_text("as"), CSHM_NODE_ARRAY, &as),
                     0);
    assert_int_equal(cshm_dtype_parse("|S3", 3, &dtype), 0);
    assert_int_equal(cshm_tree_set_array(scratch, as, &dtype, 0, NULL), 0);
    assert_int_equal(transfer_as(place, &p, "g", &q, "x", MOVE, as), -EINVAL);
    assert_int_equal(transfer_as(place, &p, "a", &q, "a", MOVE, as), 0);
    const struct cshm_node *a = cshm_node_child(&q.tree->root, cshm_text("a"));
    assert_string_equal(a->described->dtype_text, "|S3");
    assert_int_equal(a->described->rank, 0);
    assert_true(cshm_segment_is_of(a->described->segment, "p"));
    cshm_project_finish(&p);
    cshm_project_finish(&q);
    assert_seen(place, "p: g g/empty= g/same=one q: a=one g g/empty= g/same=two ");
}

static void a_group_becomes_a_project_and_back(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "one");
    assert_int_equal(cshm_project_make(place->store, "q", geteuid(), getegid(), 0600, NULL), 0);
    assert_int_equal(transfer(place, "a", "", MOVE), -EISDIR);
    assert_int_equal(transfer(place, "g", "", MOVE), 0);
    assert_seen(place, "p: a=one q: empty= same=one ");
    assert_int_equal(transfer(place, "a", "", EXCHANGE), -ENOTDIR);
    assert_int_equal(transfer(place, "", "all", MOVE), 0);
    assert_seen(place, "q: empty= same=one all all/a=one ");
    assert_nothing_left_over(place);
}

static void a_project_that_is_not_empty_is_not_replaced_by_a_group(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "g", "", MOVE), -ENOTEMPTY);
    assert_int_equal(transfer(place, "", "g", MOVE), -ENOTEMPTY);
    assert_seen(place, "p: a=one g g/empty= g/same=one " Q_ALONE);
}

static void two_change_places(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "a", "g/empty", EXCHANGE), 0);
    assert_seen(place, "p: a= g g/empty= g/same=one q: a=two g g/empty=one g/same=two ");
    assert_int_equal(transfer(place, "a", "g", EXCHANGE), 0);
    assert_seen(place, "p: g g/empty= g/same=one a a/empty=one a/same=two q: a=two g= ");
    assert_nothing_left_over(place);
    assert_int_equal(transfer(place, "", "g", EXCHANGE), -ENOTDIR);
    assert_int_equal(transfer(place, "g", "", EXCHANGE), 0);
    assert_seen(place, "p: a a/empty=one a/same=two g g/a=two g/g= q: empty= same=one ");
    assert_nothing_left_over(place);
}

static void errors_leave_all_as_it_was(void **state)
{
    struct place *place = *state;
    publish_two(place);
    char before[SEEN];
    see(place, before);
    static const struct {
        const char *from;
        const char *to;
        enum how how;
        int result;
    } samples[] = {
        {"none", "b", MOVE, -ENOENT},     {"a", "none/b", MOVE, -ENOENT},
        {"a", "a/b", MOVE, -ENOTDIR},     {"a", "g", MOVE, -EISDIR},
        {"g", "a", MOVE, -ENOTDIR},       {"g", "g", MOVE, -ENOTEMPTY},
        {"a", "none", EXCHANGE, -ENOENT}, {"none", "a", EXCHANGE, -ENOENT},
        {"a", "a", LINK, -EEXIST},        {"g", "b", LINK, -EPERM},
        {"", "b", LINK, -EPERM},          {"a", "", EXCHANGE, -ENOTDIR},
        {"a/b", "b", MOVE, -ENOTDIR},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        int result = transfer(place, samples[i].from, samples[i].to, samples[i].how);
        if (result != samples[i].result)
            fail_msg("%s to %s: %d", samples[i].from, samples[i].to, result);
    }
    struct cshm_project p;
    load(place, "p", &p);
    const struct cshm_passage passage = {
        .from = KEYS(cshm_text("a")), .from_depth = 1, .to = KEYS(cshm_text("b")), .to_depth = 1};
    assert_int_equal(cshm_project_transfer(place->store, "p", &p, "p", &p, &passage, NULL),
                     -EINVAL);
    cshm_project_finish(&p);
    assert_seen(place, before);
    assert_nothing_left_over(place);
}

static void what_others_have_changed_is_looked_at_again(void **state)
{
    struct place *place = *state;
    struct cshm_project p;
    struct cshm_project q;
    publish_two(place);
    load(place, "p", &p);
    load(place, "q", &q);
    assert_int_equal(add_group(place, "p", "new"), 0); /* which the journal says */
    assert_int_equal(transfer_as(place, &p, "a", &q, "b", MOVE, NULL), -ESTALE);
    assert_int_equal(add_group(place, "q", "new"), 0);
    assert_int_equal(transfer_as(place, &p, "a", &q, "b", MOVE, NULL), -ESTALE);
    assert_seen(place, "p: a=one g g/empty= g/same=one new " Q_ALONE "new ");
    assert_int_equal(transfer_as(place, &p, "a", &q, "b", MOVE, NULL), 0);
    assert_seen(place, "p: g g/empty= g/same=one new " Q_ALONE "new b=one ");
    cshm_project_finish(&p);
    cshm_project_finish(&q);
    lock_and_recover(place);
    assert_nothing_left_over(place);
}

/* What is asked, and what is to be answered. */
struct question {
    const struct cshm_project *p;
    const struct cshm_project *q;
    int count;
    int answer;
};

/* Both are up to date by then. */
static int ask(void *context, const struct cshm_project *from, const struct cshm_project *to)
{
    struct question *question = context;
    question->count++;
    assert_ptr_equal(from, question->p);
    assert_ptr_equal(to, question->q);
    assert_non_null(cshm_node_child(&from->tree->root, cshm_text("new")));
    assert_non_null(cshm_node_child(&to->tree->root, cshm_text("new")));
    return question->answer;
}

static void who_checks_decides_by_what_is_there(void **state)
{
    struct place *place = *state;
    struct cshm_project p;
    struct cshm_project q;
    publish_two(place);
    load(place, "p", &p);
    load(place, "q", &q);
    assert_int_equal(add_group(place, "p", "new"), 0);
    assert_int_equal(add_group(place, "q", "new"), 0);
    struct question question = {&p, &q, 0, -ESTALE};
    const struct cshm_passage rest = {.check = ask, .context = &question};
    assert_int_equal(transfer_so(place, &p, "g/empty", &q, "b", LINK, &rest), -ESTALE);
    assert_int_equal(transfer_so(place, &p, "a", &q, "b", MOVE, &rest), -ESTALE);
    assert_seen(place, "p: a=one g g/empty= g/same=one new " Q_ALONE "new ");
    question.answer = 0;
    assert_int_equal(transfer_so(place, &p, "a", &q, "b", MOVE, &rest), 0);
    assert_int_equal(question.count, 3);
    assert_seen(place, "p: g g/empty= g/same=one new " Q_ALONE "new b=one ");
    cshm_project_finish(&p);
    cshm_project_finish(&q);
    lock_and_recover(place);
    assert_nothing_left_over(place);
}

/* --- Links ------------------------------------------------------------------------------------ */

static void a_link_outlives_the_first_name(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "g/empty", "l", LINK), 0);
    assert_seen(place, "p: a=one g g/empty= g/same=one " Q_ALONE "l= ");
    assert_int_equal(take_out(place, "p", "g/empty"), 0);
    assert_seen(place, "p: a=one g g/same=one " Q_ALONE "l= ");
    assert_int_equal(take_out(place, "q", "l"), 0);
    assert_nothing_left_over(place);
}

static void the_first_name_outlives_a_link(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "a", "l", LINK), 0);
    assert_int_equal(take_out(place, "q", "l"), 0);
    assert_seen(place, "p: a=one g g/empty= g/same=one " Q_ALONE);
    assert_int_equal(take_out(place, "p", "a"), 0);
    assert_int_equal(take_out(place, "p", "g/same"), 0);
    assert_nothing_left_over(place);
}

static void every_name_of_it_says_that_it_is_linked(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "a", "l", LINK), 0);
    assert_int_equal(take_out(place, "p", "a"), 0);
    assert_int_equal(take_out(place, "p", "g/same"), 0); /* the last one there */
    assert_seen(place, "p: g g/empty= " Q_ALONE "l=one ");
    assert_nothing_left_over(place);
}

static void who_says_it_anew_does_not_forget_that_it_is_linked(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "g/empty", "l", LINK), 0);
    struct cshm_project p;
    load(place, "p", &p);
    struct cshm_text *path = KEYS(cshm_text("g"), cshm_text("empty"));
    struct cshm_node said = *cshm_tree_find(p.tree, path, 2);
    struct cshm_description described = *said.described;
    assert_true(described.linked);
    described.linked = false;
    said.described = &described;
    const struct cshm_operation put = {CSHM_OPERATION_PUT, .path = path, .depth = 2, .node = &said};
    const struct cshm_commit commit = {.operations = &put, .count = 1};
    assert_int_equal(cshm_project_commit(place->store, "p", &p, &commit, NULL), 0);
    assert_true(cshm_tree_find(p.tree, path, 2)->described->linked);
    cshm_project_finish(&p);
    load(place, "p", &p); /* from the journal */
    assert_true(cshm_tree_find(p.tree, path, 2)->described->linked);
    cshm_project_finish(&p);
    assert_int_equal(take_out(place, "p", "g/empty"), 0);
    assert_seen(place, "p: a=one g g/same=one " Q_ALONE "l= ");
    lock_and_recover(place);
}

static void a_whole_project_goes_without_what_is_linked(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "a", "l", LINK), 0);
    assert_int_equal(cshm_project_remove(place->store, "p", NULL), 0);
    assert_seen(place, Q_ALONE "l=one ");
    assert_nothing_left_over(place);
    assert_int_equal(cshm_project_remove(place->store, "q", NULL), 0);
    assert_nothing_left_over(place);
}

static void a_replaced_project_goes_without_what_is_linked(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "a", "l", LINK), 0);
    publish(place, "p", true, "new");
    assert_seen(place, "p: a=new g g/empty= g/same=new " Q_ALONE "l=one ");
    publish(place, "q", true, "two");
    assert_seen(place, "p: a=new g g/empty= g/same=new " Q_ALONE);
    assert_nothing_left_over(place);
}

static void what_is_added_to_frees_nothing_that_is_linked(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "a", "l", LINK), 0);
    assert_int_equal(take_out(place, "p", "g/same"), 0);
    struct cshm_draft *draft;
    assert_int_equal(cshm_draft_create_into(place->store, "p", "/", true, &draft, NULL), 0);
    add_array(draft, &cshm_draft_tree(draft)->root, "a", "new");
    assert_int_equal(cshm_draft_publish(draft, NULL), 0);
    cshm_draft_destroy(draft);
    assert_seen(place, "p: g g/empty= a=new " Q_ALONE "l=one ");
    assert_nothing_left_over(place);
}

static void a_link_moves_on_and_home(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "g/empty", "l", LINK), 0);
    assert_int_equal(transfer(place, "g/empty", "l", MOVE), 0); /* onto its own other name */
    assert_seen(place, "p: a=one g g/same=one " Q_ALONE "l= ");
    assert_int_equal(transfer(place, "a", "l", EXCHANGE), 0);
    assert_seen(place, "p: a= g g/same=one " Q_ALONE "l=one ");
    assert_nothing_left_over(place);
    assert_int_equal(take_out(place, "p", "g"), 0);
    assert_int_equal(take_out(place, "p", "a"), 0);
    assert_seen(place, "p: " Q_ALONE "l=one ");
    assert_nothing_left_over(place);
}

/* What a manifest still says, its journal may have freed. */
static void both_names_of_a_link_may_go_before_anything_is_folded(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(transfer(place, "g/empty", "l", LINK), 0);
    struct cshm_project q;
    load(place, "q", &q);
    const struct cshm_operation gone = {
        .kind = CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("l")), .depth = 1};
    const struct cshm_commit commit = {.operations = &gone, .count = 1};
    assert_int_equal(cshm_project_commit(place->store, "q", &q, &commit, NULL), 0);
    assert_true(q.journal_bytes > 0);
    assert_int_equal(count_entries(place->shm), 4);
    assert_int_equal(take_out(place, "p", "g/empty"), 0);
    assert_int_equal(count_entries(place->shm), 3);
    assert_int_equal(cshm_project_fold(place->store, "q", &q, NULL), 0);
    cshm_project_finish(&q);
    assert_seen(place, "p: a=one g g/same=one " Q_ALONE);
    assert_nothing_left_over(place);
}

static void publish_large(struct place *place, const char *name)
{
    struct cshm_draft *draft;
    assert_int_equal(cshm_draft_create(place->store, name, true, &draft, NULL), 0);
    struct cshm_tree *tree = cshm_draft_tree(draft);
    char key[200];
    memset(key, 'k', sizeof key);
    for (int i = 0; i < 500; i++) {
        struct cshm_node *group;
        (void)snprintf(key + 190, 10, "%d", i);
        assert_int_equal(cshm_tree_add(tree, &tree->root, cshm_text(key), CSHM_NODE_GROUP, &group),
                         0);
    }
    assert_int_equal(cshm_draft_publish(draft, NULL), 0);
    cshm_draft_destroy(draft);
}

static void let_it_be_old(struct place *place, const char *name)
{
    char path[128];
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
    (void)snprintf(path, sizeof path, "%s/cute-shm.%s.toml", place->root, name);
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[1]), 0);
    times[1].tv_sec -= 10;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void what_a_large_manifest_says_is_known_until_it_is_another(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "one");
    publish_large(place, "q");
    assert_int_equal(transfer(place, "g/empty", "l", LINK), 0);
    assert_int_equal(transfer(place, "a", "m", LINK), 0);
    let_it_be_old(place, "q");
    assert_int_equal(take_out(place, "p", "g/empty"), 0); /* now it is known */
    assert_int_equal(take_out(place, "p", "g"), 0);
    assert_int_equal(count_entries(place->shm), 2);
    publish_large(place, "q"); /* without either */
    assert_int_equal(count_entries(place->shm), 1);
    let_it_be_old(place, "q");
    assert_int_equal(take_out(place, "p", "a"), 0);
    assert_nothing_left_over(place);
}

/* --- Whole projects --------------------------------------------------------------------------- */

static void an_empty_project_is_made_once(void **state)
{
    struct place *place = *state;
    assert_int_equal(cshm_project_make(place->store, "p", geteuid(), getegid(), 0640, NULL), 0);
    assert_int_equal(cshm_project_make(place->store, "p", geteuid(), getegid(), 0640, NULL),
                     -EEXIST);
    assert_int_equal(cshm_project_make(place->store, "a/b", geteuid(), getegid(), 0640, NULL),
                     -EINVAL);
    char too_long[300];
    memset(too_long, 'x', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    assert_int_equal(cshm_project_make(place->store, too_long, geteuid(), getegid(), 0640, NULL),
                     -ENAMETOOLONG);
    struct cshm_project project;
    load(place, "p", &project);
    assert_int_equal(project.mode, 0640);
    assert_false(project.tree->facts.present); /* so there is no sidecar */
    assert_int_not_equal(project.tree->facts.generation, 0);
    cshm_project_finish(&project);
    assert_seen(place, "p: ");
    assert_nothing_left_over(place);
}

/* Its maker is dead, as far as others can see. */
static void begin_and_die(struct place *place, const char *name)
{
    struct cshm_pending pending = CSHM_PENDING_NONE;
    assert_int_equal(
        cshm_project_begin(place->store, name, geteuid(), getegid(), 0600, &pending, NULL), 0);
    lock_and_recover(place); /* nobody else's business while he lives */
    struct cshm_project made;
    load(place, name, &made);
    cshm_project_finish(&made);
    cshm_close_fd(&pending.fd);
}

static void a_project_made_for_what_does_not_come_goes_again(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "one");
    char before[SEEN];
    see(place, before);
    begin_and_die(place, "q");
    lock_and_recover(place);
    assert_seen(place, before);
    assert_nothing_left_over(place);
}

static void a_project_made_for_what_has_come_stays(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(cshm_project_remove(place->store, "q", NULL), 0);
    begin_and_die(place, "q");
    assert_int_equal(transfer(place, "g", "", MOVE), 0);
    lock_and_recover(place);
    assert_seen(place, "p: a=one q: empty= same=one ");
    assert_nothing_left_over(place);
}

static void a_project_that_was_made_is_given_up_by_its_owner_only(void **state)
{
    struct place *place = *state;
    in_public(place);
    assert_int_equal(cshm_project_make(place->store, "p", geteuid(), getegid(), 0600, NULL), 0);
    struct cshm_project p;
    load(place, "p", &p);
    char text[128];
    (void)snprintf(text, sizeof text, "!made\tp\t%llu\t0\n!end\n",
                   (unsigned long long)p.tree->facts.generation);
    cshm_project_finish(&p);
    write_file(place->root, ".pending.1", text);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/.pending.1", place->root);
    assert_int_equal(chown(path, ANNA, ANNA), 0);
    lock_and_recover(place);
    assert_seen(place, "p: ");
    assert_nothing_left_over(place);
}

static void a_renamed_project_keeps_its_segments(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "one");
    struct cshm_project project;
    load(place, "p", &project);
    const struct cshm_operation gone = {
        .kind = CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("a")), .depth = 1};
    const struct cshm_commit commit = {.operations = &gone, .count = 1};
    assert_int_equal(cshm_project_commit(place->store, "p", &project, &commit, NULL), 0);
    assert_true(project.journal_bytes > 0);
    assert_int_equal(rename_it(place, "p", "q", CSHM_RENAME_NEW), 0);
    assert_int_equal(cshm_project_follow(place->store, "p", &project, NULL), -ENOENT);
    cshm_project_finish(&project);
    assert_seen(place, "q: g g/empty= g/same=one ");
    assert_nothing_left_over(place);
    publish(place, "p", false, "other");
    assert_int_equal(cshm_project_remove(place->store, "q", NULL), 0);
    assert_seen(place, "p: a=other g g/empty= g/same=other ");
    assert_nothing_left_over(place);
}

static void renaming_takes_the_place_of_empty_projects_only(void **state)
{
    struct place *place = *state;
    publish_two(place);
    assert_int_equal(rename_it(place, "p", "q", CSHM_RENAME_NEW), -EEXIST);
    assert_int_equal(rename_it(place, "p", "q", CSHM_RENAME_REPLACE), -ENOTEMPTY);
    assert_int_equal(rename_it(place, "p", "r", CSHM_RENAME_EXCHANGE), -ENOENT);
    assert_int_equal(rename_it(place, "r", "s", CSHM_RENAME_NEW), -ENOENT);
    assert_int_equal(rename_it(place, "p", ".r", CSHM_RENAME_NEW), -EINVAL);
    assert_int_equal(rename_it(place, "p", "p", CSHM_RENAME_NEW), 0);
    assert_int_equal(cshm_project_make(place->store, "r", geteuid(), getegid(), 0600, NULL), 0);
    assert_int_equal(rename_it(place, "p", "r", CSHM_RENAME_REPLACE), 0);
    assert_int_equal(rename_it(place, "q", "p", CSHM_RENAME_REPLACE), 0);
    assert_seen(place, "p: a=two g g/empty= g/same=two r: a=one g g/empty= g/same=one ");
    assert_int_equal(rename_it(place, "p", "r", CSHM_RENAME_EXCHANGE), 0);
    assert_seen(place, "p: a=one g g/empty= g/same=one r: a=two g g/empty= g/same=two ");
    assert_nothing_left_over(place);
}

static int rename_loaded(struct place *place, const struct cshm_project *p,
                         const struct cshm_project *q, enum cshm_rename how)
{
    return cshm_project_rename(place->store, &(struct cshm_named){"p", p},
                               &(struct cshm_named){"q", q}, how, NULL);
}

static void only_what_was_loaded_is_renamed(void **state)
{
    struct place *place = *state;
    struct cshm_project p;
    struct cshm_project q;
    publish_two(place);
    load(place, "p", &p);
    load(place, "q", &q);
    assert_int_equal(rename_loaded(place, &p, NULL, CSHM_RENAME_NEW), -EEXIST);
    publish(place, "p", true, "new");
    assert_int_equal(rename_loaded(place, &p, &q, CSHM_RENAME_EXCHANGE), -ESTALE);
    cshm_project_finish(&p);
    load(place, "p", &p);
    publish(place, "q", true, "other");
    assert_int_equal(rename_loaded(place, &p, &q, CSHM_RENAME_EXCHANGE), -ESTALE);
    assert_int_equal(rename_loaded(place, &p, &q, CSHM_RENAME_REPLACE), -ESTALE);
    assert_int_equal(cshm_project_remove(place->store, "q", NULL), 0);
    assert_int_equal(rename_loaded(place, &p, &q, CSHM_RENAME_EXCHANGE), -ENOENT);
    assert_seen(place, "p: a=new g g/empty= g/same=new ");
    cshm_project_finish(&q);
    assert_int_equal(cshm_project_make(place->store, "q", geteuid(), getegid(), 0600, NULL), 0);
    load(place, "q", &q);
    assert_int_equal(rename_loaded(place, &p, &q, CSHM_RENAME_REPLACE), 0);
    assert_seen(place, "q: a=new g g/empty= g/same=new ");
    cshm_project_finish(&q);
    cshm_project_finish(&p);
    assert_nothing_left_over(place);
}

static void not_even_the_same_file_of_another_owner_is_renamed(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    struct cshm_project p;
    struct cshm_project q;
    load(place, "p", &p);
    load(place, "q", &q);
    assert_int_equal(give_to(place, "p", ANNA), 0);
    assert_int_equal(rename_loaded(place, &p, &q, CSHM_RENAME_EXCHANGE), -ESTALE);
    cshm_project_finish(&p);
    load(place, "p", &p);
    assert_int_equal(give_to(place, "q", BERT), 0);
    assert_int_equal(rename_loaded(place, &p, &q, CSHM_RENAME_EXCHANGE), -ESTALE);
    cshm_project_finish(&p);
    cshm_project_finish(&q);
    assert_nothing_left_over(place);
}

static void a_stale_journal_does_not_pass_for_the_renamed_projects(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "one");
    write_file(place->root, ".journal.q", "nonsense\n");
    assert_int_equal(rename_it(place, "p", "q", CSHM_RENAME_NEW), 0);
    assert_seen(place, "q: a=one g g/empty= g/same=one ");
    assert_nothing_left_over(place);
}

/* --- Owners ----------------------------------------------------------------------------------- */

static void modes_are_the_manifests_and_the_journals(void **state)
{
    struct place *place = *state;
    publish(place, "p", false, "one");
    struct cshm_project project;
    load(place, "p", &project);
    const struct cshm_operation gone = {
        .kind = CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("a")), .depth = 1};
    const struct cshm_commit commit = {.operations = &gone, .count = 1};
    assert_int_equal(cshm_project_commit(place->store, "p", &project, &commit, NULL), 0);
    const struct cshm_gift gift = {(uid_t)-1, (gid_t)-1, true, 0600};
    assert_int_equal(cshm_project_give(place->store, "p", &project, &gift, NULL), 0);
    assert_int_equal(project.mode, 0600);
    assert_int_equal(cshm_project_check(place->store, "p", &project.stamp), 0);
    assert_true(project.journal_bytes > 0);
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/.journal.p", place->root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    (void)snprintf(path, sizeof path, "%s/cute-shm.p.toml", place->root);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    cshm_project_finish(&project);
    lock_and_recover(place);
}

static void a_project_is_given_with_its_segments(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish(place, "p", false, "one");
    const struct cshm_gift gift = {ANNA, ANNA, true, 0600};
    assert_int_equal(give(place, "p", &gift), 0);
    assert_seen(place, "p@12345: a=one@12345 g g/empty=@12345 g/same=one@12345 ");
    struct cshm_project project;
    load(place, "p", &project);
    assert_int_equal(project.gid, ANNA);
    assert_int_equal(project.mode, 0600);
    cshm_project_finish(&project);
    assert_nothing_left_over(place);
    assert_int_equal(give_to(place, "p", 0), 0);
    assert_seen(place, "p: a=one g g/empty= g/same=one ");
}

static int give_p_to_bert(struct place *place)
{
    return give_to(place, "p", BERT);
}

static int close_p(struct place *place)
{
    return give(place, "p", &(struct cshm_gift){(uid_t)-1, (gid_t)-1, true, 0});
}

static void only_root_gives_away(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish(place, "p", false, "one");
    assert_int_equal(give(place, "p", &(struct cshm_gift){ANNA, ANNA, true, 0644}), 0);
    assert_int_equal(as_user(ANNA, place, give_p_to_bert), -EPERM);
    assert_int_equal(as_user(BERT, place, give_p_to_bert), -EPERM);
    assert_int_equal(as_user(BERT, place, close_p), -EPERM);
    assert_int_equal(as_user(ANNA, place, close_p), 0);
    assert_nothing_left_over(place);
}

static void what_is_moved_gets_the_owner_of_where_it_is(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    assert_int_equal(give_to(place, "q", ANNA), 0);
    assert_int_equal(transfer(place, "a", "b", MOVE), 0);
    assert_seen(place, "p: g g/empty= g/same=one@12345 "
                       "q@12345: a=two@12345 g g/empty=@12345 g/same=two@12345 b=one@12345 ");
    assert_int_equal(give_to(place, "q", BERT), 0); /* root's has it, too, and keeps it */
    assert_int_equal(transfer(place, "g/empty", "a", EXCHANGE), 0); /* of root's, all keep theirs */
    assert_seen(place, "p: g g/empty=two@23456 g/same=one@23456 "
                       "q@23456: a=@23456 g g/empty=@23456 g/same=two@23456 b=one@23456 ");
    assert_nothing_left_over(place);
}

static void nothing_goes_of_which_a_name_would_stay_with_its_owner(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    assert_int_equal(give_to(place, "p", ANNA), 0);
    assert_int_equal(give_to(place, "q", BERT), 0);
    char before[SEEN];
    see(place, before);
    assert_int_equal(transfer(place, "a", "b", MOVE), -EPERM);
    assert_int_equal(transfer(place, "g/empty", "b", LINK), -EPERM);
    assert_seen(place, before);
    assert_int_equal(transfer(place, "g/empty", "b", MOVE), 0);
    assert_int_equal(give_to(place, "q", ANNA), 0);
    assert_int_equal(transfer(place, "a", "c", LINK), 0);
    assert_int_equal(give_to(place, "q", BERT), -EPERM);
    assert_int_equal(give_to(place, "p", BERT), -EPERM);
    assert_nothing_left_over(place);
}

static void what_is_not_the_owners_does_not_become_roots(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    publish(place, "r", false, "secret");
    struct cshm_project r;
    load(place, "r", &r);
    struct cshm_project p;
    load(place, "p", &p);
    struct cshm_text *path = KEYS(cshm_text("x"));
    const struct cshm_operation put = {CSHM_OPERATION_PUT, .path = path, .depth = 1,
                                       .node = cshm_node_child(&r.tree->root, cshm_text("a"))};
    const struct cshm_commit commit = {.operations = &put, .count = 1};
    assert_int_equal(cshm_project_commit(place->store, "p", &p, &commit, NULL), 0);
    cshm_project_finish(&p);
    cshm_project_finish(&r);
    lock_and_recover(place);
    char path_of_p[128];
    (void)snprintf(path_of_p, sizeof path_of_p, "%s/cute-shm.p.toml", place->root);
    assert_int_equal(chown(path_of_p, ANNA, ANNA), 0); /* as if she had written it */
    assert_int_equal(transfer(place, "x", "x", MOVE), -EPERM);
    assert_int_equal(give_to(place, "p", BERT), 0); /* as nothing in it is hers */
    assert_seen(place, "p@23456: a! g g/empty! g/same! x! " Q_ALONE
                       "r: a=secret g g/empty= g/same=secret ");
}

static void a_mover_gives_away_only_what_is_his(void **state)
{
    struct place *place = *state;
    struct cshm_project p;
    struct cshm_project q;
    in_public(place);
    publish_two(place);
    assert_int_equal(give_to(place, "p", ANNA), 0);
    assert_int_equal(give_to(place, "q", BERT), 0);
    load(place, "p", &p);
    load(place, "q", &q);
    const struct cshm_passage berts = {.mover = BERT};
    const struct cshm_passage annas = {.mover = ANNA};
    assert_int_equal(transfer_so(place, &p, "g/empty", &q, "x", MOVE, &berts), -EPERM);
    assert_int_equal(transfer_so(place, &p, "g/empty", &q, "g/empty", EXCHANGE, &annas), -EPERM);
    assert_seen(place, "p@12345: a=one@12345 g g/empty=@12345 g/same=one@12345 "
                       "q@23456: a=two@23456 g g/empty=@23456 g/same=two@23456 ");
    assert_int_equal(transfer_so(place, &p, "g/empty", &q, "x", MOVE, &annas), 0);
    cshm_project_finish(&p);
    cshm_project_finish(&q);
    assert_seen(place, "p@12345: a=one@12345 g g/same=one@12345 "
                       "q@23456: a=two@23456 g g/empty=@23456 g/same=two@23456 x=@23456 ");
    lock_and_recover(place);
    assert_nothing_left_over(place);
}

static int steal(struct place *place)
{
    struct cshm_project p;
    struct cshm_project q;
    if (cshm_project_load(place->store, "p", &p, NULL) < 0 ||
        cshm_project_load(place->store, "q", &q, NULL) < 0)
        return -EIO;
    return transfer_as(place, &p, "a", &q, "stolen", MOVE, NULL);
}

static void another_user_moves_nothing(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    assert_int_equal(give(place, "p", &(struct cshm_gift){ANNA, ANNA, true, 0666}), 0);
    assert_int_equal(give(place, "q", &(struct cshm_gift){BERT, BERT, true, 0666}), 0);
    assert_int_equal(as_user(BERT, place, steal), -EPERM);
    assert_int_equal(as_user(ANNA, place, steal), -EPERM);
    assert_nothing_left_over(place);
}

/* --- Forged pending files --------------------------------------------------------------------- */

static void forge(struct place *place, const char *name, uid_t owner, const char *segment)
{
    struct cshm_project p;
    load(place, "p", &p);
    const struct cshm_operation operations[] = {
        {.kind = CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("a")), .depth = 1},
        {.kind = CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("g")), .depth = 1},
    };
    struct cshm_grant grant = {segment, 0, 0, owner, owner};
    const struct cshm_intent intent = {.first = {"q", 17, 17},
                                       .then = cshm_moment_of("p", &p),
                                       .operations = operations,
                                       .operation_count = 2,
                                       .grants = &grant,
                                       .grant_count = segment ? 1 : 0};
    CSHM_AUTO_BUFFER struct cshm_buffer lines = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_intent_render(&intent, &lines), 0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", place->root, name);
    CSHM_AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(cshm_file_write(fd, lines.bytes, lines.length), 0);
    assert_int_equal(fchown(fd, owner, owner), 0);
    cshm_project_finish(&p);
}

static void a_forged_intent_changes_nobodys_project(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    assert_int_equal(transfer(place, "a", "l", LINK), 0); /* so that no array would be lost */
    assert_int_equal(transfer(place, "g/empty", "m", LINK), 0);
    char before[SEEN];
    see(place, before);
    forge(place, ".pending.transfer", ANNA, NULL);
    forge(place, ".pending.other", ANNA, NULL);
    lock_and_recover(place);
    assert_seen(place, before);
    assert_nothing_left_over(place);
}

static void even_its_owner_loses_no_array_by_it(void **state)
{
    struct place *place = *state;
    publish_two(place);
    char before[SEEN];
    see(place, before);
    forge(place, ".pending.transfer", geteuid(), NULL); /* q has nothing of p's */
    lock_and_recover(place);
    assert_seen(place, before);
    assert_nothing_left_over(place);
}

static void a_forged_intent_gives_nothing_away(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    char before[SEEN];
    see(place, before);
    struct cshm_project p;
    load(place, "p", &p);
    char segment[CSHM_SEGMENT_NAME_SIZE];
    (void)snprintf(segment, sizeof segment, "%s",
                   cshm_node_child(&p.tree->root, cshm_text("a"))->described->segment);
    char owner[512];
    (void)snprintf(owner, sizeof owner, "!owner\tp\t%u\t%u\t644\n!give\t%s\t%u\t%u\t0\t0\n!end\n",
                   ANNA, ANNA, segment, ANNA, ANNA); /* "taking back" would give it to Anna */
    write_file(place->root, ".pending.1", owner);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/.pending.1", place->root);
    assert_int_equal(chown(path, ANNA, ANNA), 0);
    forge(place, ".pending.transfer", ANNA, segment);
    (void)snprintf(path, sizeof path, "%s/.pending.2", place->root);
    write_file(place->root, "roots", owner); /* a file of root's by a second name */
    char roots[128];
    (void)snprintf(roots, sizeof roots, "%s/roots", place->root);
    assert_int_equal(link(roots, path), 0);
    cshm_project_finish(&p);
    lock_and_recover(place);
    assert_int_equal(unlink(roots), 0);
    assert_seen(place, before);
    assert_nothing_left_over(place);
}

static void nonsense_in_a_pending_file_is_passed_over(void **state)
{
    struct place *place = *state;
    publish_two(place);
    char before[SEEN];
    see(place, before);
    static const char *const samples[] = {
        "!",
        "!\n",
        "!end\n",
        "!end",
        "!commit\n!end\n",
        "!commit\tq\t1\t1\n",
        "!commit\tq\t1\t1\n!end\n",
        "!commit\t../x\t1\t1\n!end\n",
        "!commit\tq\t-1\t1\n!end\n",
        "!line\tx\n!end\n",
        "!commit\tq\t1\t1\n!then\tp\t1\t1\tremove\n!end\n",
        "!then\tp\t1\t1\tremove\n!end\n",
        "!commit\tq\t1\t1\n!then\tp\t0\t0\tx\n!end\n",
        "!owner\tp\t1\t1\t77777\n!end\n",
        "!give\tx\t0\t0\t0\t0\n!end\n",
        "!owner\tnone\t0\t0\t600\n!end\n",
        "!made\tnone\t1\t0\n!end\n",
        "!made\tp\t1\t0\n!end\n",
        "!made\tp\n!end\n",
        "!a\tb\tc\td\te\tf\tg\th\n!end\n",
        "cute-shm.p.AAAAAAAAAA\n!end\n",
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        write_file(place->root, ".pending.transfer", samples[i]);
        lock_and_recover(place);
        assert_seen(place, before);
        assert_nothing_left_over(place);
    }
}

static void a_name_taken_by_a_stranger_hinders_nobody(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/.pending.transfer", place->root);
    assert_int_equal(mkdir(path, 0700), 0); /* root could remove a file */
    assert_int_equal(transfer(place, "a", "b", MOVE), 0);
    assert_int_equal(rmdir(path), 0);
    assert_seen(place, "p: g g/empty= g/same=one " Q_ALONE "b=one ");
    assert_nothing_left_over(place);
}

/* Of p's "g/empty" to BERT's q; in an exchange q's comes to p. Left by a dead one of root's. */
static void begin_to_give(struct place *place, bool exchange)
{
    struct cshm_project p;
    struct cshm_project q;
    struct cshm_grant grants[2] = {{NULL, ANNA, ANNA, BERT, BERT}, {NULL, BERT, BERT, ANNA, ANNA}};
    struct cshm_text *path = KEYS(cshm_text("g"), cshm_text("empty"));
    load(place, "p", &p);
    load(place, "q", &q);
    grants[0].segment = cshm_tree_find(p.tree, path, 2)->described->segment;
    grants[1].segment = cshm_tree_find(q.tree, path, 2)->described->segment;
    const struct cshm_operation gone = {.kind = CSHM_OPERATION_REMOVE, .path = path, .depth = 2};
    const struct cshm_intent intent = {.first = cshm_moment_of("q", &q),
                                       .then = cshm_moment_of("p", &p),
                                       .operations = &gone,
                                       .operation_count = 1,
                                       .grants = grants,
                                       .grant_count = exchange ? 2 : 1};
    CSHM_AUTO_BUFFER struct cshm_buffer lines = CSHM_BUFFER_INIT;
    assert_int_equal(cshm_intent_render(&intent, &lines), 0);
    write_file(place->root, ".pending.1", lines.bytes);
    assert_int_equal(cshm_intent_grant(place->store, &intent), 0);
    cshm_project_finish(&p);
    cshm_project_finish(&q);
}

static void what_was_given_for_nothing_is_taken_back_even_late(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    assert_int_equal(give_to(place, "p", ANNA), 0);
    assert_int_equal(give_to(place, "q", BERT), 0);
    for (int exchange = 0; exchange < 2; exchange++) {
        begin_to_give(place, exchange);
        assert_int_equal(add_group(place, "q", exchange ? "y" : "x"), 0); /* nobody has seen it */
        lock_and_recover(place);
        assert_seen(place, exchange ? "p@12345: a=one@12345 g g/empty=@12345 g/same=one@12345 "
                                      "q@23456: a=two@23456 g g/empty=@23456 g/same=two@23456 x y "
                                    : "p@12345: a=one@12345 g g/empty=@12345 g/same=one@12345 "
                                      "q@23456: a=two@23456 g g/empty=@23456 g/same=two@23456 x ");
        assert_nothing_left_over(place);
    }
}

static void put_file(struct place *place, const char *name, uid_t owner, const char *text,
                     off_t size)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", place->root, name);
    write_file(place->root, name, text);
    assert_int_equal(truncate(path, size), 0);
    assert_int_equal(chown(path, owner, owner), 0);
}

static bool is_there(struct place *place, const char *name)
{
    char path[128];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", place->root, name);
    return lstat(path, &st) == 0;
}

static void what_is_too_large_is_left_to_its_owner(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    const off_t huge = (off_t)600 << 20;
    char segment[128];
    put_file(place, ".pending.transfer", ANNA, "!", huge);
    put_file(place, ".pending.0", ANNA, "", huge);
    put_file(place, ".pending.2", 0, "", huge);
    put_file(place, ".pending.3", ANNA, "!commit\tp\t1\t1\n", 4 << 20); /* no end */
    put_file(place, ".pending.4", ANNA, "", 4 << 20);
    write_file(place->root, ".pending.1", "cute-shm.p.AAAAAAAAAA\n");
    write_file(place->root, ".pending.5", "cute-shm.p.BBBBBBBBBB\n");
    write_file(place->shm, "cute-shm.p.AAAAAAAAAA", "x");
    write_file(place->shm, "cute-shm.p.BBBBBBBBBB", "x");
    int lock;
    assert_int_equal(cshm_registry_lock(place->store, &lock, NULL), 0);
    assert_int_equal(cshm_pending_recover(place->store), 1);
    close(lock);
    (void)snprintf(segment, sizeof segment, "%s/cute-shm.p.AAAAAAAAAA", place->shm);
    assert_int_equal(access(segment, F_OK), -1);
    (void)snprintf(segment, sizeof segment, "%s/cute-shm.p.BBBBBBBBBB", place->shm);
    assert_int_equal(access(segment, F_OK), -1);
    assert_false(is_there(place, ".pending.transfer")); /* its name is free */
    assert_true(is_there(place, ".pending.0"));
    assert_true(is_there(place, ".pending.2"));
    assert_false(is_there(place, ".pending.3"));
    assert_false(is_there(place, ".pending.4"));
    assert_int_equal(count_entries(place->root), 5); /* the first one by another name */
    assert_int_equal(transfer(place, "a", "b", MOVE), 0);
    assert_seen(place, "p: g g/empty= g/same=one " Q_ALONE "b=one ");
}

static void the_name_of_what_is_to_be_finished_first_is_nobodys(void **state)
{
    struct place *place = *state;
    in_public(place);
    publish_two(place);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/.pending.transfer", place->root);
    put_file(place, ".pending.transfer", ANNA, "x", 1);
    CSHM_AUTO_FD int fd = open(path, O_RDONLY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    lock_and_recover(place);
    assert_false(is_there(place, ".pending.transfer"));
    assert_int_equal(count_entries(place->root), 3);
    cshm_close_fd(&fd);
    lock_and_recover(place);
    assert_nothing_left_over(place);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(lchown(path, ANNA, ANNA), 0);
    lock_and_recover(place);
    assert_nothing_left_over(place);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_array_moves_with_its_segment),
        TEST(what_is_there_is_replaced_in_its_place),
        TEST(a_group_moves_with_all_below_it),
        TEST(what_keeps_a_name_behind_outlives_either),
        TEST(what_came_home_is_an_ordinary_array),
        TEST(it_may_say_something_else_there),
        TEST(a_group_becomes_a_project_and_back),
        TEST(a_project_that_is_not_empty_is_not_replaced_by_a_group),
        TEST(two_change_places),
        TEST(errors_leave_all_as_it_was),
        TEST(what_others_have_changed_is_looked_at_again),
        TEST(who_checks_decides_by_what_is_there),
        TEST(a_link_outlives_the_first_name),
        TEST(the_first_name_outlives_a_link),
        TEST(every_name_of_it_says_that_it_is_linked),
        TEST(who_says_it_anew_does_not_forget_that_it_is_linked),
        TEST(a_whole_project_goes_without_what_is_linked),
        TEST(a_replaced_project_goes_without_what_is_linked),
        TEST(what_is_added_to_frees_nothing_that_is_linked),
        TEST(a_link_moves_on_and_home),
        TEST(both_names_of_a_link_may_go_before_anything_is_folded),
        TEST(what_a_large_manifest_says_is_known_until_it_is_another),
        TEST(an_empty_project_is_made_once),
        TEST(a_project_made_for_what_does_not_come_goes_again),
        TEST(a_project_made_for_what_has_come_stays),
        TEST(a_project_that_was_made_is_given_up_by_its_owner_only),
        TEST(a_renamed_project_keeps_its_segments),
        TEST(renaming_takes_the_place_of_empty_projects_only),
        TEST(only_what_was_loaded_is_renamed),
        TEST(not_even_the_same_file_of_another_owner_is_renamed),
        TEST(a_stale_journal_does_not_pass_for_the_renamed_projects),
        TEST(modes_are_the_manifests_and_the_journals),
        TEST(a_project_is_given_with_its_segments),
        TEST(only_root_gives_away),
        TEST(what_is_moved_gets_the_owner_of_where_it_is),
        TEST(nothing_goes_of_which_a_name_would_stay_with_its_owner),
        TEST(what_is_not_the_owners_does_not_become_roots),
        TEST(a_mover_gives_away_only_what_is_his),
        TEST(another_user_moves_nothing),
        TEST(a_forged_intent_changes_nobodys_project),
        TEST(even_its_owner_loses_no_array_by_it),
        TEST(a_forged_intent_gives_nothing_away),
        TEST(nonsense_in_a_pending_file_is_passed_over),
        TEST(a_name_taken_by_a_stranger_hinders_nobody),
        TEST(what_was_given_for_nothing_is_taken_back_even_late),
        TEST(what_is_too_large_is_left_to_its_owner),
        TEST(the_name_of_what_is_to_be_finished_first_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
