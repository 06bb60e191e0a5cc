/* SPDX-License-Identifier: MIT */
/* A dtype that parses has a text that parses to the same, and that text is its own text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tree_equal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cshm_dtype dtype;
    struct cshm_dtype again;
    if (cshm_dtype_parse((const char *)data, size, &dtype) < 0)
        return 0;
    char text[CSHM_DTYPE_TEXT_MAX];
    char text_again[CSHM_DTYPE_TEXT_MAX];
    cshm_dtype_format(&dtype, text);
    require(cshm_dtype_parse(text, strlen(text), &again) == 0);
    require(same_dtype(&dtype, &again));
    require(strcmp(text, cshm_dtype_format(&again, text_again)) == 0);
    return 0;
}
