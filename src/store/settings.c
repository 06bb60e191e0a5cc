/* SPDX-License-Identifier: MIT */
#include "store/settings.h"

#include <errno.h>
#include <grp.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"

#define DEFAULT_ROOT    "/tmp/cute-shm"
#define DEFAULT_SHM_DIR "/dev/shm"
#define SYSTEM_CONFIG   "/etc/cuteshmfs.conf"
#define CONFIG_NAME     "cuteshmfs.conf"

static int set_string(char **where, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free(*where);
    *where = copy;
    return 0;
}

int cshm_settings_parse_mode(const char *text, mode_t *out)
{
    size_t length = strlen(text);
    if (length == 0 || length > 5 || strspn(text, "01234567") != length)
        return -EINVAL;
    unsigned long mode = strtoul(text, NULL, 8);
    if (mode > 0777)
        return -EINVAL;
    *out = (mode_t)mode;
    return 0;
}

static int parse_group(const char *text, gid_t *out)
{
    const struct group *entry = getgrnam(text);
    if (entry) {
        *out = entry->gr_gid;
        return 0;
    }
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || *end || end == text || text[0] == '-' || number >= (gid_t)-1)
        return -EINVAL;
    *out = (gid_t)number;
    return 0;
}

struct reading {
    struct cshm_settings *settings;
    char wrong_value[128];
    int code;
};

static int take_setting(struct cshm_settings *settings, const char *key, const char *value)
{
    if (strcmp(key, "root") == 0)
        return set_string(&settings->root, value);
    if (strcmp(key, "shm_dir") == 0)
        return set_string(&settings->shm_dir, value);
    if (strcmp(key, "mountpoint") == 0)
        return set_string(&settings->mountpoint, value);
    if (strcmp(key, "mode") == 0)
        return cshm_settings_parse_mode(value, &settings->mode);
    if (strcmp(key, "group") == 0)
        return parse_group(value, &settings->group);
    return -ENOKEY;
}

/* inih's handler: 1 goes on, 0 marks the line as wrong. */
static int on_setting(void *user, const char *section, const char *key, const char *value)
{
    struct reading *reading = user;
    if (reading->code < 0)
        return 0;
    reading->code = section[0] ? -ENOKEY : take_setting(reading->settings, key, value);
    if (reading->code < 0)
        (void)snprintf(reading->wrong_value, sizeof reading->wrong_value, "%s = %s", key, value);
    return reading->code == 0;
}

static int read_config(struct cshm_settings *settings, const char *path, bool must_exist,
                       struct cshm_error *error)
{
    CSHM_AUTO_FILE FILE *file = fopen(path, "re");
    if (!file) {
        if (errno == ENOENT && !must_exist)
            return 0;
        return cshm_fail_errno(error, -errno, "%s", path);
    }
    struct reading reading = {.settings = settings};
    int line = ini_parse_file(file, on_setting, &reading);
    if (line == 0)
        return 0;
    if (line < 0 || reading.code == -ENOMEM)
        return cshm_fail_errno(error, -ENOMEM, "%s", path);
    if (reading.code == 0)
        return cshm_fail(error, -EINVAL, "%s:%d: not a `key = value` line", path, line);
    return cshm_fail(error, -EINVAL,
                     "%s:%d: %s: %s (known: root, shm_dir, mode, group, mountpoint; no sections)",
                     path, line, reading.wrong_value,
                     reading.code == -ENOKEY ? "unknown setting" : "bad value");
}

static int read_user_config(struct cshm_settings *settings, struct cshm_error *error)
{
    const char *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    CSHM_AUTO_FREE char *path = NULL;
    int length = -1;
    if (base && base[0] == '/')
        length = asprintf(&path, "%s/" CONFIG_NAME, base);
    else if (home && home[0] == '/')
        length = asprintf(&path, "%s/.config/" CONFIG_NAME, home);
    else
        return 0;
    if (length < 0) {
        path = NULL;
        return cshm_fail(error, -ENOMEM, "out of memory");
    }
    return read_config(settings, path, false, error);
}

static int read_configs(struct cshm_settings *settings, const char *config,
                        struct cshm_error *error)
{
    if (config)
        return read_config(settings, config, true, error);
    int result = read_config(settings, SYSTEM_CONFIG, false, error);
    return result < 0 ? result : read_user_config(settings, error);
}

static int override(char **where, const char *flag, const char *variable, const char *fallback)
{
    const char *environment = getenv(variable);
    if (flag)
        return set_string(where, flag);
    if (environment && environment[0])
        return set_string(where, environment);
    return *where ? 0 : set_string(where, fallback);
}

int cshm_settings_load(const char *root, const char *shm_dir, const char *config,
                       struct cshm_settings *out, struct cshm_error *error)
{
    *out = (struct cshm_settings){.mode = 0600, .group = (gid_t)-1};
    int result = read_configs(out, config, error);
    if (result < 0)
        return result;
    if (override(&out->root, root, "CUTE_SHM_ROOT", DEFAULT_ROOT) < 0 ||
        override(&out->shm_dir, shm_dir, "CUTE_SHM_DIR", DEFAULT_SHM_DIR) < 0)
        return cshm_fail(error, -ENOMEM, "out of memory");
    return 0;
}

void cshm_settings_finish(struct cshm_settings *settings)
{
    free(settings->root);
    free(settings->shm_dir);
    free(settings->mountpoint);
    *settings = (struct cshm_settings){0};
}
