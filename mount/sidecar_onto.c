/* SPDX-License-Identifier: MIT */
#include "sidecar_onto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_target(struct sidecar_onto *o, const struct sight *sight)
{
    int result = sidecar_place(sight->picture, sight->node, o->new_name, &o->place);
    if (result < 0)
        return result;
    if (sight->picture->closed)
        return -EACCES;
    if (o->place.exists && o->flags & RENAME_NOREPLACE)
        return -EEXIST;
    const struct entries *looks = &o->place.looks;
    if (looks->has_segment ? !sidecar_asker_may(o->request, &looks->segment, 02)
                           : change_check_asker(sight->picture, o->request) < 0)
        return -EACCES;
    if (looks->has_segment)
        o->author.segment = looks->segment.st_ino;
    o->author.right = right_to(sight->picture, o->place.node);
    o->key = malloc(o->place.key.length + 1);
    if (!o->key)
        return -ENOMEM;
    if (o->place.key.length > 0)
        memcpy(o->key, o->place.key.bytes, o->place.key.length);
    return 0;
}

int sidecar_onto_find(struct sidecar_onto *o)
{
    struct sight sight;
    if (o->flags & ~(unsigned)RENAME_NOREPLACE)
        return -EINVAL;
    int result = sight_begin(o->daemon, o->to, &sight);
    if (result < 0)
        return result;
    result = check_target(o, &sight);
    sight_end(&sight);
    return result;
}

int sidecar_onto_write(struct sidecar_onto *o, struct cshm_text text,
                       const struct change_path *source, const char *segment)
{
    const struct cshm_text key = {o->key, o->place.key.length};
    const bool is_meta = o->place.kind == INODE_META;
    const struct sidecar_text written = {.directory = o->to,
                                         .key = key,
                                         .is_meta = is_meta,
                                         .text = text,
                                         .author = &o->author,
                                         .is_new = true,
                                         .source = source,
                                         .source_segment = segment};
    int result = sidecar_judge(o->daemon, &written);
    if (result == 0)
        (void)sidecar_detach(o->daemon, o->to, is_meta, key);
    return result;
}

void sidecar_onto_tell(const struct sidecar_onto *o)
{
    const struct cshm_text key = {o->key, o->place.key.length};
    struct inode *inode = inode_find(&o->daemon->inodes, o->place.kind, o->to, key);
    herald_entry(&o->daemon->herald, o->to, o->new_name, inode);
    if (inode)
        inode_drop(&o->daemon->inodes, inode, 1);
}
