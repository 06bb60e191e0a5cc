/* SPDX-License-Identifier: MIT */
/* A text that is renamed onto a sidecar: it is judged there, as if it had been written. */
#ifndef MOUNT_SIDECAR_ONTO_H
#define MOUNT_SIDECAR_ONTO_H

#include "sidecar_place.h"

struct sidecar_onto {
    struct daemon *daemon;
    fuse_req_t request;
    struct inode *to;
    const char *new_name;
    unsigned flags;
    struct sidecar_author author;
    struct sidecar_place place; /* points into itself */
    char *key;                  /* a copy of its own */
};

/*
 * Who may write there, and where it is. o->key is the caller's to free, also after an error.
 * -EEXIST (RENAME_NOREPLACE), -EINVAL (other flags), -EACCES, and the errors of sidecar_place().
 */
int sidecar_onto_find(struct sidecar_onto *o);

/* Judges the text; `source` and `segment` as in struct sidecar_text. */
int sidecar_onto_write(struct sidecar_onto *o, struct cshm_text text,
                       const struct change_path *source, const char *segment);

/* The kernel has moved another inode to that name. */
void sidecar_onto_tell(const struct sidecar_onto *o);

#endif
