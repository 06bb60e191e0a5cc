/* SPDX-License-Identifier: MIT */
/* Changes from the inside, for who does several things under one lock. */
#ifndef CSHM_STORE_CHANGE_H
#define CSHM_STORE_CHANGE_H

#include "store/project.h"

/*
 * Takes the registry's lock, finishes what a dead one left between two projects, and brings the
 * project up to date. To be ended in every case. Errors as of cshm_project_change().
 */
int cshm_change_begin(const struct cshm_store *store, const char *name,
                      struct cshm_project *project, struct cshm_error *error);
void cshm_change_end(struct cshm_project *project);

/* cshm_project_commit() of a project that is up to date; the registry's lock is held. */
int cshm_project_commit_locked(const struct cshm_store *store, const char *name,
                               struct cshm_project *project, const struct cshm_commit *what,
                               struct cshm_error *error);

#endif
