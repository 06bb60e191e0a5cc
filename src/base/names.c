/* SPDX-License-Identifier: MIT */
#include "base/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/scope.h"

enum { HASH_DIGITS = 16, HASHED_TAIL = 2 + HASH_DIGITS, KEPT_OF_LONG_NAME = 200 };

static bool ends_with(const char *name, size_t length, const char *suffix)
{
    size_t size = strlen(suffix);
    return length >= size && memcmp(name + length - size, suffix, size) == 0;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static int project_bytes_check(const char *name, size_t length)
{
    if (length > CSHM_PROJECT_NAME_MAX)
        return -ENAMETOOLONG;
    if (length == 0 || name[0] == '.' || !cshm_utf8_valid(name, length))
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        /* U+0080 to U+009F are C2 80 to C2 9F; valid UTF-8, so there is a next byte. */
        bool c1_control = c == 0xC2 && (unsigned char)name[i + 1] < 0xA0;
        if (c < 0x20 || c == 0x7F || c == '/' || c1_control)
            return -EINVAL;
    }
    if (ends_with(name, length, ".meta") || ends_with(name, length, ".npy"))
        return -EINVAL;
    return 0;
}

int cshm_project_name_check(const char *name)
{
    return project_bytes_check(name, strlen(name));
}

void cshm_manifest_name(const char *project, char out[CSHM_SEGMENT_NAME_SIZE])
{
    (void)snprintf(out, CSHM_SEGMENT_NAME_SIZE, CSHM_PREFIX "%s" CSHM_MANIFEST_SUFFIX, project);
}

int cshm_manifest_project(const char *file_name, char out[CSHM_PROJECT_NAME_MAX + 1])
{
    size_t length = strlen(file_name);
    size_t prefix = strlen(CSHM_PREFIX);
    size_t suffix = strlen(CSHM_MANIFEST_SUFFIX);
    if (length <= prefix + suffix || strncmp(file_name, CSHM_PREFIX, prefix) != 0 ||
        !ends_with(file_name, length, CSHM_MANIFEST_SUFFIX))
        return -EINVAL;
    size_t size = length - prefix - suffix;
    if (project_bytes_check(file_name + prefix, size) < 0)
        return -EINVAL;
    memcpy(out, file_name + prefix, size);
    out[size] = '\0';
    return 0;
}

bool cshm_segment_name_valid(const char *name, size_t length)
{
    size_t prefix = strlen(CSHM_PREFIX);
    size_t tail = 1 + CSHM_SEGMENT_SUFFIX_SIZE;
    if (length <= prefix + tail || memcmp(name, CSHM_PREFIX, prefix) != 0)
        return false;
    const char *suffix = name + length - tail;
    if (suffix[0] != '.')
        return false;
    for (size_t i = 1; i < tail; i++)
        if (!is_alphanumeric(suffix[i]))
            return false;
    return project_bytes_check(name + prefix, length - prefix - tail) == 0;
}

int cshm_segment_name_make(const char *project, char out[CSHM_SEGMENT_NAME_SIZE])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char suffix[CSHM_SEGMENT_SUFFIX_SIZE + 1];
    size_t made = 0;
    while (made < CSHM_SEGMENT_SUFFIX_SIZE) {
        unsigned char bytes[32];
        ssize_t got = getrandom(bytes, sizeof bytes, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        for (ssize_t i = 0; i < got && made < CSHM_SEGMENT_SUFFIX_SIZE; i++)
            if (bytes[i] < 248) /* 4 * 62: every letter is equally likely */
                suffix[made++] = letters[bytes[i] % 62];
    }
    suffix[made] = '\0';
    (void)snprintf(out, CSHM_SEGMENT_NAME_SIZE, CSHM_PREFIX "%s.%s", project, suffix);
    return 0;
}

/* Whether `bytes` starts with '~' and 16 lower-case hex digits and nothing more. */
static bool is_hash_tail(const char *bytes, size_t length)
{
    if (length != 1 + HASH_DIGITS || bytes[0] != '~')
        return false;
    for (size_t i = 1; i < length; i++)
        if (!((bytes[i] >= '0' && bytes[i] <= '9') || (bytes[i] >= 'a' && bytes[i] <= 'f')))
            return false;
    return true;
}

/* The two hex digits of an escape this encoding uses, or -1. */
static int escape_value(const char *digits, size_t length)
{
    if (length < 2)
        return -1;
    static const struct {
        char digits[3];
        char value;
    } escapes[] = {{"00", 0}, {"25", '%'}, {"2E", '.'}, {"2F", '/'}};
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
        if (memcmp(digits, escapes[i].digits, 2) == 0)
            return escapes[i].value;
    return -1;
}

struct encoder {
    char *out;
    size_t size; /* of out: what does not fit is only counted */
    size_t length;
};

static void put(struct encoder *encoder, const char *bytes, size_t length)
{
    if (encoder->length + length <= encoder->size)
        memcpy(encoder->out + encoder->length, bytes, length);
    encoder->length += length;
}

static bool percent_needs_escape(struct cshm_text key, size_t at)
{
    const char *rest = key.bytes + at + 1;
    size_t left = key.length - at - 1;
    return key.length == 1 || escape_value(rest, left) >= 0 || is_hash_tail(rest, left);
}

static void encode_byte(struct encoder *encoder, struct cshm_text key, size_t at,
                        size_t reserved_dot)
{
    char c = key.bytes[at];
    if (c == '/')
        put(encoder, "%2F", 3);
    else if (c == '\0')
        put(encoder, "%00", 3);
    else if (c == '%' && percent_needs_escape(key, at))
        put(encoder, "%25", 3);
    else if (c == '.' && at == reserved_dot)
        put(encoder, "%2E", 3);
    else
        put(encoder, &c, 1);
}

/* Where the dot of a last ".meta" or ".npy" stands, which sidecars and views would claim. */
static size_t find_reserved_dot(struct cshm_text key)
{
    if (ends_with(key.bytes, key.length, ".meta"))
        return key.length - 5;
    if (ends_with(key.bytes, key.length, ".npy"))
        return key.length - 4;
    return SIZE_MAX;
}

/* Bytes of `encoded` up to KEPT_OF_LONG_NAME that end with a whole character and whole escape. */
static size_t cut_long_name(const char *encoded)
{
    size_t kept = 0;
    while (kept < KEPT_OF_LONG_NAME) {
        size_t size = cshm_utf8_character(encoded + kept, CSHM_FSNAME_MAX - kept, NULL);
        if (size == 0)
            size = 1;
        if (encoded[kept] == '%' && escape_value(encoded + kept + 1, 2) >= 0)
            size = 3;
        if (kept + size > KEPT_OF_LONG_NAME)
            break;
        kept += size;
    }
    return kept;
}

size_t cshm_fsname_encode(struct cshm_text key, char out[CSHM_FSNAME_MAX + 1])
{
    if (key.length == 0)
        return (size_t)snprintf(out, CSHM_FSNAME_MAX + 1, "%%");
    if (cshm_text_is(key, "."))
        return (size_t)snprintf(out, CSHM_FSNAME_MAX + 1, "%%2E");
    if (cshm_text_is(key, ".."))
        return (size_t)snprintf(out, CSHM_FSNAME_MAX + 1, "%%2E%%2E");
    struct encoder encoder = {.out = out, .size = CSHM_FSNAME_MAX};
    size_t reserved_dot = find_reserved_dot(key);
    for (size_t i = 0; i < key.length; i++)
        encode_byte(&encoder, key, i, reserved_dot);
    if (encoder.length > CSHM_FSNAME_MAX) {
        size_t kept = cut_long_name(out);
        (void)snprintf(out + kept, CSHM_FSNAME_MAX + 1 - kept, "%%~%016llx",
                       (unsigned long long)cshm_hash(key.bytes, key.length));
        return kept + HASHED_TAIL;
    }
    out[encoder.length] = '\0';
    return encoder.length;
}

bool cshm_fsname_is_hashed(const char *name)
{
    size_t length = strlen(name);
    return length >= HASHED_TAIL && name[length - HASHED_TAIL] == '%' &&
           is_hash_tail(name + length - HASHED_TAIL + 1, HASHED_TAIL - 1);
}

static size_t decode_escapes(const char *name, size_t size, char *key)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        int value = name[i] == '%' ? escape_value(name + i + 1, size - i - 1) : -1;
        if (value >= 0) {
            key[used++] = (char)value;
            i += 2;
        } else {
            key[used++] = name[i];
        }
    }
    return used;
}

int cshm_fsname_decode(const char *name, char *key, size_t *length)
{
    size_t size = strlen(name);
    if (cshm_fsname_is_hashed(name))
        return -ENAMETOOLONG;
    *length = strcmp(name, "%") == 0 ? 0 : decode_escapes(name, size, key);
    char again[CSHM_FSNAME_MAX + 1];
    size_t again_size = cshm_fsname_encode((struct cshm_text){key, *length}, again);
    return again_size == size && memcmp(again, name, size) == 0 ? 0 : -ENOENT;
}

bool cshm_fspath_next(const char **path, struct cshm_text *entry)
{
    *path += strspn(*path, "/");
    *entry = (struct cshm_text){*path, strcspn(*path, "/")};
    *path += entry->length;
    return entry->length > 0;
}
