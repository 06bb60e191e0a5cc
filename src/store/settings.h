/* SPDX-License-Identifier: MIT */
/*
 * Where things are and how new ones are made. A flag beats the environment, the environment beats
 * the configuration file, the file beats the default.
 */
#ifndef CSHM_STORE_SETTINGS_H
#define CSHM_STORE_SETTINGS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct cshm_settings {
    char *root;       /* registry; default /tmp/cute-shm */
    char *shm_dir;    /* default /dev/shm */
    char *mountpoint; /* only from the configuration file; NULL: not said */
    mode_t mode;      /* of new segments and manifests; default 0600 */
    gid_t group;      /* (gid_t)-1: not said */
};

/*
 * Resolves everything. `root`, `shm_dir` and `config` are the flags' values or NULL. With `config`
 * only that file is read (-ENOENT if it is not there); without, /etc/cuteshmfs.conf and then
 * $XDG_CONFIG_HOME/cuteshmfs.conf (or ~/.config/cuteshmfs.conf), each where it exists. Reads
 * CUTE_SHM_ROOT and CUTE_SHM_DIR. The file is INI, keys before any section: root, shm_dir, mode
 * (octal), group (name or number), mountpoint; an unknown key is -EINVAL with the line. An existing
 * registry or shared memory directory is not looked at. `out` is finished by the caller also after
 * an error.
 */
int cshm_settings_load(const char *root, const char *shm_dir, const char *config,
                       struct cshm_settings *out, struct cshm_error *error);
void cshm_settings_finish(struct cshm_settings *settings);

/* An octal mode as users write it ("644", "0640"): at most 0777. -EINVAL otherwise. */
int cshm_settings_parse_mode(const char *text, mode_t *out);

#endif
