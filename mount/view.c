/* SPDX-License-Identifier: MIT */
#include "view.h"

const struct view *view_of(const struct inode *inode)
{
    if (inode->kind == INODE_NPY)
        return &view_npy;
    return inode->kind == INODE_ARRAY ? &view_raw : &view_sidecar;
}
