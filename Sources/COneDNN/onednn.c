#include "functions.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct fpdm_functions fpdm_dnn;
#define dnn fpdm_dnn

void fpdm_one_thread(void) {
    static __thread int is_set;
    if (!is_set && dnn.omp_set_num_threads) dnn.omp_set_num_threads(1);
    is_set = 1;
}

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
void fpdm_begin_making(void) { pthread_mutex_lock(&making); }
void fpdm_end_making(void) { pthread_mutex_unlock(&making); }

const char *fpdm_onednn_load(const char *library) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return dlerror();
#define RESOLVE(name)                                                                                                 \
    *(void **)&dnn.name = dlsym(handle, #name);                                                                       \
    if (!dnn.name) return "it has no " #name ": oneDNN 2 is wanted, from 2.4 on";
    FUNCTIONS(RESOLVE)
    *(void **)&dnn.omp_set_num_threads = dlsym(handle, "omp_set_num_threads");
    const dnnl_version_t *version = dnn.dnnl_version();
    if (version->major != 2 || version->minor < 4) return "its version is another: oneDNN 2 is wanted, from 2.4 on";
    if (version->cpu_runtime != DNNL_RUNTIME_SEQ && (version->cpu_runtime != DNNL_RUNTIME_OMP || !dnn.omp_set_num_threads))
        return "it was built for other threads than OpenMP's, and would not stay on one";
    fpdm_one_thread();
    if (dnn.dnnl_engine_create(&dnn.engine, dnnl_cpu, 0) != dnnl_success) return "it finds no processor to run on";
    return 0;
}

void fpdm_onednn_version(int *major, int *minor, int *patch) {
    const dnnl_version_t *version = dnn.dnnl_version();
    *major = version->major, *minor = version->minor, *patch = version->patch;
}

int fpdm_onednn_isa(void) { return (int)dnn.dnnl_get_effective_cpu_isa(); }

/// What one thread needs of its own to run a product: handles that it points at its operands.
typedef struct {
    dnnl_stream_t stream;
    dnnl_memory_t a, b, c, scratch;
} caller;

struct fpdm_product {
    fpdm_product_shape shape;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t b;
    size_t scratch, packed;
    int workers;
    caller *callers;
};

struct fpdm_packed {
    dnnl_memory_t source, target;
    dnnl_primitive_t reorder;
    dnnl_stream_t stream;
};

/// A matrix, or `batch` of them with nothing between; one of a batch is told as such, for the library may choose other
/// kernels for one that is not.
static dnnl_status_t describe(dnnl_memory_desc_t *md, int64_t batch, int64_t rows, int64_t columns,
                              dnnl_data_type_t type, int64_t row, int64_t column) {
    dnnl_dims_t dims = {rows, columns}, strides = {row, column};
    if (batch == 0) return dnn.dnnl_memory_desc_init_by_strides(md, 2, dims, type, strides);
    dnnl_dims_t all = {batch, rows, columns}, steps = {rows * columns, row, column};
    return dnn.dnnl_memory_desc_init_by_strides(md, 3, all, type, steps);
}

static int create(const fpdm_product_shape *s, int workers, const fpdm_product *like, fpdm_product *product) {
    dnnl_memory_desc_t a, b, c;
    dnnl_data_type_t type = fpdm_type_of(s->element);
    product->shape = *s;
    CHECK(describe(&a, s->batch, s->rows, s->depth, type, s->a_row, s->a_column));
    if (like) {
        b = like->b;
    } else if (s->packed) {
        dnnl_dims_t dims = {s->depth, s->columns};
        CHECK(dnn.dnnl_memory_desc_init_by_tag(&b, 2, dims, type, dnnl_format_tag_any));
    } else {
        CHECK(describe(&b, s->batch, s->depth, s->columns, type, s->b_row, s->b_column));
    }
    CHECK(describe(&c, s->batch, s->rows, s->columns, dnnl_f32, s->c_row, 1));
    dnnl_primitive_attr_t attributes;
    CHECK(dnn.dnnl_primitive_attr_create(&attributes));
    CHECK(dnn.dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
    if (s->accumulate) {
        dnnl_post_ops_t operations;
        CHECK(dnn.dnnl_post_ops_create(&operations));
        CHECK(dnn.dnnl_post_ops_append_sum(operations, 1));
        CHECK(dnn.dnnl_primitive_attr_set_post_ops(attributes, operations));
        CHECK(dnn.dnnl_post_ops_destroy(operations));
    }
    dnnl_matmul_desc_t matmul;
    CHECK(dnn.dnnl_matmul_desc_init(&matmul, &a, &b, 0, &c));
    CHECK(dnn.dnnl_primitive_desc_create(&product->description, &matmul, attributes, dnn.engine, 0));
    CHECK(dnn.dnnl_primitive_attr_destroy(attributes));
    CHECK(dnn.dnnl_primitive_create(&product->primitive, product->description));
    const dnnl_memory_desc_t *scratch =
        dnn.dnnl_primitive_desc_query_md(product->description, dnnl_query_scratchpad_md, 0);
    product->b = *dnn.dnnl_primitive_desc_query_md(product->description, dnnl_query_weights_md, 0);
    product->scratch = dnn.dnnl_memory_desc_get_size(scratch);
    product->packed = dnn.dnnl_memory_desc_get_size(&product->b);
    product->callers = calloc((size_t)workers, sizeof(caller));
    product->workers = workers;
    for (int i = 0; i < workers; i++) {
        caller *own = &product->callers[i];
        CHECK(dnn.dnnl_stream_create(&own->stream, dnn.engine, dnnl_stream_default_flags));
        CHECK(dnn.dnnl_memory_create(&own->a, &a, dnn.engine, DNNL_MEMORY_NONE));
        if (!s->packed) CHECK(dnn.dnnl_memory_create(&own->b, &product->b, dnn.engine, DNNL_MEMORY_NONE));
        CHECK(dnn.dnnl_memory_create(&own->c, &c, dnn.engine, DNNL_MEMORY_NONE));
        CHECK(dnn.dnnl_memory_create(&own->scratch, scratch, dnn.engine, DNNL_MEMORY_NONE));
    }
    return 0;
}

int fpdm_product_create(const fpdm_product_shape *shape, int workers, const fpdm_product *like,
                        fpdm_product **product) {
    fpdm_one_thread();
    *product = calloc(1, sizeof(fpdm_product));
    fpdm_begin_making();
    int status = create(shape, workers, like, *product);
    fpdm_end_making();
    if (status != 0) {
        fpdm_product_destroy(*product);
        *product = 0;
    }
    return status;
}

void fpdm_product_destroy(fpdm_product *product) {
    for (int i = 0; product->callers && i < product->workers; i++) {
        caller *own = &product->callers[i];
        if (own->a) dnn.dnnl_memory_destroy(own->a);
        if (own->b) dnn.dnnl_memory_destroy(own->b);
        if (own->c) dnn.dnnl_memory_destroy(own->c);
        if (own->scratch) dnn.dnnl_memory_destroy(own->scratch);
        if (own->stream) dnn.dnnl_stream_destroy(own->stream);
    }
    free(product->callers);
    if (product->primitive) dnn.dnnl_primitive_destroy(product->primitive);
    if (product->description) dnn.dnnl_primitive_desc_destroy(product->description);
    free(product);
}

size_t fpdm_product_scratch(const fpdm_product *product) { return product->scratch; }
size_t fpdm_product_packed(const fpdm_product *product) { return product->packed; }

int fpdm_product_run(fpdm_product *product, int worker, const void *a, const void *b, const fpdm_packed *packed,
                     void *c, void *scratch) {
    fpdm_one_thread();
    caller *own = &product->callers[worker];
    CHECK(dnn.dnnl_memory_set_data_handle(own->a, (void *)a));
    if (!packed) CHECK(dnn.dnnl_memory_set_data_handle(own->b, (void *)b));
    CHECK(dnn.dnnl_memory_set_data_handle(own->c, c));
    CHECK(dnn.dnnl_memory_set_data_handle(own->scratch, scratch));
    dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, own->a},
        {DNNL_ARG_WEIGHTS, packed ? packed->target : own->b},
        {DNNL_ARG_DST, own->c},
        {DNNL_ARG_SCRATCHPAD, own->scratch},
    };
    CHECK(dnn.dnnl_primitive_execute(product->primitive, own->stream, 4, arguments));
    return 0;
}

/// Where the last slice has its operands: behind the library's own scratch memory.
typedef struct {
    size_t a, c, end;
} slice_place;

static size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }
static size_t a_row_bytes(const fpdm_product_shape *s) { return (size_t)s->depth * (s->element == fpdm_bfloat16 ? 2 : 4); }
static size_t c_row_bytes(const fpdm_product_shape *s) { return (size_t)s->columns * sizeof(float); }

static slice_place last_slice(const fpdm_product *product) {
    const fpdm_product_shape *s = &product->shape;
    size_t a = whole_lines(product->scratch), c = a + whole_lines((size_t)s->rows * a_row_bytes(s));
    return (slice_place){a, c, c + (size_t)s->rows * c_row_bytes(s)};
}

size_t fpdm_product_slices_scratch(const fpdm_product *product) { return last_slice(product).end; }

int fpdm_product_run_slices(fpdm_product *product, int worker, int64_t rows, const void *a, const fpdm_packed *packed,
                            float *c, void *scratch) {
    const fpdm_product_shape *s = &product->shape;
    if (s->batch != 0 || !s->packed || s->accumulate || s->a_row != s->depth || s->a_column != 1 || s->c_row != s->columns)
        return dnnl_invalid_arguments;
    size_t a_bytes = a_row_bytes(s), c_bytes = c_row_bytes(s);
    const char *from = a;
    int64_t first = 0;
    for (; first + s->rows <= rows; first += s->rows)
        CHECK(fpdm_product_run(product, worker, from + first * a_bytes, 0, packed, c + first * s->columns, scratch));
    if (first == rows) return 0;
    slice_place place = last_slice(product);
    char *own_a = (char *)scratch + place.a, *own_c = (char *)scratch + place.c;
    size_t left = (size_t)(rows - first);
    memcpy(own_a, from + first * a_bytes, left * a_bytes);
    // Rows do not mix: this is so that the same is multiplied every time, and nothing that makes a processor slow.
    memset(own_a + left * a_bytes, 0, ((size_t)s->rows - left) * a_bytes);
    CHECK(fpdm_product_run(product, worker, own_a, 0, packed, own_c, scratch));
    memcpy(c + first * s->columns, own_c, left * c_bytes);
    return 0;
}

static int create_packed(const fpdm_product *product, int64_t row, int64_t column, void *memory,
                         fpdm_packed *packed) {
    dnnl_memory_desc_t source;
    CHECK(describe(&source, 0, product->b.dims[0], product->b.dims[1], dnnl_f32, row, column));
    dnnl_primitive_desc_t description;
    CHECK(dnn.dnnl_reorder_primitive_desc_create(&description, &source, dnn.engine, &product->b, dnn.engine, 0));
    dnnl_status_t status = dnn.dnnl_primitive_create(&packed->reorder, description);
    dnn.dnnl_primitive_desc_destroy(description);
    CHECK(status);
    CHECK(dnn.dnnl_memory_create(&packed->source, &source, dnn.engine, DNNL_MEMORY_NONE));
    CHECK(dnn.dnnl_memory_create(&packed->target, &product->b, dnn.engine, memory));
    CHECK(dnn.dnnl_stream_create(&packed->stream, dnn.engine, dnnl_stream_default_flags));
    return 0;
}

int fpdm_packed_create(const fpdm_product *product, int64_t row, int64_t column, void *memory,
                       fpdm_packed **packed) {
    fpdm_one_thread();
    *packed = calloc(1, sizeof(fpdm_packed));
    fpdm_begin_making();
    int status = create_packed(product, row, column, memory, *packed);
    fpdm_end_making();
    if (status != 0) {
        fpdm_packed_destroy(*packed);
        *packed = 0;
    }
    return status;
}

void fpdm_packed_destroy(fpdm_packed *packed) {
    if (packed->source) dnn.dnnl_memory_destroy(packed->source);
    if (packed->target) dnn.dnnl_memory_destroy(packed->target);
    if (packed->reorder) dnn.dnnl_primitive_destroy(packed->reorder);
    if (packed->stream) dnn.dnnl_stream_destroy(packed->stream);
    free(packed);
}

int fpdm_packed_fill(fpdm_packed *packed, const float *values) {
    fpdm_one_thread();
    CHECK(dnn.dnnl_memory_set_data_handle(packed->source, (void *)values));
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, packed->source}, {DNNL_ARG_TO, packed->target}};
    CHECK(dnn.dnnl_primitive_execute(packed->reorder, packed->stream, 2, arguments));
    return 0;
}
