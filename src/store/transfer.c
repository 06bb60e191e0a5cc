/* SPDX-License-Identifier: MIT */
/* Nodes from one project to another: two commits, with what is to follow the first written down. */
#include <errno.h>
#include <unistd.h>

#include "base/scope.h"
#include "store/change.h"
#include "store/hands.h"
#include "store/passage.h"
#include "store/pending.h"

static int commit(const struct cshm_route *route, const struct cshm_side *side, bool keep)
{
    const struct cshm_commit what = {
        .operations = side->operations, .count = side->count, .keep_segments = keep};
    return cshm_project_commit_locked(route->store, side->name, side->project, &what, route->error);
}

static struct cshm_intent intent_of(const struct cshm_route *route)
{
    const struct cshm_passage *passage = route->passage;
    struct cshm_intent intent = {.first = cshm_moment_of(route->to.name, route->to.project),
                                 .grants = route->grants,
                                 .grant_count = route->grant_count};
    if (passage->link)
        return intent;
    intent.then = cshm_moment_of(route->from.name, route->from.project);
    intent.removes = route->from.depth == 0 && !passage->exchange;
    intent.operations = route->from.operations;
    intent.operation_count = intent.removes ? 0 : route->from.count;
    return intent;
}

static int declare(const struct cshm_route *route, const struct cshm_intent *intent,
                   struct cshm_pending *pending)
{
    CSHM_AUTO_BUFFER struct cshm_buffer lines = CSHM_BUFFER_INIT;
    int result = cshm_intent_render(intent, &lines);
    if (result == 0)
        result = cshm_pending_declare(route->store, pending, &lines);
    return result < 0 ? cshm_fail_errno(route->error, result, "cannot write to the registry %s",
                                        route->store->root)
                      : 0;
}

static int carry_out(const struct cshm_route *route, const struct cshm_intent *intent)
{
    int result = cshm_intent_grant(route->store, intent);
    if (result < 0)
        return cshm_fail_errno(route->error, result, "cannot give what goes to %s", route->to.name);
    result = commit(route, &route->to, route->passage->exchange);
    if (result == 0 && intent->then.project)
        result = cshm_intent_follow(route->store, intent, route->from.project, route->error);
    return result;
}

/* What failed may have happened: that is looked at as if this process had died. */
static void distrust(struct cshm_project *project)
{
    project->stamp = (struct cshm_stamp){0};
    cshm_hands_let_go_of_journal(project);
}

static int run(const struct cshm_route *route)
{
    struct cshm_pending pending = CSHM_PENDING_NONE;
    const struct cshm_intent intent = intent_of(route);
    /* Marks are right at any time, and must be there when there is a second name. */
    if (route->passage->link && route->from.count > 0) {
        int result = commit(route, &route->from, true);
        if (result < 0)
            return result;
    }
    bool alone = route->passage->link && route->grant_count == 0;
    int result = alone ? 0 : declare(route, &intent, &pending);
    if (result == 0) {
        result = carry_out(route, &intent);
        if (result < 0) {
            distrust(route->from.project);
            distrust(route->to.project);
            cshm_pending_abandon(route->store, &pending);
            return result;
        }
    }
    cshm_pending_finish(route->store, &pending);
    return result;
}

static int transfer_locked(struct cshm_route *route)
{
    int result = cshm_route_plan(route);
    if (result == 0)
        result = run(route);
    cshm_route_finish(route);
    return result;
}

/* Projects that cannot be followed are not asked about. */
static struct cshm_moment moment_of(const char *name, const struct cshm_project *project)
{
    return project->tree ? cshm_moment_of(name, project) : (struct cshm_moment){0};
}

/* Paths lead to what is there now: root would give away what nobody was allowed to move. */
static int check(const struct cshm_route *route, const struct cshm_moment *from,
                 const struct cshm_moment *to)
{
    const struct cshm_passage *passage = route->passage;
    if (passage->check)
        return passage->check(passage->context, route->from.project, route->to.project);
    bool unmoved =
        cshm_moment_is_now(from, route->from.project) && cshm_moment_is_now(to, route->to.project);
    return unmoved ? 0 : -ESTALE;
}

int cshm_project_transfer(struct cshm_store *store, const char *from_name,
                          struct cshm_project *from, const char *to_name, struct cshm_project *to,
                          const struct cshm_passage *passage, struct cshm_error *error)
{
    struct cshm_route route = {
        .store = store,
        .passage = passage,
        .from = {from_name, from, passage->from, passage->from_depth},
        .to = {to_name, to, passage->to, passage->to_depth},
        .error = error,
    };
    const struct cshm_moment from_before = moment_of(from_name, from);
    const struct cshm_moment to_before = moment_of(to_name, to);
    int result = cshm_change_begin(store, from_name, from, error);
    if (result == 0 && !cshm_hands_of(to))
        result = cshm_fail(error, -ENOMEM, "out of memory");
    if (result == 0)
        result = cshm_project_follow(store, to_name, to, error);
    if (result == 0) {
        result = check(&route, &from_before, &to_before);
        if (result < 0)
            (void)cshm_fail_errno(error, result, "%s to %s", from_name, to_name);
    }
    if (result == 0)
        result = transfer_locked(&route);
    cshm_change_end(to);
    cshm_change_end(from);
    return result;
}
