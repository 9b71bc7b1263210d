#include "COpenBLAS.h"

#include <cblas.h>
#include <dlfcn.h>

_Static_assert(CblasRowMajor == fpdm_row_major && CblasNoTrans == fpdm_no_transpose && CblasTrans == fpdm_transpose,
               "CBLAS constants");
_Static_assert(sizeof(blasint) == sizeof(int), "OpenBLAS with 32-bit integers");

const char *fpdm_openblas_load(const char *library, fpdm_openblas *table) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return dlerror();
    void (*setThreads)(int) = (void (*)(int))dlsym(handle, "openblas_set_num_threads");
    *(void **)&table->sgemm = dlsym(handle, "cblas_sgemm");
    *(void **)&table->dsyev = dlsym(handle, "dsyev_");
    *(void **)&table->coreName = dlsym(handle, "openblas_get_corename");
    *(void **)&table->configuration = dlsym(handle, "openblas_get_config");
    if (!setThreads || !table->sgemm || !table->coreName || !table->configuration)
        return "it is a BLAS, but not OpenBLAS";
    if (!table->dsyev) return "it was built without LAPACK";
    setThreads(1);  // the worker pool parallelises over tiles, and its bits must not depend on threads
    return 0;
}
