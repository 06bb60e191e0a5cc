/* SPDX-License-Identifier: MIT */
#include "sidecar_judge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "leaves.h"
#include "log.h"
#include "manuscript.h"
#include "model/declare.h"
#include "sidecar_array.h"

enum { LONG_TEXT = 1 << 20, INODES_OF_SEGMENT = 8 };

/* Long ones one after the other: each takes ten times its length, and anybody may write them. */
static pthread_mutex_t parsing_long = PTHREAD_MUTEX_INITIALIZER; /* taken alone */

bool sidecar_may(const struct fuse_ctx *who, const gid_t *groups, int group_count,
                 const struct stat *st, mode_t mask)
{
    if (who->uid == 0)
        return true;
    if (who->uid == st->st_uid)
        return (st->st_mode & mask << 6) != 0;
    bool in_group = who->gid == st->st_gid;
    for (int i = 0; i < group_count && !in_group; i++)
        in_group = groups[i] == st->st_gid;
    return (st->st_mode & (in_group ? mask << 3 : mask)) != 0;
}

/* --- Groups -------------------------------------------------------------------------------------
 */

/* Kind and shape count as written; what else is known of a dataset that became a group stays. */
static int describe_group(struct judgement *j, const struct cshm_node *group,
                          struct cshm_node *node)
{
    const struct cshm_description *wanted = j->parsed->described;
    const struct cshm_description *present = group->described;
    if (!wanted && !present)
        return 0;
    struct cshm_description *described = cshm_tree_describe(j->scratch, node);
    if (!described)
        return -ENOMEM;
    if (present)
        *described = *present;
    described->undeclared = false;
    described->rank = wanted ? wanted->rank : CSHM_NO_RANK;
    described->shape = wanted ? wanted->shape : NULL;
    const char *kind = wanted ? wanted->detail->kind : NULL;
    if (!kind && !described->detail->kind)
        return 0;
    struct cshm_detail *detail = cshm_tree_detail(j->scratch, described);
    if (detail)
        detail->kind = kind;
    return detail ? 0 : -ENOMEM;
}

static int judge_group(struct judgement *j)
{
    const struct cshm_node *group = j->change->group;
    struct cshm_node node = {.type = CSHM_NODE_GROUP, .attributes = j->parsed->attributes};
    int result = describe_group(j, group, &node);
    if (result < 0)
        return result;
    bool same = cshm_node_says_same(&node, group);
    CSHM_AUTO_PATH struct change_path path = {0};
    result = change_path_make(group, NULL, &path);
    if (result < 0)
        return result;
    const struct cshm_operation put = {
        .kind = CSHM_OPERATION_PUT, .path = path.keys, .depth = path.depth, .node = &node};
    return judgement_commit(j, &put, same ? 0 : 1, NULL);
}

/* --- What every judgement does ------------------------------------------------------------------
 */

int judgement_commit(struct judgement *j, const struct cshm_operation *operations, size_t count,
                     const struct change_segment *made)
{
    const struct change_path *source = j->text->source;
    CSHM_AUTO_FREE struct cshm_operation *all = calloc(count + 1, sizeof *all);
    if (!all)
        return -ENOMEM;
    if (count > 0)
        memcpy(all, operations, count * sizeof *all);
    if (source)
        all[count++] = (struct cshm_operation){
            .kind = CSHM_OPERATION_REMOVE, .path = source->keys, .depth = source->depth};
    if (count == 0)
        return 0;
    const struct cshm_made named = {.fd = made ? made->fd : -1, .name = made ? made->name : NULL};
    const struct cshm_commit commit = {
        .operations = all, .count = count, .made = &named, .made_count = made ? 1 : 0};
    return change_commit(j->change, &commit);
}

/* The array whose bytes the text is: still there, and still those bytes. */
static int check_source(const struct judgement *j)
{
    const struct change_path *source = j->text->source;
    if (!source)
        return 0;
    const struct cshm_node *node =
        cshm_tree_find(j->change->picture->project.tree, source->keys, source->depth);
    const char *segment = node ? cshm_node_segment(node) : NULL;
    if (!segment || strcmp(segment, j->text->source_segment) != 0)
        return -ENOENT;
    return node == j->node ? -EINVAL : 0;
}

static int judge(struct change *change, void *context)
{
    struct judgement *j = context;
    const struct sidecar_text *text = j->text;
    j->change = change;
    j->node = text->is_meta ? change->group : cshm_node_child(change->group, text->key);
    j->remark = j->node ? remark_node(change->picture->name, j->node) : 0;
    j->told = (struct cshm_error){0};
    if (!text->is_meta && j->node && j->node->type == CSHM_NODE_GROUP)
        return -EISDIR;
    if (!j->node && !text->is_new) /* it went with its array, as an open file that is removed */
        return 0;
    const struct right now = right_to(change->picture, j->node);
    if (!right_holds(&text->author->right, &now, &text->author->who))
        return -EACCES;
    if (!j->node && text->text.length == 0) /* touch(1): nothing is said, so nothing is made */
        return 0;
    if (j->parsed_result < 0) {
        j->told = j->parse_error;
        return j->parsed_result;
    }
    int result = check_source(j);
    if (result < 0)
        return result;
    return text->is_meta ? judge_group(j) : judge_array(j);
}

static int parse(struct judgement *j)
{
    const struct sidecar_text *text = j->text;
    bool is_long = text->text.length > LONG_TEXT;
    int result = cshm_tree_add(j->scratch, &j->scratch->root, cshm_text("x"),
                               text->is_meta ? CSHM_NODE_GROUP : CSHM_NODE_BARE, &j->parsed);
    if (result < 0)
        return result;
    if (is_long)
        (void)pthread_mutex_lock(&parsing_long);
    result = cshm_sidecar_parse(text->text.bytes ? text->text.bytes : "", text->text.length,
                                text->is_meta, j->scratch, j->parsed, &j->hints, &j->parse_error);
    if (is_long)
        (void)pthread_mutex_unlock(&parsing_long);
    return result < 0 && result != -ENOMEM ? -EINVAL : result;
}

/* "DIRECTORY's project: /x.meta: line 3: ..." */
static void tell(struct daemon *daemon, const struct sidecar_text *text,
                 const struct cshm_error *error)
{
    char key[256];
    cshm_text_escape(text->key.bytes, text->key.length, key, sizeof key);
    struct picture *picture = inode_hold_picture(&daemon->inodes, text->directory);
    log_line(LOG_WARNING, "project %s: sidecar %s.meta refused: %s", picture->name,
             text->is_meta ? "" : key, error->text);
    picture_put(picture);
}

/*
 * Links in other projects follow; and who waited for the sidecar to be closed may look at the
 * array's length next.
 */
static void tell_length(struct daemon *daemon, const char *segment)
{
    struct stat st;
    if (fstatat(daemon->store->shm_fd, segment, &st, AT_SYMLINK_NOFOLLOW) == 0)
        (void)leaves_follow_everywhere(daemon, segment, st.st_uid, (uint64_t)st.st_size, false);
    struct inode *arrays[INODES_OF_SEGMENT];
    size_t count = inode_find_arrays(&daemon->inodes, segment, arrays, INODES_OF_SEGMENT);
    for (size_t i = 0; i < count; i++) {
        herald_now(&daemon->herald, arrays[i]);
        inode_drop(&daemon->inodes, arrays[i], 1);
    }
}

int sidecar_judge(struct daemon *daemon, const struct sidecar_text *text)
{
    CSHM_AUTO_TREE struct cshm_tree *scratch = cshm_tree_create();
    struct judgement j = {.text = text, .scratch = scratch};
    if (!scratch)
        return -ENOMEM;
    j.parsed_result = parse(&j);
    int result = change_run_for(daemon, &text->author->who, text->directory, judge, &j);
    if (result == -EINVAL && j.told.text[0])
        tell(daemon, text, &j.told);
    if (j.remark != 0 && result == 0)
        remark_set(&daemon->remarks, j.remark, NULL);
    else if (j.remark != 0 && result == -EINVAL && j.told.text[0] && !text->source)
        remark_set(&daemon->remarks, j.remark, j.told.text);
    if (result == 0 && j.grown[0])
        tell_length(daemon, j.grown);
    return result;
}
