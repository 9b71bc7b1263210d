// Vectors of sixteen floats, as Swift's SIMD16<Float> sees them: loads and stores of less than a whole one by a mask, and
// conversion from and to bfloat16, which Swift lacks. Loads, stores and conversions are one or two instructions with AVX-512.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef float fpdm_floats16 __attribute__((ext_vector_type(16)));
typedef uint32_t fpdm_words16 __attribute__((ext_vector_type(16)));
typedef uint16_t fpdm_halves16 __attribute__((ext_vector_type(16)));

#define FPDM_INLINE static inline __attribute__((always_inline))

/// Whether this build has registers of sixteen floats.
FPDM_INLINE int fpdm_has_registers_of_sixteen(void) {
#if defined(__AVX512F__)
    return 1;
#else
    return 0;
#endif
}

/// The first `count` floats (from 1; 16 and more are a whole vector), and zeros.
FPDM_INLINE fpdm_floats16 fpdm_load16(const float *from, int64_t count) {
    fpdm_floats16 v;
    if (__builtin_expect(count >= 16, 1)) {
        __builtin_memcpy(&v, from, sizeof v);
        return v;
    }
#if defined(__AVX512F__)
    return (fpdm_floats16)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#else
    v = 0;
    for (int64_t i = 0; i < count; i++) v[i] = from[i];
    return v;
#endif
}

FPDM_INLINE void fpdm_store16(float *to, fpdm_floats16 v, int64_t count) {
    if (__builtin_expect(count >= 16, 1)) {
        __builtin_memcpy(to, &v, sizeof v);
        return;
    }
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)v);
#else
    for (int64_t i = 0; i < count; i++) to[i] = v[i];
#endif
}

/// The same of bfloat16, the upper half of a float.
FPDM_INLINE fpdm_floats16 fpdm_load_bfloat16(const uint16_t *from, int64_t count) {
    fpdm_halves16 h;
    if (__builtin_expect(count >= 16, 1)) {
        __builtin_memcpy(&h, from, sizeof h);
    } else {
        h = 0;
        for (int64_t i = 0; i < count; i++) h[i] = from[i];
    }
    return (fpdm_floats16)(__builtin_convertvector(h, fpdm_words16) << 16);
}

/// Rounds to the nearest, ties to even; a NaN stays one. By pointer: a call inside this header cannot pass such a vector
/// where the processor has no register for it.
FPDM_INLINE fpdm_halves16 fpdm_to_bfloat16(const fpdm_floats16 *v) {
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
    return (fpdm_halves16)_mm512_cvtneps_pbh((__m512)*v);
#else
    fpdm_words16 w = (fpdm_words16)*v;
    fpdm_words16 rounded = (w + 0x7fff + (w >> 16 & 1)) >> 16;
    fpdm_words16 quiet = w >> 16 | 0x40;
    fpdm_words16 isNaN = (fpdm_words16)((w & 0x7fffffff) > 0x7f800000);
    return __builtin_convertvector((rounded & ~isNaN) | (quiet & isNaN), fpdm_halves16);
#endif
}

FPDM_INLINE void fpdm_store_bfloat16(uint16_t *to, fpdm_floats16 v, int64_t count) {
    fpdm_halves16 h = fpdm_to_bfloat16(&v);
    if (__builtin_expect(count >= 16, 1)) {
        __builtin_memcpy(to, &h, sizeof h);
    } else {
        for (int64_t i = 0; i < count; i++) to[i] = h[i];
    }
}

/// Two rows of sixteen become sixteen pairs of bfloat16, the first row's in the lower halves; and back.
FPDM_INLINE void fpdm_pair_bfloat16(const float *first, const float *second, uint32_t *to) {
    fpdm_floats16 low, high;
    __builtin_memcpy(&low, first, sizeof low);
    __builtin_memcpy(&high, second, sizeof high);
    fpdm_words16 pairs = __builtin_convertvector(fpdm_to_bfloat16(&low), fpdm_words16) |
                         __builtin_convertvector(fpdm_to_bfloat16(&high), fpdm_words16) << 16;
    __builtin_memcpy(to, &pairs, sizeof pairs);
}

FPDM_INLINE void fpdm_widen_pairs(const uint32_t *from, float *first, float *second) {
    fpdm_words16 pairs;
    __builtin_memcpy(&pairs, from, sizeof pairs);
    fpdm_words16 low = pairs << 16, high = pairs & 0xffff0000;
    __builtin_memcpy(first, &low, sizeof low);
    __builtin_memcpy(second, &high, sizeof high);
}

/// The square root of each, rounded correctly.
FPDM_INLINE fpdm_floats16 fpdm_square_root16(fpdm_floats16 v) { return __builtin_elementwise_sqrt(v); }

/// Asks for the cache line at `from`, to be read soon. What lies there need not exist.
FPDM_INLINE void fpdm_prefetch(const void *from) { __builtin_prefetch(from, 0, 2); }

/// The same of a line that will be written.
FPDM_INLINE void fpdm_prefetch_to_write(const void *from) { __builtin_prefetch(from, 1, 3); }

/// Stores a whole cache line past the caches, which then need not fetch it first; `to` is aligned to 64 bytes. Before
/// another thread reads it: `fpdm_finish_streams`.
FPDM_INLINE void fpdm_stream16(float *to, fpdm_floats16 v) { __builtin_nontemporal_store(v, (fpdm_floats16 *)to); }

/// The same of half a cache line; `to` is aligned to 32 bytes. Both halves, one after the other, are as good as a whole one.
FPDM_INLINE void fpdm_stream_bfloat16(uint16_t *to, fpdm_floats16 v) {
    __builtin_nontemporal_store(fpdm_to_bfloat16(&v), (fpdm_halves16 *)to);
}

FPDM_INLINE void fpdm_finish_streams(void) {
#if defined(__x86_64__)
    _mm_sfence();
#endif
}

/// Sixteen rows of sixteen floats, `from_stride` floats apart, become columns of rows `to_stride` apart.
FPDM_INLINE void fpdm_transpose16(const float *from, int64_t from_stride, float *to, int64_t to_stride) {
    fpdm_floats16 a[16], b[16];
    for (int i = 0; i < 16; i++) __builtin_memcpy(&a[i], from + i * from_stride, sizeof a[i]);
    // Pairs of rows become pairs of columns, of 1, 2, 4, then 8 elements: what stands in a row's upper half of each pair
    // changes places with what stands in its partner's lower half.
#define FPDM_EXCHANGE(in, out, distance, low, high)                                                                   \
    for (int i = 0; i < 16; i++) {                                                                                    \
        if (i & (distance)) continue;                                                                                 \
        out[i] = low(in[i], in[i + (distance)]);                                                                      \
        out[i + (distance)] = high(in[i], in[i + (distance)]);                                                        \
    }
#define FPDM_LOW1(x, y) __builtin_shufflevector(x, y, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define FPDM_HIGH1(x, y) __builtin_shufflevector(x, y, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#define FPDM_LOW2(x, y) __builtin_shufflevector(x, y, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define FPDM_HIGH2(x, y) __builtin_shufflevector(x, y, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define FPDM_LOW4(x, y) __builtin_shufflevector(x, y, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define FPDM_HIGH4(x, y) __builtin_shufflevector(x, y, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define FPDM_LOW8(x, y) __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define FPDM_HIGH8(x, y) __builtin_shufflevector(x, y, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
    FPDM_EXCHANGE(a, b, 1, FPDM_LOW1, FPDM_HIGH1)
    FPDM_EXCHANGE(b, a, 2, FPDM_LOW2, FPDM_HIGH2)
    FPDM_EXCHANGE(a, b, 4, FPDM_LOW4, FPDM_HIGH4)
    FPDM_EXCHANGE(b, a, 8, FPDM_LOW8, FPDM_HIGH8)
    for (int i = 0; i < 16; i++) __builtin_memcpy(to + i * to_stride, &a[i], sizeof a[i]);
}
