/* SPDX-License-Identifier: MIT */
#include "hdf5/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void write_time(const struct timespec *time, char *out, size_t size)
{
    char seconds[32];
    struct tm utc;
    out[0] = '\0';
    if (gmtime_r(&time->tv_sec, &utc) &&
        strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc))
        (void)snprintf(out, size, "%s.%09ldZ", seconds, time->tv_nsec);
}

int cshm_source_look(const char *file, const struct cshm_import_options *options,
                     struct cshm_source *out)
{
    struct stat st;
    *out = (struct cshm_source){.is_whole = !options->into, .part = CSHM_BUFFER_INIT};
    if (!realpath(file, out->path)) {
        int code = -errno;
        out->path[0] = '\0';
        return code;
    }
    if (stat(out->path, &st) < 0) {
        out->path[0] = '\0';
        return -errno;
    }
    out->size = (uint64_t)st.st_size;
    out->mtime = st.st_mtim;
    write_time(&out->mtime, out->changed, sizeof out->changed);
    for (size_t i = 0; i < options->select_count; i++) {
        if (i > 0)
            cshm_buffer_add_char(&out->part, '\n');
        cshm_buffer_add_string(&out->part, options->select[i]);
    }
    return out->part.error;
}

void cshm_source_finish(struct cshm_source *source)
{
    cshm_buffer_finish(&source->part);
}

static int keep(struct cshm_tree *tree, const char *text, size_t length, const char **out)
{
    *out = length ? cshm_arena_string(&tree->arena, text, length) : NULL;
    return length && !*out ? -ENOMEM : 0;
}

int cshm_source_record(const struct cshm_source *source, struct cshm_tree *tree)
{
    struct cshm_project_facts *facts = &tree->facts;
    if (!source->is_whole || source->path[0] == '\0')
        return 0;
    facts->source_size = source->size;
    int result = keep(tree, source->path, strlen(source->path), &facts->source_path);
    if (result == 0)
        result = keep(tree, source->changed, strlen(source->changed), &facts->source_changed);
    if (result == 0)
        result = keep(tree, source->part.bytes, source->part.length, &facts->source_part);
    return result;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

bool cshm_source_is_loaded(const struct cshm_source *source, const struct cshm_presence *project)
{
    const struct cshm_project_facts *facts = &project->tree->facts;
    if (!facts->source_path || !facts->source_changed)
        return is_before(&source->mtime, &project->changed);
    struct cshm_text part = {source->part.bytes, source->part.length};
    return strcmp(facts->source_path, source->path) == 0 && facts->source_size == source->size &&
           strcmp(facts->source_changed, source->changed) == 0 &&
           cshm_text_equal(cshm_text(facts->source_part ? facts->source_part : ""), part);
}
