/* SPDX-License-Identifier: MIT */
#include "hdf5/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "hdf5/alias.h"
#include "hdf5/jobs.h"
#include "hdf5/loader.h"
#include "hdf5/lzf.h"
#include "store/room.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#define CHUNK_CACHE_BYTES    ((size_t)32 << 20)
#define CHUNK_CACHE_SLOTS    2003
#define METADATA_CACHE_BYTES ((size_t)4 << 20)
#define PRIVATE_MEMORY_LEAST ((uint64_t)1 << 30)
#define PUBLISHING_MS        600000 /* a million segments are linked, another's lock is waited for */

/* --- A process that can be hurt without hurting anybody
 * -------------------------------------------- */

static void limit(int resource, rlim_t value)
{
    struct rlimit limits;
    if (getrlimit(resource, &limits) < 0)
        return;
    limits.rlim_cur = value < limits.rlim_max ? value : limits.rlim_max;
    (void)setrlimit(resource, &limits);
}

/* A file that makes libhdf5 ask for absurd amounts gets an error instead of the machine's memory.
 */
static void limit_memory(const struct cshm_store *store)
{
#if !IS_SANITIZED /* whose shadow is private memory too */
    struct cshm_room room;
    if (cshm_room_measure(store->shm_fd, &room) < 0)
        return;
    uint64_t least = room.available < room.cgroup ? room.available : room.cgroup;
    if (least == UINT64_MAX)
        return;
    limit(RLIMIT_DATA, least / 2 > PRIVATE_MEMORY_LEAST ? least / 2 : PRIVATE_MEMORY_LEAST);
#else
    (void)store;
#endif
    /* If memory runs out all the same, this process is to go, not a reader of somebody's project.
     */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "800", 3);
        close(fd);
    }
}

/* libhdf5 and its plugins print when they feel like it; a sanitizer must be heard. */
static void silence(void)
{
#if !IS_SANITIZED
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    close(fd);
#endif
}

static void reset_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            (void)signal(numbers[i], SIG_DFL);
    }
    (void)signal(SIGPIPE, SIG_DFL);
}

static void isolate(const struct cshm_child *child)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != child->parent) /* gone before the line above */
        _exit(EXIT_FAILURE);
    reset_signals();
    limit(RLIMIT_CORE, 1); /* not 0: a piped core_pattern is asked for any limit but 1 (core(5)) */
    limit_memory(child->store);
    silence();
    /* External files lie beside the HDF5 file, wherever this process runs. */
    (void)setenv("HDF5_EXTFILE_PREFIX", "${ORIGIN}", 0);
}

static void send_log(void *context, const char *line)
{
    struct cshm_channel *channel = context;
    cshm_channel_send(channel, CSHM_MESSAGE_LOG, 0, line, strlen(line));
}

/* --- Opening
 * -------------------------------------------------------------------------------------- */

/* Waiting for a FIFO or reading a terminal is nothing libhdf5 should try. */
static int check_file(struct cshm_loader *loader)
{
    struct stat st;
    CSHM_AUTO_FD int fd = open(loader->file_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return cshm_fail(&loader->error, -errno, "%s", strerror(errno));
    if (S_ISDIR(st.st_mode))
        return cshm_fail(&loader->error, -EISDIR, "%s", strerror(EISDIR));
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return cshm_fail(&loader->error, -EINVAL, "is not a regular file");
    return 0;
}

/*
 * libhdf5 counts what it caches by its size in the file; in memory object headers are ten times
 * that, so its 32 MiB would be several hundred for a file of many small datasets.
 */
static bool limit_metadata_cache(hid_t access)
{
    H5AC_cache_config_t config = {.version = H5AC__CURR_CACHE_CONFIG_VERSION};
    if (H5Pget_mdc_config(access, &config) < 0)
        return false;
    config.set_initial_size = true;
    config.initial_size = METADATA_CACHE_BYTES;
    config.max_size = METADATA_CACHE_BYTES;
    config.min_size = METADATA_CACHE_BYTES / 4;
    return H5Pset_mdc_config(access, &config) >= 0;
}

/* Negative with the reasons taken: releasing the property list would clear libhdf5's. */
static hid_t open_with(const char *name, bool use_locks, struct cshm_reasons *reasons)
{
    CSHM_AUTO_HID hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    bool is_set = access >= 0 && limit_metadata_cache(access) &&
                  H5Pset_cache(access, 0, CHUNK_CACHE_SLOTS, CHUNK_CACHE_BYTES, 1.0) >= 0;
#if CSHM_HAVE_H5_LOCKING
    /* HDF5_USE_FILE_LOCKING goes before this inside libhdf5. */
    is_set = is_set && H5Pset_file_locking(access, use_locks, true) >= 0;
#else
    (void)use_locks;
#endif
    hid_t file = is_set ? H5Fopen(name, H5F_ACC_RDONLY, access) : H5I_INVALID_HID;
    if (file < 0)
        cshm_reasons_take(reasons);
    return file;
}

/* The errno libhdf5 put into its words; 0: none. */
static int errno_of(const char *words)
{
    const char *at = strstr(words, "errno = ");
    return at ? atoi(at + strlen("errno = ")) : 0;
}

static bool is_lock_trouble(const struct cshm_reasons *reasons)
{
    return strstr(reasons->inner, "lock file") != NULL;
}

static int open_failed(struct cshm_loader *loader, const struct cshm_reasons *reasons)
{
    if (is_lock_trouble(reasons) || strstr(reasons->inner, "already open for"))
        return cshm_fail(&loader->error, -EBUSY,
                         "is open for writing elsewhere, or was never closed (%s)", reasons->inner);
    if (strstr(reasons->inner, "signature not found"))
        return cshm_fail(&loader->error, -EINVAL, "is not an HDF5 file");
    return cshm_fail(&loader->error, -EINVAL, "cannot be opened: %s",
                     reasons->inner[0] ? reasons->inner : "libhdf5 failed");
}

static int open_file(struct cshm_loader *loader)
{
    struct cshm_reasons reasons;
    loader->file = open_with(loader->file_name, true, &reasons);
    if (loader->file >= 0)
        return 0;
    /* A file system without locks (some NFS, Lustre) is no reason; another's lock is. */
    if (is_lock_trouble(&reasons) && errno_of(reasons.inner) != EAGAIN) {
        loader->file = open_with(loader->file_name, false, &reasons);
        if (loader->file >= 0)
            return 0;
    }
    return open_failed(loader, &reasons);
}

static int prepare_transfer(struct cshm_loader *loader)
{
    loader->transfer = H5Pcreate(H5P_DATASET_XFER);
    if (loader->transfer < 0 ||
        H5Pset_vlen_mem_manager(loader->transfer, cshm_pool_alloc, &loader->pool, cshm_pool_free,
                                &loader->pool) < 0)
        return cshm_loader_fail_h5(loader, "libhdf5 cannot be set up");
    return 0;
}

/* --- The steps
 * ------------------------------------------------------------------------------------ */

/* The path of the group all goes below, for references. */
static int set_above(struct cshm_loader *loader)
{
    size_t depth;
    const struct cshm_text *keys = cshm_draft_group(loader->draft, &depth);
    CSHM_AUTO_BUFFER struct cshm_buffer path = CSHM_BUFFER_INIT;
    for (size_t i = 0; i < depth; i++) {
        cshm_buffer_add_char(&path, '/');
        cshm_buffer_add(&path, keys[i].bytes, keys[i].length);
    }
    loader->above = cshm_text("");
    if (path.length)
        loader->above =
            cshm_arena_text(&loader->arena, (struct cshm_text){path.bytes, path.length});
    return path.error < 0 || !loader->above.bytes
               ? cshm_loader_fail_all(loader, -ENOMEM, "out of memory")
               : 0;
}

static int create_draft(struct cshm_loader *loader)
{
    const struct cshm_import_options *options = loader->options;
    if (!options->into)
        return cshm_draft_create(loader->store, loader->project, options->overwrite, &loader->draft,
                                 &loader->error);
    int result = cshm_draft_create_into(loader->store, loader->project, options->into,
                                        options->overwrite, &loader->draft, &loader->error);
    return result < 0 ? result : set_above(loader);
}

static int set_facts(struct cshm_loader *loader)
{
    struct cshm_tree *tree = loader->tree;
    char created[32];
    time_t now = time(NULL);
    struct tm utc;
    if (!gmtime_r(&now, &utc) || !strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc))
        created[0] = '\0';
    tree->facts.source =
        cshm_arena_string(&tree->arena, loader->file_name, strlen(loader->file_name));
    tree->facts.created = cshm_arena_string(&tree->arena, created, strlen(created));
    tree->facts.persistent = 1;
    tree->facts.present = true;
    return tree->facts.source && tree->facts.created &&
                   cshm_source_record(loader->source, tree) == 0
               ? 0
               : cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
}

static int start_workers(struct cshm_loader *loader)
{
    unsigned jobs = loader->options->jobs;
    if (cshm_workers_create(jobs ? jobs : cshm_jobs_available(), &loader->workers) < 0)
        return cshm_loader_fail_all(loader, -ENOMEM, "out of memory");
    return 0;
}

static void tell(struct cshm_loader *loader, int result)
{
    if (result == 0) {
        cshm_channel_send(loader->channel, CSHM_MESSAGE_DONE, 0, &loader->result,
                          sizeof loader->result);
        return;
    }
    if (loader->error.code == 0)
        (void)cshm_fail_errno(&loader->error, result, "cannot be loaded");
    cshm_channel_send(loader->channel, CSHM_MESSAGE_ERROR, result, loader->error.text,
                      strlen(loader->error.text));
}

/* From here on the parent waits rather than kills: what is begun is finished. */
static int publish(struct cshm_loader *loader)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    atomic_store(&loader->channel->page->patience_ms, PUBLISHING_MS);
    atomic_store(&loader->channel->page->is_publishing, 1);
    int result = cshm_draft_publish(loader->draft, &loader->error);
    if (result == 0) /* at once: killed from here on it has still published */
        tell(loader, 0);
    return result;
}

static int load(struct cshm_loader *loader)
{
    int result = set_facts(loader);
    if (result == 0)
        result = check_file(loader);
    if (result == 0)
        result = prepare_transfer(loader);
    if (result == 0)
        result = open_file(loader);
    if (result == 0)
        result = cshm_walk(loader);
    if (result == 0)
        result = cshm_draft_check(loader->draft, &loader->error);
    if (result == 0)
        result = cshm_measure_all(loader);
    if (result == 0)
        result = start_workers(loader);
    if (result == 0)
        result = cshm_fill_all(loader);
    if (result == 0)
        result = cshm_alias_all(loader);
    cshm_channel_set_current(loader->channel, "");
    if (result < 0)
        return result;
    /* If libhdf5 crashes on closing a file, let it be before anything is published. */
    cshm_h5_release(&loader->transfer);
    cshm_h5_release(&loader->file);
    loader->transfer = loader->file = H5I_INVALID_HID;
    return publish(loader);
}

static void finish(struct cshm_loader *loader)
{
    cshm_transfers_finish(loader); /* before the files are closed that they read */
    cshm_workers_destroy(loader->workers);
    cshm_draft_destroy(loader->draft);
    cshm_objects_finish(&loader->objects);
    cshm_h5_release(&loader->transfer);
    cshm_h5_release(&loader->file);
    cshm_pool_finish(&loader->pool);
    cshm_buffer_finish(&loader->text);
    cshm_arena_finish(&loader->arena);
}

/* _exit(2) passes by the sanitizer's own check. */
static void check_leaks(void)
{
#ifdef __SANITIZE_ADDRESS__
    (void)H5close();
    if (__lsan_do_recoverable_leak_check())
        abort();
#endif
}

#ifdef __SANITIZE_THREAD__
/* It counts its own thread as one of the parent's, and then takes ours for a mistake. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}
#endif

_Noreturn void cshm_child_run(const struct cshm_child *child)
{
    isolate(child);
    struct cshm_loader loader = {
        .store = child->store,
        .project = child->project,
        .file_name = child->file,
        .source = child->source,
        .channel = child->channel,
        .options = child->options,
        .file = H5I_INVALID_HID,
        .transfer = H5I_INVALID_HID,
        .way = cshm_way_from_environment(),
        .skip_errors = child->options->skip_errors,
    };
    if (child->store->log.function)
        child->store->log = (struct cshm_log){send_log, child->channel};
    int result = create_draft(&loader);
    if (result == 0) {
        loader.tree = cshm_draft_tree(loader.draft);
        (void)H5open();
        (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
        cshm_lzf_register();
        result = load(&loader);
    }
    finish(&loader);
    if (result == 0)
        check_leaks();
    if (result < 0)
        tell(&loader, result);
    /* Not exit(3): what the parent registered to be done at exit is the parent's. */
    _exit(result == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
