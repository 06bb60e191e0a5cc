/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/settings.h"

struct file {
    char path[64];
};

static int set_up(void **state)
{
    struct file *file = calloc(1, sizeof *file);
    strcpy(file->path, "/tmp/cuteshm-unit-XXXXXX");
    int fd = mkstemp(file->path);
    assert_true(fd >= 0);
    close(fd);
    unsetenv("CUTE_SHM_ROOT");
    unsetenv("CUTE_SHM_DIR");
    *state = file;
    return 0;
}

static int tear_down(void **state)
{
    struct file *file = *state;
    unlink(file->path);
    free(file);
    return 0;
}

static void put(const struct file *file, const char *text)
{
    FILE *stream = fopen(file->path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static void flag_beats_environment_beats_file_beats_default(void **state)
{
    struct file *file = *state;
    struct cshm_settings settings;
    struct cshm_error error;
    put(file, "# site\n");
    assert_int_equal(cshm_settings_load(NULL, NULL, file->path, &settings, &error), 0);
    assert_string_equal(settings.root, "/tmp/cute-shm");
    assert_string_equal(settings.shm_dir, "/dev/shm");
    assert_int_equal(settings.mode, 0600);
    cshm_settings_finish(&settings);
    put(file, "root = /file\nshm_dir=/shm-file\nmode = 0644\n");
    assert_int_equal(cshm_settings_load(NULL, NULL, file->path, &settings, &error), 0);
    assert_string_equal(settings.root, "/file");
    assert_int_equal(settings.mode, 0644);
    cshm_settings_finish(&settings);
    setenv("CUTE_SHM_ROOT", "/environment", 1);
    setenv("CUTE_SHM_DIR", "/shm-environment", 1);
    assert_int_equal(cshm_settings_load(NULL, "/shm-flag", file->path, &settings, &error), 0);
    assert_string_equal(settings.root, "/environment");
    assert_string_equal(settings.shm_dir, "/shm-flag");
    cshm_settings_finish(&settings);
}

static void a_wrong_line_is_named(void **state)
{
    struct file *file = *state;
    static const char *const wrong[] = {"root = /x\ncolour = red\n", "\nmode = 888\n",
                                        "mode = 600\n[section]\nroot = /x\n",
                                        "root = /x\nnonsense\n", "\ngroup = no such group\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct cshm_settings settings;
        struct cshm_error error = {0};
        put(file, wrong[i]);
        assert_int_equal(cshm_settings_load(NULL, NULL, file->path, &settings, &error), -EINVAL);
        char expected[80];
        (void)snprintf(expected, sizeof expected, "%s:%d: ", file->path, i == 2 ? 3 : 2);
        assert_non_null(strstr(error.text, expected));
        cshm_settings_finish(&settings);
    }
}

static void a_named_file_must_exist(void **state)
{
    (void)state;
    struct cshm_settings settings;
    struct cshm_error error;
    assert_int_equal(cshm_settings_load(NULL, NULL, "/nowhere/at/all", &settings, &error), -ENOENT);
    cshm_settings_finish(&settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flag_beats_environment_beats_file_beats_default, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_line_is_named, set_up, tear_down),
        cmocka_unit_test(a_named_file_must_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
