// oneDNN, loaded at run time, so that one build runs where it is missing: matrix products prepared once and run often.
//
// A product is C [rows, columns] = A [rows, depth] B [depth, columns], or is added to C; `batch` of them may lie one
// behind the other. It runs on the calling thread. B may be packed: a copy in the layout that the product's kernel reads.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { fpdm_float32 = 0, fpdm_bfloat16 = 1 };

/// What a product is. Strides count elements; where `packed`, those of B are ignored.
typedef struct {
    int64_t batch, rows, columns, depth;  // where `batch` is 0, one matrix that is not of a batch
    int64_t a_row, a_column, b_row, b_column, c_row;
    int element;  // of A and B; C is float32
    int packed, accumulate;
} fpdm_product_shape;

typedef struct fpdm_product fpdm_product;
typedef struct fpdm_packed fpdm_packed;

/// Loads `library`, once for the process. Returns a null pointer, or a message that names what is missing.
const char *fpdm_onednn_load(const char *library);
/// For instance 2, 6, 3.
void fpdm_onednn_version(int *major, int *minor, int *patch);
/// The instruction set that it uses, as its `dnnl_cpu_isa_t` numbers them.
int fpdm_onednn_isa(void);

/// Prepares a product for as many threads at once as `workers`.
///
/// `like`: where packed, a product whose packed B this one shall read; none lets the library choose the layout.
/// Returns 0, or oneDNN's status, for instance where the processor lacks the element type.
int fpdm_product_create(const fpdm_product_shape *shape, int workers, const fpdm_product *like, fpdm_product **product);
void fpdm_product_destroy(fpdm_product *product);
/// Bytes of memory that a run needs beside its operands.
size_t fpdm_product_scratch(const fpdm_product *product);
/// Bytes of a packed B.
size_t fpdm_product_packed(const fpdm_product *product);

/// Runs a product; `b` where B is not packed, else `packed`. Returns 0, or oneDNN's status.
int fpdm_product_run(fpdm_product *product, int worker, const void *a, const void *b, const fpdm_packed *packed,
                     void *c, void *scratch);

/// Bytes of memory that `fpdm_product_run_slices` needs beside its operands.
size_t fpdm_product_slices_scratch(const fpdm_product *product);
/// Runs a product with packed B on another number of rows, dense: slice by slice of as many rows as it has, of which the
/// last is filled up with zeros. Returns 0, or oneDNN's status.
int fpdm_product_run_slices(fpdm_product *product, int worker, int64_t rows, const void *a, const fpdm_packed *packed,
                            float *c, void *scratch);

/// A place for B in `memory`, of `fpdm_product_packed` bytes, that is filled from float32 with these strides.
int fpdm_packed_create(const fpdm_product *product, int64_t row, int64_t column, void *memory, fpdm_packed **packed);
void fpdm_packed_destroy(fpdm_packed *packed);
/// Fills it, on the calling thread. Returns 0, or oneDNN's status.
int fpdm_packed_fill(fpdm_packed *packed, const float *values);

/// A convolution over a tile of one image whose pixels hold their channels side by side:
/// output [rows, columns, outputs] from input [(rows - 1) stride + kernel, (columns - 1) stride + kernel, inputs], without
/// padding. The output is float32.
typedef struct {
    int64_t inputs, outputs, rows, columns, kernel, stride;
    int element;  // of input and weights
} fpdm_convolution_shape;

typedef struct fpdm_convolution fpdm_convolution;

/// Prepares a convolution for as many threads at once as `workers`. Returns 0, or oneDNN's status.
int fpdm_convolution_create(const fpdm_convolution_shape *shape, int workers, fpdm_convolution **convolution);
void fpdm_convolution_destroy(fpdm_convolution *convolution);
/// Bytes of memory that a run needs beside its operands.
size_t fpdm_convolution_scratch(const fpdm_convolution *convolution);
/// Bytes of packed weights.
size_t fpdm_convolution_packed(const fpdm_convolution *convolution);
/// Packs weights [outputs, inputs, kernel, kernel] of float32, on the calling thread. Returns 0, or oneDNN's status.
int fpdm_convolution_pack(const fpdm_convolution *convolution, const float *values, void *packed);
/// Runs a convolution on the calling thread. Returns 0, or oneDNN's status.
int fpdm_convolution_run(fpdm_convolution *convolution, int worker, const void *input, const void *packed, float *output,
                         void *scratch);
