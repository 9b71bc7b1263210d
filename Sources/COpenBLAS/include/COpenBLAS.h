// OpenBLAS, loaded at run time: it reads OPENBLAS_CORETYPE when it loads, and picks slow kernels for newer AMD
// processors unless that names better ones. A library linked at build time would load before we could say so.
#pragma once
#include <stdint.h>

/// The functions used, resolved once.
typedef struct {
    /// Single-precision matrix product, row-major; transposes are 0 or 1. CBLAS `cblas_sgemm`.
    void (*sgemm)(int order, int transA, int transB, int m, int n, int k, float alpha, const float *a, int lda,
                  const float *b, int ldb, float beta, float *c, int ldc);
    /// Eigenvalues and eigenvectors of a symmetric matrix, column-major. LAPACK `dsyev`.
    void (*dsyev)(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
                  double *work, const int *lwork, int *info, long jobzLength, long uploLength);
    const char *(*coreName)(void);
    const char *(*configuration)(void);
} fpdm_openblas;

enum { fpdm_row_major = 101, fpdm_no_transpose = 111, fpdm_transpose = 112 };

/// Loads `library` and fills `table`. Returns a null pointer, or a message that names what is missing.
const char *fpdm_openblas_load(const char *library, fpdm_openblas *table);
