// What the parts of this shim share: oneDNN's functions, found when it is loaded.
#pragma once
#include "COneDNN.h"

#include <dnnl.h>

#if DNNL_VERSION_MAJOR != 2
#error "the headers of oneDNN 2 are wanted (Debian: libdnnl-dev)"
#endif

#define FUNCTIONS(f)                                                                                                  \
    f(dnnl_version) f(dnnl_get_effective_cpu_isa) f(dnnl_engine_create) f(dnnl_stream_create)                         \
    f(dnnl_stream_destroy) f(dnnl_memory_desc_init_by_strides) f(dnnl_memory_desc_init_by_tag)                        \
    f(dnnl_memory_desc_get_size) f(dnnl_memory_create) f(dnnl_memory_destroy) f(dnnl_memory_set_data_handle)          \
    f(dnnl_matmul_desc_init) f(dnnl_primitive_desc_create) f(dnnl_primitive_desc_destroy)                             \
    f(dnnl_primitive_desc_query_md) f(dnnl_primitive_create)                                                          \
    f(dnnl_primitive_destroy) f(dnnl_primitive_execute) f(dnnl_primitive_attr_create)                                 \
    f(dnnl_primitive_attr_destroy) f(dnnl_primitive_attr_set_scratchpad_mode) f(dnnl_primitive_attr_set_post_ops)     \
    f(dnnl_post_ops_create) f(dnnl_post_ops_destroy) f(dnnl_post_ops_append_sum)                                      \
    f(dnnl_reorder_primitive_desc_create) f(dnnl_convolution_forward_desc_init)

/// Every function under its own name, as the header declares it.
#define MEMBER(name) __typeof__(&name) name;
struct fpdm_functions {
    FUNCTIONS(MEMBER)
    void (*omp_set_num_threads)(int);
    dnnl_engine_t engine;
};
extern struct fpdm_functions fpdm_dnn;

/// Its own threads are never used: the worker pool parallelises, and bits must not depend on threads.
void fpdm_one_thread(void);

/// Primitives are made by one thread at a time. oneDNN 2.6 keeps the element type of the convolution that it is making in
/// a static variable (`brg_blocking_t::last_ic_block_size`): where others were made of another type meanwhile, it came out
/// wrong, and oneDNN's cache gave it to all who asked for it later.
void fpdm_begin_making(void);
void fpdm_end_making(void);

#define CHECK(call)                                                                                                   \
    do {                                                                                                              \
        dnnl_status_t status_ = (call);                                                                               \
        if (status_ != dnnl_success) return (int)status_;                                                             \
    } while (0)

static inline dnnl_data_type_t fpdm_type_of(int element) { return element == fpdm_bfloat16 ? dnnl_bf16 : dnnl_f32; }
