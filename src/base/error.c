/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void put_text(struct cshm_error *error, int code, const char *raw)
{
    error->code = code;
    cshm_text_escape(raw, strlen(raw), error->text, sizeof error->text);
}

int cshm_fail(struct cshm_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    char raw[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    put_text(error, code, raw);
    return code;
}

int cshm_fail_errno(struct cshm_error *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    char raw[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < sizeof raw)
        (void)snprintf(raw + used, sizeof raw - (size_t)used, ": %s", strerror(-code));
    put_text(error, code, raw);
    return code;
}

int cshm_error_prefix(struct cshm_error *error, const char *format, ...)
{
    if (!error)
        return 0;
    char raw[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < sizeof raw) {
        /* The text there is escaped already: escaping twice would double its backslashes. */
        char prefix[sizeof raw];
        cshm_text_escape(raw, strlen(raw), prefix, sizeof prefix);
        char joined[sizeof error->text];
        int total = snprintf(joined, sizeof joined, "%s: %.*s", prefix,
                             (int)(sizeof joined - strlen(prefix) - 3 < sizeof joined
                                       ? sizeof joined - strlen(prefix) - 3
                                       : 0),
                             error->text);
        if (total >= 0)
            memcpy(error->text, joined, sizeof joined);
    }
    return error->code;
}

void cshm_log(const struct cshm_log *log, const char *format, ...)
{
    if (!log || !log->function)
        return;
    char raw[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    char line[1024];
    cshm_text_escape(raw, strlen(raw), line, sizeof line);
    log->function(log->context, line);
}
