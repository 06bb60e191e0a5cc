/* SPDX-License-Identifier: MIT */
/* The judgement of an array's sidecar: a part of sidecar_judge.c. */
#ifndef MOUNT_SIDECAR_ARRAY_H
#define MOUNT_SIDECAR_ARRAY_H

#include "format/sidecar.h"
#include "sidecar_judge.h"

/* One text on its way into the manifest. */
struct judgement {
    const struct sidecar_text *text;
    struct cshm_tree *scratch;
    struct cshm_node *parsed; /* in `scratch` */
    struct cshm_sidecar_hints hints;
    int parsed_result;
    struct cshm_error parse_error;

    /* Under the picture's lock, anew at each attempt. */
    struct change *change;
    struct cshm_node *node;             /* what it is the sidecar of; NULL: nothing yet */
    uint64_t remark;                    /* whose (remark.h); 0: nobody's */
    struct cshm_error told;             /* why it is refused */
    char grown[CSHM_SEGMENT_NAME_SIZE]; /* segment that has another length now; "": none */
};

int judge_array(struct judgement *judgement);

/*
 * Commits these operations, and with them the removal of the text's source. Nothing at all where
 * there are none.
 */
int judgement_commit(struct judgement *judgement, const struct cshm_operation *operations,
                     size_t count, const struct change_segment *made);

#endif
