/* SPDX-License-Identifier: MIT */
/*
 * Both sums are taken of words in the machine's order, eight at a time, and turned round at the
 * end: modulo 65535 swapping a number's two bytes is multiplying it by 256, so it may come last.
 */
#include "hdf5/fletcher32.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the words' order is turned round for little-endian machines"
#endif

enum {
    PAIRS = 4,         /* of words in a group */
    WORDS = 2 * PAIRS, /* in a group */
    GROUPS_MAX = 360,  /* whose second sums fit 32 bits: 65535 * n * (n + 1) / 2 */
    GROUP = 2 * WORDS, /* bytes */
};

typedef uint32_t pairs __attribute__((vector_size(4 * PAIRS)));

struct sums {
    uint64_t first;  /* of the words */
    uint64_t second; /* of the first sum after each word */
};

/* To 16 bits, modulo 65535; only 0 becomes 0. */
static uint64_t fold(uint64_t sum)
{
    return sum ? (sum - 1) % 65535 + 1 : 0;
}

/* At most GROUPS_MAX of them. */
static void add_groups(struct sums *sums, const unsigned char *bytes, size_t groups)
{
    pairs low = {0};
    pairs high = {0};
    pairs low_sums = {0};
    pairs high_sums = {0};
    for (size_t i = 0; i < groups; i++) {
        pairs two;
        memcpy(&two, bytes + i * GROUP, GROUP);
        low += two & 0xffff;
        high += two >> 16;
        low_sums += low;
        high_sums += high;
    }
    sums->second += sums->first * groups * WORDS;
    /* A word in place `at` of its group counts `at` times less than the group's first. */
    for (size_t i = 0; i < PAIRS; i++) {
        size_t at = 2 * i;
        sums->second += (uint64_t)low_sums[i] * WORDS - (uint64_t)low[i] * at;
        sums->second += (uint64_t)high_sums[i] * WORDS - (uint64_t)high[i] * (at + 1);
        sums->first += (uint64_t)low[i] + high[i];
    }
    sums->first = fold(sums->first);
    sums->second = fold(sums->second);
}

static void add_word(struct sums *sums, unsigned low, unsigned high)
{
    sums->first += low | high << 8;
    sums->second += sums->first;
}

static uint32_t swapped(uint64_t sum)
{
    uint32_t word = (uint32_t)fold(sum);
    return (word & 0xff) << 8 | word >> 8;
}

uint32_t cshm_fletcher32(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    struct sums sums = {0};
    while (size >= GROUP) {
        size_t groups = size / GROUP < GROUPS_MAX ? size / GROUP : GROUPS_MAX;
        add_groups(&sums, at, groups);
        at += groups * GROUP;
        size -= groups * GROUP;
    }
    for (; size >= 2; size -= 2, at += 2)
        add_word(&sums, at[0], at[1]);
    if (size)
        add_word(&sums, at[0], 0);
    return swapped(sums.second) << 16 | swapped(sums.first);
}
