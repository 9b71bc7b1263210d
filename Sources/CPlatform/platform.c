#include "CPlatform.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <string.h>

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
#else
int fpdm_processor_is_amd(void) { return 0; }
int fpdm_processor_family(void) { return 0; }
int fpdm_processor_model(void) { return 0; }
int fpdm_processor_has_avx512(void) { return 0; }
#endif
