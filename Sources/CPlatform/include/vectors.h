// Vectors of sixteen floats, as Swift's SIMD16<Float> sees them: loads and stores of less than a whole one by a mask, and
// conversion from and to bfloat16, which Swift lacks. All of them are one or two instructions with AVX-512.
#pragma once
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef float fpdm_floats16 __attribute__((ext_vector_type(16)));
typedef uint32_t fpdm_words16 __attribute__((ext_vector_type(16)));
typedef uint16_t fpdm_halves16 __attribute__((ext_vector_type(16)));

#define FPDM_INLINE static inline __attribute__((always_inline))

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

/// Rounds to the nearest, ties to even; a NaN stays one.
FPDM_INLINE fpdm_halves16 fpdm_to_bfloat16(fpdm_floats16 v) {
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
    return (fpdm_halves16)_mm512_cvtneps_pbh((__m512)v);
#else
    fpdm_words16 w = (fpdm_words16)v;
    fpdm_words16 rounded = (w + 0x7fff + (w >> 16 & 1)) >> 16;
    fpdm_words16 quiet = w >> 16 | 0x40;
    fpdm_words16 isNaN = (fpdm_words16)((w & 0x7fffffff) > 0x7f800000);
    return __builtin_convertvector((rounded & ~isNaN) | (quiet & isNaN), fpdm_halves16);
#endif
}

FPDM_INLINE void fpdm_store_bfloat16(uint16_t *to, fpdm_floats16 v, int64_t count) {
    fpdm_halves16 h = fpdm_to_bfloat16(v);
    if (__builtin_expect(count >= 16, 1)) {
        __builtin_memcpy(to, &h, sizeof h);
    } else {
        for (int64_t i = 0; i < count; i++) to[i] = h[i];
    }
}

/// The square root of each, rounded correctly.
FPDM_INLINE fpdm_floats16 fpdm_square_root16(fpdm_floats16 v) { return __builtin_elementwise_sqrt(v); }
