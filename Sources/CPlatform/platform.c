#include "CPlatform.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#include <string.h>

int fpdm_processor_has_crc32c(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}

__attribute__((target("sse4.2"))) uint32_t fpdm_crc32c(uint32_t state, const void *bytes, size_t count) {
    const unsigned char *next = bytes;
    uint64_t crc = state;
    for (; count >= 8; next += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        crc = _mm_crc32_u64(crc, word);
    }
    for (; count > 0; next++, count--) crc = _mm_crc32_u8((uint32_t)crc, *next);
    return (uint32_t)crc;
}

__attribute__((target("sse4.2"))) void fpdm_crc32c_of_three(uint32_t states[3], const void *bytes, size_t count) {
    const unsigned char *next = bytes;
    uint64_t a = states[0], b = states[1], c = states[2];
    for (size_t i = 0; i < count; i += 8) {
        uint64_t words[3];
        memcpy(&words[0], next + i, 8);
        memcpy(&words[1], next + count + i, 8);
        memcpy(&words[2], next + 2 * count + i, 8);
        a = _mm_crc32_u64(a, words[0]);
        b = _mm_crc32_u64(b, words[1]);
        c = _mm_crc32_u64(c, words[2]);
    }
    states[0] = (uint32_t)a, states[1] = (uint32_t)b, states[2] = (uint32_t)c;
}

static unsigned signature(void) {
    unsigned a = 0, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) ? a : 0;
}

int fpdm_processor_is_amd(void) {
    unsigned a, b = 0, c = 0, d = 0;
    __get_cpuid(0, &a, &b, &c, &d);
    return memcmp(&b, "Auth", 4) == 0 && memcmp(&d, "enti", 4) == 0 && memcmp(&c, "cAMD", 4) == 0;
}

int fpdm_processor_family(void) {
    unsigned s = signature(), family = s >> 8 & 15;
    return (int)(family == 15 ? family + (s >> 20 & 255) : family);
}

int fpdm_processor_model(void) {
    unsigned s = signature();
    return (int)((s >> 4 & 15) | (s >> 16 & 15) << 4);
}

int fpdm_processor_has_avx512(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

int fpdm_processor_has_avx512_bfloat16(void) {
    __builtin_cpu_init();
    return fpdm_processor_has_avx512() && __builtin_cpu_supports("avx512bf16");
}

#else
int fpdm_processor_has_crc32c(void) { return 0; }
uint32_t fpdm_crc32c(uint32_t state, const void *bytes, size_t count) {
    (void)bytes, (void)count;
    return state;
}
void fpdm_crc32c_of_three(uint32_t states[3], const void *bytes, size_t count) {
    (void)states, (void)bytes, (void)count;
}
int fpdm_processor_is_amd(void) { return 0; }
int fpdm_processor_family(void) { return 0; }
int fpdm_processor_model(void) { return 0; }
int fpdm_processor_has_avx512(void) { return 0; }
int fpdm_processor_has_avx512_bfloat16(void) { return 0; }
#endif
