/* SPDX-License-Identifier: MIT */
/*
 * Renames that are writes: an array onto a sidecar, whose text its bytes are (how editors, sed -i
 * and rsync write), and a sidecar onto anything, which is a copy of its text there. The kernel
 * moves its inode to the new name all the same, so both names are told anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "manuscript.h"
#include "model/fit.h"
#include "sidecar_onto.h"
#include "store/registry.h"
#include "store/segment.h"
#include "view.h"

static void tell(struct daemon *daemon, struct inode *directory, const char *name)
{
    herald_entry(&daemon->herald, directory, name, NULL);
}

/* --- An array onto a sidecar --------------------------------------------------------------------
 */

struct source {
    struct change_path path;
    char segment[CSHM_SEGMENT_NAME_SIZE];
    mode_t mode;
    char *text;
    size_t length;
};

static void finish_source(struct source *source)
{
    change_path_finish(&source->path);
    free(source->text);
}

static int read_all(int fd, char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = pread(fd, bytes + done, length - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) /* cut short meanwhile */
            return got < 0 ? -errno : -ESTALE;
        done += (size_t)got;
    }
    return 0;
}

static int read_source(const struct sidecar_onto *o, const struct sight *sight,
                       const struct entry *entry, struct source *out)
{
    const struct stat *st = &entry->looks.segment;
    const struct cshm_description *described = entry->node->described;
    uint64_t length = entries_size(entry->node, st);
    if (!described->undeclared)
        return -EINVAL;
    if (!sidecar_asker_may(o->request, st, 04))
        return -EACCES;
    if (length > MANUSCRIPT_BYTES_MAX)
        return -EFBIG;
    CSHM_AUTO_FD int fd = -1;
    int result = cshm_segment_open(o->daemon->store, described->segment,
                                   sight->picture->project.uid, O_RDONLY, st->st_ino, &fd);
    if (result == 0)
        result = change_path_make(entry->node, NULL, &out->path);
    if (result < 0)
        return result;
    (void)snprintf(out->segment, sizeof out->segment, "%s", described->segment);
    out->mode = st->st_mode & 0777;
    out->length = length;
    out->text = malloc(length + 1);
    return out->text ? read_all(fd, out->text, length) : -ENOMEM;
}

static int find_source(const struct sidecar_onto *o, struct inode *from, const char *name,
                       struct source *out)
{
    struct sight sight;
    struct entry entry;
    int result = sight_begin(o->daemon, from, &sight);
    if (result < 0)
        return result;
    entry_find(sight.picture, sight.node, name, &entry);
    if (entry.kind == ENTRY_DATA)
        result = read_source(o, &sight, &entry, out);
    else
        result = entry.kind == ENTRY_GROUP ? -ENOTDIR : -ENOENT;
    sight_end(&sight);
    return result;
}

static int take(struct sidecar_onto *o, struct inode *from, const char *name)
{
    struct source source = {0};
    int result = find_source(o, from, name, &source);
    if (result == 0)
        result = sidecar_onto_find(o);
    if (result == 0) {
        o->author.mode = source.mode;
        result = sidecar_onto_write(o, (struct cshm_text){source.text, source.length}, &source.path,
                                    source.segment);
    }
    if (result == 0) {
        tell(o->daemon, from, name);
        sidecar_onto_tell(o);
    }
    free(o->key);
    finish_source(&source);
    return result;
}

int sidecar_take(struct daemon *daemon, fuse_req_t request, struct inode *from, const char *name,
                 struct inode *to, const char *new_name, unsigned flags)
{
    struct sidecar_onto onto = {.daemon = daemon,
                                .request = request,
                                .to = to,
                                .new_name = new_name,
                                .flags = flags,
                                .author = {.who = *fuse_req_ctx(request)}};
    return take(&onto, from, name);
}

/* --- A sidecar onto anything --------------------------------------------------------------------
 */

/* A sidecar's text, and whose it is. */
struct copy {
    struct daemon *daemon;
    struct cshm_buffer text;
    struct stat st; /* owner and mode */
    bool is_draft;
    const char *new_name;
    const char *own_segment; /* of the array whose sidecar it is */
    char segment[CSHM_SEGMENT_NAME_SIZE];
    unsigned flags;
};

static int read_draft(struct copy *copy, struct inode *inode)
{
    if (!manuscript_draft_attributes(inode, &copy->st))
        return -ENOENT;
    struct manuscript *manuscript = manuscript_join(inode, false);
    if (!manuscript)
        return -ENOENT;
    size_t length = SIZE_MAX;
    CSHM_AUTO_FREE char *bytes = manuscript_copy(manuscript, 0, &length);
    if (bytes)
        cshm_buffer_add(&copy->text, bytes, length);
    manuscript_close(copy->daemon, manuscript);
    copy->is_draft = true;
    return bytes ? copy->text.error : -ENOMEM;
}

static int read_shown(struct copy *copy, struct inode *inode)
{
    struct sight sight;
    int result = sight_begin(copy->daemon, inode, &sight);
    if (result < 0)
        return result;
    const char *segment = inode->kind == INODE_SIDECAR ? cshm_node_segment(sight.node) : NULL;
    if (segment) {
        (void)snprintf(copy->segment, sizeof copy->segment, "%s", segment);
        copy->own_segment = copy->segment;
    }
    result = sight_attributes(copy->daemon, inode, &sight, &copy->st);
    if (result == 0)
        result = view_sidecar_render(copy->daemon, &sight, &copy->text);
    sight_end(&sight);
    return result;
}

/* What is written and unjudged is the text as well as what is shown: a draft has nothing else. */
static int read_sidecar(struct copy *copy, fuse_req_t request, struct inode *from, const char *name)
{
    struct sight sight;
    struct sidecar_place place;
    int result = sight_begin(copy->daemon, from, &sight);
    if (result < 0)
        return result;
    struct inode *inode = NULL;
    result = sidecar_place(sight.picture, sight.node, name, &place);
    if (result == 0) {
        struct inode_key key = {.kind = place.kind, .parent = from, .key = place.key};
        inode = inode_get(&copy->daemon->inodes, &key);
    }
    sight_end(&sight);
    if (result < 0 || !inode)
        return result < 0 ? result : -ENOMEM;
    result = read_shown(copy, inode);
    if (result == -ENOENT)
        result = read_draft(copy, inode);
    inode_drop(&copy->daemon->inodes, inode, 1);
    if (result == 0 && !sidecar_asker_may(request, &copy->st, 04))
        result = -EACCES;
    return result;
}

static int write_all(int fd, const struct cshm_buffer *text)
{
    for (size_t done = 0; done < text->length;) {
        ssize_t put = pwrite(fd, text->bytes + done, text->length - done, (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        done += (size_t)put;
    }
    return 0;
}

/* What the array that gets the text is: what was declared of one that is there, or bytes. */
static int describe_copy(const struct copy *copy, const struct cshm_node *there,
                         struct cshm_tree *scratch, struct cshm_node *out)
{
    struct cshm_dtype bytes;
    const struct cshm_description *declared = there ? there->described : NULL;
    struct cshm_description *described = cshm_tree_describe(scratch, out);
    if (!described)
        return -ENOMEM;
    if (declared && !declared->undeclared && declared->rank >= 0 && declared->dtype->kind) {
        *described = *declared;
        described->next_holder = described->previous_holder = NULL;
        out->attributes = there->attributes;
        return cshm_tree_fit(scratch, out, copy->text.length, false);
    }
    described->undeclared = true;
    int result = cshm_dtype_parse("uint8", 5, &bytes);
    return result < 0 ? result : cshm_tree_fit_vector(scratch, out, &bytes, copy->text.length);
}

static int check_replaced(const struct copy *copy, const struct cshm_node *there)
{
    if (!there)
        return 0;
    if (there->type == CSHM_NODE_GROUP)
        return -EISDIR;
    if (copy->flags & RENAME_NOREPLACE)
        return -EEXIST;
    const char *segment = cshm_node_segment(there);
    return segment && copy->own_segment && strcmp(segment, copy->own_segment) == 0 ? -EINVAL : 0;
}

/* What he may not read of it is nothing that a text of his takes over. */
static const struct cshm_node *readable(const struct change *change, const struct cshm_node *there)
{
    struct entries looks = {0};
    if (there && there->type == CSHM_NODE_ARRAY)
        entries_of(change->picture, there, &looks);
    return change_asker_reads(&looks, change->request) ? there : NULL;
}

static int put_copy(struct change *change, void *context)
{
    const struct copy *copy = context;
    char own_key[CSHM_FSNAME_MAX + 1];
    struct cshm_node *there = cshm_node_child_by_fsname(change->group, copy->new_name);
    struct cshm_text key = there ? there->key : (struct cshm_text){NULL, 0};
    if (change_check_asker(change->picture, change->request) < 0)
        return -EACCES;
    int result =
        there ? check_replaced(copy, there) : change_new_key(copy->new_name, own_key, &key);
    if (result < 0)
        return result;
    CSHM_AUTO_TREE struct cshm_tree *scratch = cshm_tree_create();
    CSHM_AUTO_SEGMENT struct change_segment segment = {.fd = -1};
    CSHM_AUTO_PATH struct change_path path = {0};
    struct cshm_node node = {.type = CSHM_NODE_ARRAY};
    result = scratch ? describe_copy(copy, readable(change, there), scratch, &node) : -ENOMEM;
    if (result == 0)
        result = change_segment_make(change, copy->text.length, copy->st.st_mode, &segment);
    /* Whoever may not read the sidecar may not read its copy. */
    if (result == 0 && geteuid() == 0 && change->picture->project.uid == 0)
        result = cshm_registry_give(segment.fd, copy->st.st_uid, copy->st.st_gid,
                                    copy->st.st_mode & 0777);
    if (result == 0)
        result = write_all(segment.fd, &copy->text);
    if (result == 0)
        result = change_path_make(change->group, &key, &path);
    if (result < 0)
        return result;
    node.described->segment = segment.name;
    const struct cshm_made made = {.fd = segment.fd, .name = segment.name};
    const struct cshm_operation put = {
        .kind = CSHM_OPERATION_PUT, .path = path.keys, .depth = path.depth, .node = &node};
    const struct cshm_commit commit = {
        .operations = &put, .count = 1, .made = &made, .made_count = 1};
    return change_commit(change, &commit);
}

static int rename_onto_sidecar(struct copy *copy, fuse_req_t request, struct inode *to)
{
    struct sidecar_onto onto = {
        .daemon = copy->daemon,
        .request = request,
        .to = to,
        .new_name = copy->new_name,
        .flags = copy->flags,
        .author = {.who = *fuse_req_ctx(request), .mode = copy->st.st_mode & 0666}};
    int result = sidecar_onto_find(&onto);
    if (result == 0)
        result = sidecar_onto_write(&onto, (struct cshm_text){copy->text.bytes, copy->text.length},
                                    NULL, NULL);
    if (result == 0)
        sidecar_onto_tell(&onto);
    free(onto.key);
    return result;
}

int sidecar_rename(struct daemon *daemon, fuse_req_t request, struct inode *from, const char *name,
                   struct inode *to, const char *new_name, unsigned flags)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    struct copy copy = {.daemon = daemon, .new_name = new_name, .flags = flags};
    if (flags & ~(unsigned)RENAME_NOREPLACE || entries_names_npy(new_name))
        return -EINVAL;
    int result = read_sidecar(&copy, request, from, name);
    if (result == 0 && entries_names_sidecar(new_name))
        result = rename_onto_sidecar(&copy, request, to);
    else if (result == 0)
        result = change_run(daemon, request, to, put_copy, &copy);
    text = copy.text; /* to be freed */
    if (result < 0)
        return result;
    if (copy.is_draft) /* it has another name now, and what its writer adds goes nowhere */
        (void)sidecar_remove_draft(daemon, from, name);
    tell(daemon, from, name);
    tell(daemon, to, new_name);
    return 0;
}
