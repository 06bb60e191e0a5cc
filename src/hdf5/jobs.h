/* SPDX-License-Identifier: MIT */
#ifndef CSHM_HDF5_JOBS_H
#define CSHM_HDF5_JOBS_H

/* Processors this process may use: of its affinity, and by the quota of its cgroup. At least 1. */
unsigned cshm_jobs_available(void);

#endif
