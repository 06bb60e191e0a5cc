/* SPDX-License-Identifier: MIT */
#include "hdf5/loader.h"

#include <errno.h>
#include <stdio.h>

enum { RESERVED_PER_MS = 100 * 1024 };

static herr_t take_reason(unsigned n, const H5E_error2_t *entry, void *context)
{
    (void)n;
    struct cshm_reasons *reasons = context;
    if (!entry->desc || !entry->desc[0])
        return 0;
    /* "can't open directory" of the search for plugins hides which filter is missing. */
    bool is_better = !reasons->inner[0] || reasons->is_inner_plugin;
    if (is_better) {
        reasons->is_inner_plugin = entry->maj_num == H5E_PLUGIN;
        (void)snprintf(reasons->inner, sizeof reasons->inner, "%s", entry->desc);
    } else {
        (void)snprintf(reasons->outer, sizeof reasons->outer, "%s", entry->desc);
    }
    return 0;
}

void cshm_reasons_take(struct cshm_reasons *reasons)
{
    *reasons = (struct cshm_reasons){0};
    /* Upward: from the innermost call on. */
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_reason, reasons);
    (void)H5Eclear2(H5E_DEFAULT);
}

int cshm_loader_fail_h5(struct cshm_loader *loader, const char *format, ...)
{
    struct cshm_reasons reasons;
    cshm_reasons_take(&reasons);
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    cshm_loader_beat(loader);
    if (reasons.outer[0] && reasons.inner[0])
        return cshm_fail(&loader->error, -EINVAL, "%s: %s (%s)", what, reasons.outer,
                         reasons.inner);
    const char *reason = reasons.inner[0] ? reasons.inner : reasons.outer;
    return cshm_fail(&loader->error, -EINVAL, "%s: %s", what,
                     reason[0] ? reason : "libhdf5 failed");
}

int cshm_loader_fail_all(struct cshm_loader *loader, int code, const char *format, ...)
{
    char text[sizeof loader->error.text];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    loader->fatal = true;
    return cshm_fail(&loader->error, code, "%s", text);
}

void cshm_loader_be_patient(struct cshm_loader *loader, uint64_t bytes)
{
    /* It zeroes what it reserves: half a second a gigabyte, ten on a bad day. */
    atomic_store_explicit(&loader->channel->page->patience_ms, bytes / RESERVED_PER_MS,
                          memory_order_relaxed);
    cshm_loader_beat(loader);
}

int cshm_loader_fail_room(struct cshm_loader *loader, const struct cshm_node *node, int code)
{
    char size[32];
    loader->fatal = true;
    return cshm_fail_errno(&loader->error, code, "cannot reserve %s in %s",
                           cshm_bytes_to_human(cshm_bytes_below(node), size),
                           loader->store->shm_dir);
}

int cshm_loader_give_up(struct cshm_loader *loader, const char *path, int code)
{
    if (loader->error.code == 0)
        (void)cshm_fail_errno(&loader->error, code, "cannot be loaded");
    (void)cshm_error_prefix(&loader->error, "%s", path);
    if (!loader->skip_errors || loader->fatal)
        return code;
    cshm_channel_send(loader->channel, CSHM_MESSAGE_SKIPPED, code, loader->error.text,
                      strlen(loader->error.text));
    loader->error = (struct cshm_error){0};
    loader->result.skipped++;
    return 0;
}

int cshm_loader_give_up_node(struct cshm_loader *loader, const struct cshm_node *node, int code)
{
    char path[CSHM_PATH_TEXT_MAX];
    return cshm_loader_give_up(loader, cshm_node_path(node, path, sizeof path), code);
}

void cshm_loader_warn(struct cshm_loader *loader, const char *path, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* As an error that nobody returns: its control characters are escaped. */
    struct cshm_error line = {0};
    (void)cshm_fail(&line, -1, "%s: %s", path, text);
    cshm_channel_send(loader->channel, CSHM_MESSAGE_WARNING, 0, line.text, strlen(line.text));
}
