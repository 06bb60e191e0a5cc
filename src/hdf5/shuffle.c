/* SPDX-License-Identifier: MIT */
/*
 * Bytes of an element lie as far apart as there are elements. Sixteen elements at a time are woven
 * from vectors of sixteen bytes: interleaving the upper half of the vectors with the lower one
 * moves each byte's address one bit round, so as many rounds as the width has bits leave the
 * elements.
 */
#include "hdf5/shuffle.h"

#include <stdint.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
    LANES = 16,     /* bytes of a vector */
    WIDTH_MAX = 16, /* bytes of an element woven at once */
    BLOCK = 1024,   /* elements; those of a few bytes stay in the first cache meanwhile */
};

#if defined __SSE2__
#include <emmintrin.h>
typedef __m128i lanes;

ALWAYS_INLINE lanes lanes_load(const unsigned char *from)
{
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

ALWAYS_INLINE void lanes_store(unsigned char *to, lanes v)
{
    _mm_storeu_si128((__m128i *)(void *)to, v);
}

ALWAYS_INLINE lanes interleave_low(lanes a, lanes b)
{
    return _mm_unpacklo_epi8(a, b);
}

ALWAYS_INLINE lanes interleave_high(lanes a, lanes b)
{
    return _mm_unpackhi_epi8(a, b);
}
#elif defined __ARM_NEON && defined __aarch64__
#include <arm_neon.h>
typedef uint8x16_t lanes;

ALWAYS_INLINE lanes lanes_load(const unsigned char *from)
{
    return vld1q_u8(from);
}

ALWAYS_INLINE void lanes_store(unsigned char *to, lanes v)
{
    vst1q_u8(to, v);
}

ALWAYS_INLINE lanes interleave_low(lanes a, lanes b)
{
    return vzip1q_u8(a, b);
}

ALWAYS_INLINE lanes interleave_high(lanes a, lanes b)
{
    return vzip2q_u8(a, b);
}
#else
#define NO_LANES
#endif

#if !defined NO_LANES
ALWAYS_INLINE void interleave(lanes *vectors, const size_t width)
{
    lanes next[WIDTH_MAX];
    for (size_t i = 0; i < width / 2; i++) {
        next[2 * i] = interleave_low(vectors[i], vectors[i + width / 2]);
        next[2 * i + 1] = interleave_high(vectors[i], vectors[i + width / 2]);
    }
    for (size_t i = 0; i < width; i++)
        vectors[i] = next[i];
}

/* LANES pieces of elements, `width` bytes each, one after the other. */
ALWAYS_INLINE void weave_lanes(const unsigned char *from, size_t apart, unsigned char *to,
                               const size_t width)
{
    lanes vectors[WIDTH_MAX];
    for (size_t i = 0; i < width; i++)
        vectors[i] = lanes_load(from + i * apart);
    for (size_t round = 1; round < width; round *= 2)
        interleave(vectors, width);
    for (size_t i = 0; i < width; i++)
        lanes_store(to + i * LANES, vectors[i]);
}

/* As many elements as vectors take; returns how many. */
ALWAYS_INLINE size_t weave_vectors(const unsigned char *from, size_t apart, size_t count,
                                   unsigned char *to, size_t stride, const size_t width)
{
    size_t at = 0;
    if (stride == width)
        for (; count - at >= LANES; at += LANES)
            weave_lanes(from + at, apart, to + at * stride, width);
    for (; count - at >= LANES; at += LANES) {
        unsigned char pieces[LANES * WIDTH_MAX];
        weave_lanes(from + at, apart, pieces, width);
        for (size_t i = 0; i < LANES; i++)
            memcpy(to + (at + i) * stride, pieces + i * width, width);
    }
    return at;
}
#endif

/* `width` bytes, a power of two, of each of `count` elements that are `stride` bytes apart. */
ALWAYS_INLINE void weave(const unsigned char *from, size_t apart, size_t count, unsigned char *to,
                         size_t stride, const size_t width)
{
#if defined NO_LANES
    size_t at = 0;
#else
    size_t at = weave_vectors(from, apart, count, to, stride, width);
#endif
    for (; at < count; at++)
        for (size_t i = 0; i < width; i++)
            to[at * stride + i] = from[i * apart + at];
}

typedef void weave_function(const unsigned char *from, size_t apart, size_t count,
                            unsigned char *to, size_t stride);

/* Functions, not calls side by side: compilers fold those into one whose width is no constant. */
#define WEAVE(width)                                                                               \
    static void weave_##width(const unsigned char *from, size_t apart, size_t count,               \
                              unsigned char *to, size_t stride)                                    \
    {                                                                                              \
        weave(from, apart, count, to, stride, width);                                              \
    }

WEAVE(1)
WEAVE(2)
WEAVE(4)
WEAVE(8)
WEAVE(16)

static void weave_elements(const unsigned char *from, size_t apart, size_t count, unsigned char *to,
                           size_t element_size)
{
    static weave_function *const functions[] = {weave_1, weave_2, weave_4, weave_8, weave_16};
    size_t done = 0;
    for (size_t i = 5; i-- > 0;) {
        size_t width = (size_t)1 << i;
        for (; element_size - done >= width; done += width)
            functions[i](from + done * apart, apart, count, to + done, element_size);
    }
}

void cshm_unshuffle(const void *from, size_t size, size_t element_size, void *to)
{
    const unsigned char *in = from;
    unsigned char *out = to;
    size_t count = size / element_size;
    size_t whole = count * element_size;
    for (size_t at = 0; at < count; at += BLOCK)
        weave_elements(in + at, count, count - at < BLOCK ? count - at : BLOCK,
                       out + at * element_size, element_size);
    memcpy(out + whole, in + whole, size - whole);
}
