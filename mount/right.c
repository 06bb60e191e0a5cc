/* SPDX-License-Identifier: MIT */
#include "right.h"

#include "entries.h"
#include "sidecar_place.h"

struct right right_to(const struct picture *picture, const struct cshm_node *node)
{
    const struct cshm_project *project = &picture->project;
    struct entries looks = {0};
    if (node && node->type != CSHM_NODE_GROUP)
        entries_of(picture, node, &looks);
    const struct stat *st = &looks.segment;
    return looks.has_segment
               ? (struct right){st->st_ino, st->st_uid, st->st_gid, st->st_mode & 0777}
               : (struct right){0, project->uid, project->gid, project->mode & 0777};
}

bool right_allows(fuse_req_t request, const struct right *right, mode_t mask)
{
    const struct stat st = {.st_uid = right->uid, .st_gid = right->gid, .st_mode = right->mode};
    return sidecar_asker_may(request, &st, mask);
}

bool right_holds(const struct right *had, const struct right *now, const struct fuse_ctx *who)
{
    const struct stat st = {.st_uid = now->uid, .st_gid = now->gid, .st_mode = now->mode};
    bool same_file = now->segment != 0 && now->segment == had->segment && now->uid == had->uid;
    bool alike = now->uid == had->uid && now->gid == had->gid && now->mode == had->mode;
    return same_file || alike || who->uid == now->uid || sidecar_may(who, NULL, 0, &st, 02);
}
