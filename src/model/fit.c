/* SPDX-License-Identifier: MIT */
#include "model/fit.h"

#include <errno.h>
#include <string.h>

/* The bytes of one row; of a scalar: of its element. UINT64_MAX where it is longer than any file.
 */
static uint64_t row_bytes(const struct cshm_description *described)
{
    uint64_t bytes = described->dtype->itemsize;
    bool overflows = false;
    for (int i = 1; i < described->rank; i++) {
        if (described->shape[i] == 0)
            return 0;
        overflows |= __builtin_mul_overflow(bytes, described->shape[i], &bytes);
    }
    return overflows && described->dtype->itemsize > 0 ? UINT64_MAX : bytes;
}

int cshm_fit_measure(const struct cshm_description *described, uint64_t length,
                     struct cshm_fit *out)
{
    if (described->rank < 0 || !described->dtype->kind || length > INT64_MAX)
        return -EINVAL;
    uint64_t row = row_bytes(described);
    *out = (struct cshm_fit){.rows = 1, .bytes = row};
    if (described->rank > 0) {
        out->rows = row > 0 ? length / row : described->shape[0];
        out->bytes = row > 0 ? out->rows * row : 0;
    }
    out->broken = out->bytes > length;
    out->rest = out->broken ? 0 : length - out->bytes;
    return 0;
}

/* Whether the leaf has to say that the file's bytes are its own: those of an empty array. */
static bool has_empty_rest(const struct cshm_fit *fit, bool held)
{
    return fit->bytes == 0 && (fit->rest > 0 || held);
}

bool cshm_fit_is_settled(const struct cshm_description *described, uint64_t length, bool held)
{
    struct cshm_fit fit;
    if (cshm_fit_measure(described, length, &fit) < 0)
        return true;
    return fit.bytes == described->bytes &&
           (described->rank == 0 || fit.rows == described->shape[0]) &&
           (fit.bytes > 0 || described->empty_rest == has_empty_rest(&fit, held));
}

int cshm_tree_fit(struct cshm_tree *tree, struct cshm_node *node, uint64_t length, bool held)
{
    struct cshm_description *described = node->described;
    struct cshm_fit fit;
    int result = described ? cshm_fit_measure(described, length, &fit) : -EINVAL;
    if (result < 0)
        return result;
    if (described->rank > 0) {
        uint64_t shape[CSHM_RANK_MAX];
        size_t size = (size_t)described->rank * sizeof *shape;
        memcpy(shape, described->shape, size);
        shape[0] = fit.rows;
        const uint64_t *kept = cshm_tree_keep(tree, shape, size);
        if (!kept)
            return -ENOMEM;
        described->shape = kept;
    }
    described->bytes = fit.bytes;
    described->empty_rest = has_empty_rest(&fit, held);
    return 0;
}

int cshm_tree_fit_vector(struct cshm_tree *tree, struct cshm_node *node,
                         const struct cshm_dtype *dtype, uint64_t length)
{
    static const uint64_t none[1];
    if (!dtype->kind)
        return -EINVAL;
    int result = cshm_tree_set_array(tree, node, dtype, 1, none);
    return result < 0 ? result : cshm_tree_fit(tree, node, length, false);
}
