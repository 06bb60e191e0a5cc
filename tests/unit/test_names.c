/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/names.h"

#define TEXT(literal) ((struct cshm_text){literal, sizeof(literal) - 1})

static void project_names_follow_the_rule(void **state)
{
    (void)state;
    char long_name[202];
    memset(long_name, 'x', 201);
    long_name[201] = '\0';
    assert_int_equal(cshm_project_name_check("myproject"), 0);
    assert_int_equal(cshm_project_name_check("a b.c-d_\xc3\xa9"), 0);
    assert_int_equal(cshm_project_name_check(long_name), -ENAMETOOLONG);
    assert_int_equal(cshm_project_name_check(long_name + 1), 0);
    static const char *const bad[] = {
        "",       ".hidden", "a/b",        "x.meta",     "x.npy",
        "a\nb",   "\x7f",    "bad\xff",    "c1\xc2\x85", "\xc0\x80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(cshm_project_name_check(bad[i]), -EINVAL);
}

static void segment_names_have_one_exact_form(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"cute-shm.myproject.Qw3rT9yUiO", true},
        {"cute-shm.P.x.Qw3rT9yUiO", true}, /* project "P.x" */
        {"cute-shm.myproject.Qw3rT9yUi", false},
        {"cute-shm.myproject.Qw3rT9yUiO1", false},
        {"cute-shm.myproject.Qw3rT9yUi_", false},
        {"cute-shm..Qw3rT9yUiO", false},
        {"cute-shm.Qw3rT9yUiO", false},
        {"cute-shm.a/b.Qw3rT9yUiO", false},
        {"cute-shm...Qw3rT9yUiO", false},
        {"../cute-shm.p.Qw3rT9yUiO", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(cshm_segment_name_valid(cases[i].name, strlen(cases[i].name)),
                         cases[i].valid);
}

static void made_segment_names_are_valid_and_differ(void **state)
{
    (void)state;
    char one[CSHM_SEGMENT_NAME_SIZE];
    char two[CSHM_SEGMENT_NAME_SIZE];
    char project[CSHM_PROJECT_NAME_MAX + 1];
    memset(project, 'p', CSHM_PROJECT_NAME_MAX);
    project[CSHM_PROJECT_NAME_MAX] = '\0';
    assert_int_equal(cshm_segment_name_make(project, one), 0);
    assert_int_equal(cshm_segment_name_make(project, two), 0);
    assert_true(cshm_segment_name_valid(one, strlen(one)));
    assert_string_not_equal(one, two);
}

static void manifest_names_lead_back_to_projects(void **state)
{
    (void)state;
    char name[CSHM_SEGMENT_NAME_SIZE];
    char project[CSHM_PROJECT_NAME_MAX + 1];
    cshm_manifest_name("my.project", name);
    assert_string_equal(name, "cute-shm.my.project.toml");
    assert_int_equal(cshm_manifest_project(name, project), 0);
    assert_string_equal(project, "my.project");
    assert_int_equal(cshm_manifest_project("cute-shm..toml", project), -EINVAL);
    assert_int_equal(cshm_manifest_project("cute-shm.toml", project), -EINVAL);
    assert_int_equal(cshm_manifest_project(".new.123", project), -EINVAL);
}

static const struct {
    struct cshm_text key;
    const char *name;
} encodings[] = {
    {TEXT("plain"), "plain"},
    {TEXT(""), "%"},
    {TEXT("%"), "%25"},
    {TEXT("."), "%2E"},
    {TEXT(".."), "%2E%2E"},
    {TEXT("..."), "..."},
    {TEXT(".hidden"), ".hidden"},
    {TEXT("a/b"), "a%2Fb"},
    {TEXT("nul\0l"), "nul%00l"},
    {TEXT("x.meta"), "x%2Emeta"},
    {TEXT(".meta"), "%2Emeta"},
    {TEXT("x.npy"), "x%2Enpy"},
    {TEXT("x.meta.y"), "x.meta.y"},
    {TEXT("100%"), "100%"},
    {TEXT("%2F"), "%252F"},
    {TEXT("%2f"), "%2f"}, /* only the spellings this encoding gives need care */
    {TEXT("%25"), "%2525"},
    {TEXT("%41"), "%41"},
    {TEXT("a%~0123456789abcdef"), "a%25~0123456789abcdef"},
    {TEXT("a%~0123456789abcdefg"), "a%~0123456789abcdefg"},
    {TEXT("bad\xff"), "bad\xff"},
    {TEXT(" spaces "), " spaces "},
    {TEXT("new\nline"), "new\nline"},
    {TEXT("e\xcc\x81"), "e\xcc\x81"}, /* not normalised: another name than U+00E9 */
};

static void keys_become_directory_entries_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        char name[CSHM_FSNAME_MAX + 1];
        char key[CSHM_FSNAME_MAX + 1];
        size_t length;
        cshm_fsname_encode(encodings[i].key, name);
        assert_string_equal(name, encodings[i].name);
        assert_int_equal(cshm_fsname_decode(name, key, &length), 0);
        assert_int_equal(length, encodings[i].key.length);
        assert_memory_equal(key, encodings[i].key.bytes, length);
    }
}

static void each_key_has_one_directory_entry_only(void **state)
{
    (void)state;
    static const char *const others[] = {"a%2Eb", "%2Ehidden", "%25x", "x.meta", ".", "%2E.",
                                         "%%2F%25"};
    char key[CSHM_FSNAME_MAX + 1];
    size_t length;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(cshm_fsname_decode(others[i], key, &length), -ENOENT);
}

static void long_keys_are_named_by_their_hash(void **state)
{
    (void)state;
    char key[400];
    char name[CSHM_FSNAME_MAX + 1];
    char other[CSHM_FSNAME_MAX + 1];
    char decoded[CSHM_FSNAME_MAX + 1];
    size_t length;
    for (size_t i = 0; i < sizeof key; i += 2)
        memcpy(key + i, "\xc3\xa9", 2);
    size_t size = cshm_fsname_encode((struct cshm_text){key, 300}, name);
    assert_int_equal(size, 218);
    assert_true(cshm_fsname_is_hashed(name));
    assert_true(cshm_utf8_valid(name, size));
    assert_int_equal(cshm_fsname_decode(name, decoded, &length), -ENAMETOOLONG);
    cshm_fsname_encode((struct cshm_text){key, 302}, other);
    assert_string_not_equal(name, other);
    /* 250 bytes fit, 251 do not. */
    memset(key, 'k', sizeof key);
    assert_int_equal(cshm_fsname_encode((struct cshm_text){key, 250}, name), 250);
    assert_false(cshm_fsname_is_hashed(name));
    cshm_fsname_encode((struct cshm_text){key, 251}, name);
    assert_true(cshm_fsname_is_hashed(name));
    /* Escapes are not cut in two. */
    memset(key, '/', sizeof key);
    size = cshm_fsname_encode((struct cshm_text){key, 100}, name);
    assert_int_equal(size, 198 + 18);
    assert_memory_equal(name + 195, "%2F%~", 5);
}

static void paths_are_taken_apart(void **state)
{
    (void)state;
    const char *path = "//a/%//b.c/";
    struct cshm_text entry;
    for (const char *const *expected = (const char *[]){"a", "%", "b.c", NULL}; *expected;
         expected++) {
        assert_true(cshm_fspath_next(&path, &entry));
        assert_true(cshm_text_is(entry, *expected));
    }
    assert_false(cshm_fspath_next(&path, &entry));
    assert_false(cshm_fspath_next(&path, &entry));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(project_names_follow_the_rule),
        cmocka_unit_test(segment_names_have_one_exact_form),
        cmocka_unit_test(made_segment_names_are_valid_and_differ),
        cmocka_unit_test(manifest_names_lead_back_to_projects),
        cmocka_unit_test(keys_become_directory_entries_and_back),
        cmocka_unit_test(each_key_has_one_directory_entry_only),
        cmocka_unit_test(long_keys_are_named_by_their_hash),
        cmocka_unit_test(paths_are_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
