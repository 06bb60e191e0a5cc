/* SPDX-License-Identifier: MIT */
/* What the files that make plans share. */
#ifndef CSHM_HDF5_PLAN_INTERNAL_H
#define CSHM_HDF5_PLAN_INTERNAL_H

#include "hdf5/loader.h"
#include "hdf5/plan.h"

struct cshm_planner {
    struct cshm_loader *loader;
    struct cshm_arena *arena;
    unsigned depth; /* of types within types */
};

/* Fills `plan` (zeroed) and `*memory`, which is the caller's. */
int cshm_plan_type(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan, hid_t *memory);

/* One class of types each. */
int cshm_plan_integer(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                      hid_t *memory);
int cshm_plan_float(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                    hid_t *memory);
int cshm_plan_bitfield(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                       hid_t *memory);
int cshm_plan_time(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan, hid_t *memory);
int cshm_plan_enum(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan, hid_t *memory);
int cshm_plan_compound(struct cshm_planner *planner, hid_t type, struct cshm_plan *plan,
                       hid_t *memory);

/* The type as it is in the file, as bytes nobody interprets; `what` is the reason for the warning.
 */
int cshm_plan_raw(struct cshm_planner *planner, hid_t type, const char *what,
                  struct cshm_plan *plan, hid_t *memory);

/* Takes over a type libhdf5 just made: 0, or its error. */
int cshm_plan_take(struct cshm_planner *planner, hid_t made, hid_t *memory);

int cshm_plan_no_memory(struct cshm_planner *planner);

#endif
