/* SPDX-License-Identifier: MIT */
/*
 * Whoever moves, links, renames, gives or makes is killed at each of his system calls, one after
 * the other: what is there afterwards is what was there before, or what was to be.
 */
#include "projects.h"

#include <signal.h>
#include <sys/ptrace.h>

/* One thing to do, between p and q. */
struct deed {
    const char *name;
    enum { TRANSFER, RENAME, GIVE, MAKE } kind;
    const char *from;
    const char *to;
    int how;
    uid_t p_owner; /* not 0: root only */
    uid_t q_owner;
    bool q_is_empty;
};

static const struct deed deeds[] = {
    {"an array", TRANSFER, "a", "b", MOVE, 0, 0, false},
    {"onto another", TRANSFER, "g/empty", "a", MOVE, 0, 0, false},
    {"a group", TRANSFER, "g", "b", MOVE, 0, 0, false},
    {"all of it", TRANSFER, "", "b", MOVE, 0, 0, false},
    {"to an empty project", TRANSFER, "g", "", MOVE, 0, 0, true},
    {"arrays", TRANSFER, "a", "g/same", EXCHANGE, 0, 0, false},
    {"groups", TRANSFER, "g", "g", EXCHANGE, 0, 0, false},
    {"a link", TRANSFER, "a", "b", LINK, 0, 0, false},
    {"a new name", RENAME, "p", "r", CSHM_RENAME_NEW, 0, 0, false},
    {"an empty one's name", RENAME, "p", "q", CSHM_RENAME_REPLACE, 0, 0, true},
    {"each other's name", RENAME, "p", "q", CSHM_RENAME_EXCHANGE, 0, 0, false},
    {"a new one", MAKE, "r", NULL, 0, 0, 0, false},
    {"from one user to another", TRANSFER, "g/empty", "b", MOVE, ANNA, BERT, false},
    {"one user's and another's", TRANSFER, "", "", EXCHANGE, ANNA, BERT, false},
    {"a link to root's", TRANSFER, "a", "b", LINK, 0, BERT, false},
    {"an owner", GIVE, NULL, NULL, 0, ANNA, BERT, false},
};

static void do_give(struct place *place, struct cshm_project *p)
{
    const struct cshm_gift gift = {.uid = BERT, .gid = BERT, .has_mode = true, .mode = 0600};
    _exit(cshm_project_give(place->store, "p", p, &gift, NULL) == 0 ? 0 : 4);
}

/* Kept as the daemon keeps them: with a journal, or with manifests that are rewritten. */
static void do_it(struct place *place, const struct deed *deed, bool deferred, bool traced)
{
    struct cshm_project p;
    struct cshm_project q;
    int result = -EINVAL;
    if (cshm_project_load(place->store, "p", &p, NULL) < 0 ||
        cshm_project_load(place->store, "q", &q, NULL) < 0)
        _exit(2);
    p.deferred = q.deferred = deferred;
    if (traced && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0))
        _exit(3);
    switch (deed->kind) {
    case TRANSFER:
        result = transfer_as(place, &p, deed->from, &q, deed->to, (enum how)deed->how, NULL);
        break;
    case RENAME:
        result = rename_it(place, deed->from, deed->to, (enum cshm_rename)deed->how);
        break;
    case MAKE:
        result = cshm_project_make(place->store, deed->from, geteuid(), getegid(), 0600, NULL);
        break;
    default:
        do_give(place, &p);
    }
    _exit(result == 0 ? 0 : 4);
}

/* Kills the child as it enters its system call of that number; false: it was done before. */
static bool kill_at(pid_t child, int call)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    for (int i = 0; i < 2 * call - 1 && WIFSTOPPED(status); i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    if (!WIFSTOPPED(status)) {
        assert_int_equal(status, 0);
        return false;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return true;
}

static void begin(struct place *place, const struct deed *deed, bool deferred)
{
    struct cshm_names names;
    assert_int_equal(cshm_registry_list(place->store, &names), 0);
    for (size_t i = 0; i < names.count; i++)
        assert_int_equal(cshm_project_remove(place->store, names.names[i], NULL), 0);
    cshm_names_finish(&names);
    publish(place, "p", false, "one");
    if (deed->q_is_empty)
        assert_int_equal(cshm_project_make(place->store, "q", geteuid(), getegid(), 0600, NULL), 0);
    else
        publish(place, "q", false, "two");
    if (deed->p_owner)
        assert_int_equal(give_to(place, "p", deed->p_owner), 0);
    if (deed->q_owner)
        assert_int_equal(give_to(place, "q", deed->q_owner), 0);
    if (deferred) {
        assert_int_equal(add_group(place, "p", "x"), 0);
        if (!deed->q_is_empty)
            assert_int_equal(add_group(place, "q", "x"), 0);
    }
}

/* Another change, which knows nothing of the dead one, sees first to what he left. */
static void go_on(struct place *place)
{
    struct cshm_names names;
    assert_int_equal(cshm_registry_list(place->store, &names), 0);
    struct cshm_project project;
    load(place, names.names[0], &project);
    const struct cshm_operation none = {
        .kind = CSHM_OPERATION_REMOVE, .path = KEYS(cshm_text("none")), .depth = 1};
    const struct cshm_commit commit = {.operations = &none, .count = 1};
    int result = cshm_project_commit(place->store, names.names[0], &project, &commit, NULL);
    assert_true(result == -ENOENT || result == -ESTALE);
    cshm_project_finish(&project);
    cshm_names_finish(&names);
}

static bool kill_once(struct place *place, const struct deed *deed, bool deferred, int call,
                      const char *before, const char *after)
{
    char seen[SEEN];
    begin(place, deed, deferred);
    pid_t child = fork();
    if (child == 0)
        do_it(place, deed, deferred, true);
    bool killed = kill_at(child, call);
    if (call % 2 == 0) {
        go_on(place);
        see(place, seen);
        if (strcmp(seen, before) != 0 && strcmp(seen, after) != 0)
            fail_msg("%s, killed at call %d, then changed: %s", deed->name, call, seen);
    }
    lock_and_recover(place);
    see(place, seen);
    if ((!killed || strcmp(seen, before) != 0) && strcmp(seen, after) != 0)
        fail_msg("%s, killed at call %d: %s", deed->name, call, seen);
    assert_nothing_left_over(place);
    return killed;
}

static void kill_everywhere(struct place *place, const struct deed *deed, bool deferred)
{
    char before[SEEN];
    char after[SEEN];
    int status;
    begin(place, deed, deferred);
    see(place, before);
    pid_t child = fork();
    if (child == 0)
        do_it(place, deed, deferred, false);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    lock_and_recover(place);
    see(place, after);
    assert_string_not_equal(before, after);
    int call = 1;
    while (kill_once(place, deed, deferred, call, before, after))
        call++;
    assert_true(call > 10); /* it was traced indeed */
}

static void kill_all(struct place *place, bool deferred)
{
    bool many_users = geteuid() == 0;
    if (many_users)
        in_public(place);
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++)
        if (many_users || (!deeds[i].p_owner && !deeds[i].q_owner))
            kill_everywhere(place, &deeds[i], deferred);
}

static void a_kill_at_any_system_call_leaves_the_state_before_or_after(void **state)
{
    kill_all(*state, false);
}

static void also_where_there_are_journals(void **state)
{
    kill_all(*state, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_kill_at_any_system_call_leaves_the_state_before_or_after),
        TEST(also_where_there_are_journals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
