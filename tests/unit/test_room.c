/* SPDX-License-Identifier: MIT */
/* Limits as the kernel tells them, in directories that look like /proc and /sys. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "store/room.h"

#define MEBIBYTE ((uint64_t)1 << 20)

static int set_up(void **state)
{
    char *top = strdup("/tmp/cuteshm-unit-XXXXXX");
    assert_non_null(top);
    assert_non_null(mkdtemp(top));
    *state = top;
    return 0;
}

static int tear_down(void **state)
{
    CSHM_AUTO_FREE char *top = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r %s", top);
    return system(command);
}

/* Makes the file with the directories above it. */
static void put(const char *top, const char *path, const char *text)
{
    char whole[512];
    (void)snprintf(whole, sizeof whole, "%s%s", top, path);
    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(whole, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    CSHM_AUTO_FILE FILE *file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
}

static void put_mounts(const char *top)
{
    put(top, "/proc/self/mountinfo",
        "22 1 0:21 / /proc rw,nosuid - proc proc rw\n"
        "35 31 0:32 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n"
        "36 31 0:33 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory\n"
        "37 31 0:34 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
}

static void available_memory_is_read(void **state)
{
    const char *top = *state;
    assert_true(cshm_room_available(top) == UINT64_MAX); /* no /proc */
    put(top, "/proc/meminfo", "MemTotal: 100 kB\nMemFree:  10 kB\nMemAvailable:      64 kB\n");
    assert_true(cshm_room_available(top) == 65536);
    put(top, "/proc/meminfo", "MemAvailable: 18446744073709551615 kB\n");
    assert_true(cshm_room_available(top) == UINT64_MAX);
}

static void without_a_control_group_there_is_no_limit(void **state)
{
    const char *top = *state;
    assert_true(cshm_room_cgroup(top) == UINT64_MAX);
    put_mounts(top);
    assert_true(cshm_room_cgroup(top) == UINT64_MAX);
    put(top, "/proc/self/cgroup", "nonsense\n:\n0\n3:cpu:/x\n4:memory:/gone\n0::/gone/too\n");
    assert_true(cshm_room_cgroup(top) == UINT64_MAX);
}

static void put_v2(const char *top, const char *group, const char *max, const char *current,
                   const char *stat)
{
    char path[256];
    (void)snprintf(path, sizeof path, "/sys/fs/cgroup/unified%s/memory.max", group);
    put(top, path, max);
    (void)snprintf(path, sizeof path, "/sys/fs/cgroup/unified%s/memory.current", group);
    put(top, path, current);
    (void)snprintf(path, sizeof path, "/sys/fs/cgroup/unified%s/memory.stat", group);
    put(top, path, stat);
}

static void version_2_limits_count_less_what_is_used(void **state)
{
    const char *top = *state;
    put_mounts(top);
    put(top, "/proc/self/cgroup", "0::/job/step\n");
    put_v2(top, "/job/step", "104857600\n", "41943040\n", "anon 1\ninactive_file 10485760\n");
    assert_true(cshm_room_cgroup(top) == 70 * MEBIBYTE); /* file cache can be taken back */
    put_v2(top, "/job/step", "max\n", "41943040\n", "inactive_file 0\n");
    assert_true(cshm_room_cgroup(top) == UINT64_MAX);
    put_v2(top, "/job/step", "10485760\n", "41943040\n", "inactive_file 0\n");
    assert_true(cshm_room_cgroup(top) == 0); /* over its limit already */
}

static void the_tightest_group_above_counts(void **state)
{
    const char *top = *state;
    put_mounts(top);
    put(top, "/proc/self/cgroup", "0::/job/step\n");
    put_v2(top, "/job/step", "max\n", "0\n", "inactive_file 0\n");
    put_v2(top, "/job", "20971520\n", "1048576\n", "inactive_file 0\n");
    assert_true(cshm_room_cgroup(top) == 19 * MEBIBYTE);
}

static void version_1_limits_count(void **state)
{
    const char *top = *state;
    put_mounts(top);
    put(top, "/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/job\n0::/\n");
    put(top, "/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "67108864\n");
    put(top, "/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "10485760\n");
    put(top, "/sys/fs/cgroup/memory/job/memory.stat",
        "inactive_file 1\ntotal_inactive_file 2097152\n");
    assert_true(cshm_room_cgroup(top) == 56 * MEBIBYTE);
}

/* A container sees the host's path of its group, but only the group itself is mounted there. */
static void a_path_that_is_not_mounted_is_looked_for_at_the_mount(void **state)
{
    const char *top = *state;
    put_mounts(top);
    put(top, "/proc/self/cgroup", "4:memory:/docker/0123\n");
    put(top, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "33554432\n");
    put(top, "/sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
    assert_true(cshm_room_cgroup(top) == 32 * MEBIBYTE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(available_memory_is_read),
        TEST(without_a_control_group_there_is_no_limit),
        TEST(version_2_limits_count_less_what_is_used),
        TEST(the_tightest_group_above_counts),
        TEST(version_1_limits_count),
        TEST(a_path_that_is_not_mounted_is_looked_for_at_the_mount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
