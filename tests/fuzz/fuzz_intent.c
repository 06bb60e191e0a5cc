/* SPDX-License-Identifier: MIT */
/*
 * Intents, which root's daemon reads though anybody may have written them. The checksums of journal
 * lines in them are made right first. What is read is valid in each part, and rendered and read
 * again it renders alike.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/scope.h"
#include "base/text.h"
#include "store/intent.h"
#include "store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char journal_line[] = "!line\t";

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* "!line TEXT" becomes the line with that text. */
static void add_sums(const char *text, size_t size, struct cshm_buffer *out)
{
    const char *end = text + size;
    const size_t mark = sizeof journal_line - 1;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline ? newline : end) - text);
        if (length >= mark && memcmp(text, journal_line, mark) == 0) {
            CSHM_AUTO_BUFFER struct cshm_buffer line = CSHM_BUFFER_INIT;
            cshm_buffer_add_string(&line, "1 ");
            cshm_buffer_add(&line, text + mark, length - mark);
            cshm_buffer_add_format(out, "%s%016" PRIx64 " ", journal_line,
                                   cshm_hash(line.bytes, line.length));
            cshm_buffer_add(out, line.bytes, line.length);
        } else {
            cshm_buffer_add(out, text, length);
        }
        if (newline)
            cshm_buffer_add_char(out, '\n');
        text += length + 1;
    }
}

static void check_moment(const struct cshm_moment *moment)
{
    require(!moment->project || cshm_project_name_check(moment->project) == 0);
    require(moment->bytes <= INT64_MAX);
}

static void check(const struct cshm_intent *intent)
{
    check_moment(&intent->first);
    check_moment(&intent->then);
    check_moment(&intent->made);
    require(!intent->owned || cshm_project_name_check(intent->owned) == 0);
    require((intent->mode & ~0777u) == 0);
    for (size_t i = 0; i < intent->grant_count; i++)
        require(
            cshm_segment_name_valid(intent->grants[i].segment, strlen(intent->grants[i].segment)));
}

/* 1: it could be rendered. */
static int read_and_render(const char *text, size_t length, struct cshm_buffer *out)
{
    struct cshm_intent_text read;
    int result = cshm_intent_parse(text, length, &read);
    require(result == 0 || result == 1);
    if (result == 1) {
        check(&read.intent);
        result = cshm_intent_render(&read.intent, out) == 0;
    }
    cshm_intent_text_finish(&read);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CSHM_AUTO_BUFFER struct cshm_buffer text = CSHM_BUFFER_INIT;
    CSHM_AUTO_BUFFER struct cshm_buffer once = CSHM_BUFFER_INIT;
    CSHM_AUTO_BUFFER struct cshm_buffer again = CSHM_BUFFER_INIT;
    (void)read_and_render((const char *)data, size, &text);
    text.length = 0;
    add_sums((const char *)data, size, &text);
    if (text.length == 0 || read_and_render(text.bytes, text.length, &once) == 0)
        return 0;
    require(read_and_render(once.bytes, once.length, &again) == 1);
    require(once.length == again.length && memcmp(once.bytes, again.bytes, once.length) == 0);
    return 0;
}
