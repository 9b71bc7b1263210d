#define _GNU_SOURCE
#include "CPlatform.h"

#include <signal.h>

static int caught;
static struct sigaction former[NSIG];

static void note(int signal) {
    int none = 0;
    __atomic_compare_exchange_n(&caught, &none, signal, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

int fpdm_signal_catch(int signal, int once) {
    struct sigaction present, action = {0};
    if (sigaction(signal, 0, &present) != 0 || present.sa_handler == SIG_IGN) return 0;
    former[signal] = present;
    action.sa_handler = note;
    action.sa_flags = SA_RESTART | (once ? SA_RESETHAND : 0);
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, 0) == 0;
}

void fpdm_signal_release(int signal) { sigaction(signal, &former[signal], 0); }

int fpdm_signal_caught(void) { return __atomic_load_n(&caught, __ATOMIC_SEQ_CST); }

void fpdm_signal_forget(void) { __atomic_store_n(&caught, 0, __ATOMIC_SEQ_CST); }
