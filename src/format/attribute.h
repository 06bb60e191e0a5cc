/* SPDX-License-Identifier: MIT */
/*
 * The strings that stand for what TOML cannot say. The model carries attribute values as they are
 * written, so manifest and sidecar never look at a '!': whoever makes a value (the importer) or
 * uses one (an exporter) goes through here. Design: formats, section 5, "Attribute values".
 *
 * A value that starts with '!' is not a string but names its form ("!uint64 18446744073709551615",
 * "!bytes 47c3"); a real string that starts with '!' gets a second one in front.
 */
#ifndef CSHM_FORMAT_ATTRIBUTE_H
#define CSHM_FORMAT_ATTRIBUTE_H

#include "base/arena.h"
#include "base/text.h"

/*
 * The written form of a real string, in `arena` unless it is the string itself: '!' doubled, bytes
 * that are not UTF-8 as "!bytes 47c3". 0 or -ENOMEM.
 */
int cshm_attribute_write_string(struct cshm_arena *arena, struct cshm_text raw,
                                struct cshm_text *written);

/*
 * The real string of a written form, in `arena` unless it is the form itself. -EINVAL when the form
 * stands for something else than a string, or is a damaged "!bytes"; -ENOMEM.
 */
int cshm_attribute_read_string(struct cshm_arena *arena, struct cshm_text written,
                               struct cshm_text *raw);

#endif
