/* SPDX-License-Identifier: MIT */
/* The table of inodes from the inside. Its lock is held, unless said otherwise. */
#ifndef MOUNT_INODE_INTERNAL_H
#define MOUNT_INODE_INTERNAL_H

#include <string.h>

#include "inode.h"

/* The place of the key an array was made with. */
static inline char *inode_own_key(struct inode_array *array)
{
    return array->segment + strlen(array->segment) + 1;
}

struct inode **inode_bucket(const struct inode_table *table, const struct inode_key *key);
struct inode *inode_seek(const struct inode_table *table, const struct inode_key *key);
void inode_put_in(struct inode_table *table, struct inode *inode);
void inode_take_out(struct inode_table *table, struct inode *inode);

/* Needs no lock. NULL: out of memory. */
char *inode_copy_key(struct cshm_text key);

/* st_ino of a directory that is not known. */
uint64_t inode_new_number(struct inode_table *table, const struct inode *parent,
                          struct cshm_text key);

/* It goes, and its number with it. */
void inode_forget_moved(struct inode_table *table, struct inode_directory *directory);

#endif
