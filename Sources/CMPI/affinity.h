#pragma once

/* The calling thread's cores: sched_getaffinity(2), whose wrapper in libc is hidden without _GNU_SOURCE. */

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Fills `bytes` bytes of mask; the number of bytes the kernel wrote, or -1 with errno set. */
static inline long fpdm_affinity(unsigned long *words, size_t bytes) {
    return syscall(SYS_sched_getaffinity, 0, bytes, words);
}
