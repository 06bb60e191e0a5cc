/* SPDX-License-Identifier: MIT */
#include "hdf5/jobs.h"

#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

enum { PATH_SIZE = 4096 };

static unsigned processors_of_affinity(void)
{
    for (size_t most = 1024; most <= (size_t)1 << 20; most *= 4) {
        cpu_set_t *set = CPU_ALLOC(most);
        size_t size = CPU_ALLOC_SIZE(most);
        if (!set)
            return 1;
        int result = sched_getaffinity(0, size, set);
        int count = result == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return (unsigned)count;
    }
    return 1;
}

/* Two numbers as the kernel writes them, in one file or two; "max" and -1 are no quota. */
static unsigned of_quota(const char *quota_path, const char *period_path)
{
    CSHM_AUTO_FILE FILE *file = fopen(quota_path, "re");
    CSHM_AUTO_FILE FILE *other = period_path ? fopen(period_path, "re") : NULL;
    long long quota, period;
    if (!file || fscanf(file, "%lld", &quota) != 1)
        return UINT32_MAX;
    if ((period_path && !other) || fscanf(other ? other : file, "%lld", &period) != 1)
        return UINT32_MAX;
    if (quota <= 0 || period <= 0)
        return UINT32_MAX;
    long long whole = (quota - 1) / period + 1;
    return whole < UINT32_MAX ? (unsigned)whole : UINT32_MAX;
}

/* The process's own group of cgroup v2 and those above it; the root has no file. */
static unsigned of_groups(void)
{
    char line[PATH_SIZE];
    CSHM_AUTO_FILE FILE *file = fopen("/proc/self/cgroup", "re");
    unsigned least = UINT32_MAX;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "0::/", 4) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        for (char *end = line + strlen(line); end && end > line + 2; end = strrchr(line, '/')) {
            char path[PATH_SIZE + 64];
            *end = '\0';
            (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", line + 3);
            unsigned count = of_quota(path, NULL);
            least = count < least ? count : least;
        }
    }
    return least;
}

unsigned cshm_jobs_available(void)
{
    unsigned counts[] = {
        processors_of_affinity(),
        of_groups(),
        of_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    };
    unsigned least = UINT32_MAX;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        least = counts[i] < least ? counts[i] : least;
    return least ? least : 1;
}
