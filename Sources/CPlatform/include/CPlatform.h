// What Swift cannot reach by itself: instructions, the processor's description, two variadic system calls, a signal
// handler, and what the build knows of itself.
#pragma once
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vectors.h"

/// Tells the processor that this is a spin-wait loop.
static inline void fpdm_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Names this thread for those who look at its process from outside; they see 15 bytes of it.
void fpdm_name_thread(const char *name);

/// How this thread computes: results too small for a normal float become 0, and such operands count as 0, where arithmetic
/// on them would take a hundred times as long. Returns what was before, for `fpdm_restore_arithmetic`.
static inline uint64_t fpdm_flush_subnormals(void) {
#if defined(__x86_64__)
    uint32_t state = __builtin_ia32_stmxcsr();
    // Flush to zero, and denormals are zeros.
    __builtin_ia32_ldmxcsr(state | 0x8040);
    return state;
#elif defined(__aarch64__)
    uint64_t state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state));
    __asm__ volatile("msr fpcr, %0" ::"r"(state | 1ull << 24));
    return state;
#else
    return 0;
#endif
}

static inline void fpdm_restore_arithmetic(uint64_t state) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((uint32_t)state);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(state));
#endif
}

/// The word that a futex sleeps on is read and raised as one atomic.
static inline uint32_t fpdm_word_load(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static inline void fpdm_word_increment(uint32_t *word) { __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST); }

/// Sleeps while `*word == expected`; wakes up spuriously too.
static inline void fpdm_futex_wait(const void *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, (void *)0, (void *)0, 0);
}

/// Wakes every thread that sleeps on `word`.
static inline void fpdm_futex_wake_all(const void *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, (void *)0, (void *)0, 0);
}

// The processor as CPUID describes it; zeros on other architectures.
int fpdm_processor_is_amd(void);
int fpdm_processor_family(void);
int fpdm_processor_model(void);
/// AVX-512 F, CD, BW, DQ and VL, enabled by the operating system too.
int fpdm_processor_has_avx512(void);
/// Dot products of bfloat16 pairs: AVX512_BF16.
int fpdm_processor_has_avx512_bfloat16(void);

int fpdm_processor_has_crc32c(void);
/// CRC-32C by the processor's instruction, where it has one: the state (complement of the checksum) after further bytes.
uint32_t fpdm_crc32c(uint32_t state, const void *bytes, size_t count);
/// The same of three parts of `count` bytes each, one behind the other, at once: each has a state of its own. The
/// instruction takes three cycles and can begin in each. `count` is a multiple of 8.
void fpdm_crc32c_of_three(uint32_t states[3], const void *bytes, size_t count);

// Signals that are noted instead of ending the process. A handler may do next to nothing (signal-safety(7)): these keep
// the number of the first one that came, for whoever asks.

/// Notes this signal from now on; system calls go on (SA_RESTART). With `once` a second one of its kind does what it
/// always did. Returns 0, having done nothing, for a signal that is ignored: nohup(1) and shells mean that to last.
int fpdm_signal_catch(int signal, int once);
/// Gives the signal back what it did before it was caught.
void fpdm_signal_release(int signal);
/// The first one that came since the last was forgotten; 0 for none.
int fpdm_signal_caught(void);
void fpdm_signal_forget(void);

/// The revision of the source that this was built from, as git names it; empty where the build was not told.
const char *fpdm_revision(void);
