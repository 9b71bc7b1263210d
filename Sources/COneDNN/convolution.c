#include "functions.h"

#include <stdlib.h>

#define dnn fpdm_dnn

/// What one thread needs of its own: handles that it points at its operands.
typedef struct {
    dnnl_stream_t stream;
    dnnl_memory_t input, weights, output, scratch;
} caller;

struct fpdm_convolution {
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t weights;
    size_t scratch, packed;
    int workers;
    caller *callers;
};

static int create(const fpdm_convolution_shape *s, int workers, fpdm_convolution *made) {
    dnnl_data_type_t type = fpdm_type_of(s->element);
    dnnl_memory_desc_t input, weights, output;
    dnnl_dims_t from = {1, s->inputs, (s->rows - 1) * s->stride + s->kernel, (s->columns - 1) * s->stride + s->kernel};
    dnnl_dims_t by = {s->outputs, s->inputs, s->kernel, s->kernel};
    dnnl_dims_t to = {1, s->outputs, s->rows, s->columns};
    dnnl_dims_t strides = {s->stride, s->stride}, padding = {0, 0};
    CHECK(dnn.dnnl_memory_desc_init_by_tag(&input, 4, from, type, dnnl_nhwc));
    CHECK(dnn.dnnl_memory_desc_init_by_tag(&weights, 4, by, type, dnnl_format_tag_any));
    CHECK(dnn.dnnl_memory_desc_init_by_tag(&output, 4, to, dnnl_f32, dnnl_nhwc));
    dnnl_convolution_desc_t convolution;
    CHECK(dnn.dnnl_convolution_forward_desc_init(&convolution, dnnl_forward_inference, dnnl_convolution_direct, &input,
                                                 &weights, 0, &output, strides, padding, padding));
    dnnl_primitive_attr_t attributes;
    CHECK(dnn.dnnl_primitive_attr_create(&attributes));
    CHECK(dnn.dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
    dnnl_status_t status =
        dnn.dnnl_primitive_desc_create(&made->description, &convolution, attributes, dnn.engine, 0);
    dnn.dnnl_primitive_attr_destroy(attributes);
    CHECK(status);
    CHECK(dnn.dnnl_primitive_create(&made->primitive, made->description));
    const dnnl_memory_desc_t *scratch = dnn.dnnl_primitive_desc_query_md(made->description, dnnl_query_scratchpad_md, 0);
    made->weights = *dnn.dnnl_primitive_desc_query_md(made->description, dnnl_query_weights_md, 0);
    made->scratch = dnn.dnnl_memory_desc_get_size(scratch);
    made->packed = dnn.dnnl_memory_desc_get_size(&made->weights);
    made->callers = calloc((size_t)workers, sizeof(caller));
    made->workers = workers;
    for (int i = 0; i < workers; i++) {
        caller *own = &made->callers[i];
        CHECK(dnn.dnnl_stream_create(&own->stream, dnn.engine, dnnl_stream_default_flags));
        CHECK(dnn.dnnl_memory_create(&own->input, &input, dnn.engine, DNNL_MEMORY_NONE));
        CHECK(dnn.dnnl_memory_create(&own->weights, &made->weights, dnn.engine, DNNL_MEMORY_NONE));
        CHECK(dnn.dnnl_memory_create(&own->output, &output, dnn.engine, DNNL_MEMORY_NONE));
        CHECK(dnn.dnnl_memory_create(&own->scratch, scratch, dnn.engine, DNNL_MEMORY_NONE));
    }
    return 0;
}

int fpdm_convolution_create(const fpdm_convolution_shape *shape, int workers, fpdm_convolution **convolution) {
    fpdm_one_thread();
    *convolution = calloc(1, sizeof(fpdm_convolution));
    fpdm_begin_making();
    int status = create(shape, workers, *convolution);
    fpdm_end_making();
    if (status != 0) {
        fpdm_convolution_destroy(*convolution);
        *convolution = 0;
    }
    return status;
}

void fpdm_convolution_destroy(fpdm_convolution *convolution) {
    for (int i = 0; convolution->callers && i < convolution->workers; i++) {
        caller *own = &convolution->callers[i];
        if (own->input) dnn.dnnl_memory_destroy(own->input);
        if (own->weights) dnn.dnnl_memory_destroy(own->weights);
        if (own->output) dnn.dnnl_memory_destroy(own->output);
        if (own->scratch) dnn.dnnl_memory_destroy(own->scratch);
        if (own->stream) dnn.dnnl_stream_destroy(own->stream);
    }
    free(convolution->callers);
    if (convolution->primitive) dnn.dnnl_primitive_destroy(convolution->primitive);
    if (convolution->description) dnn.dnnl_primitive_desc_destroy(convolution->description);
    free(convolution);
}

size_t fpdm_convolution_scratch(const fpdm_convolution *convolution) { return convolution->scratch; }
size_t fpdm_convolution_packed(const fpdm_convolution *convolution) { return convolution->packed; }

static int reorder(const fpdm_convolution *convolution, const float *values, void *packed, dnnl_memory_t memories[2],
                   dnnl_primitive_t *primitive, dnnl_stream_t *stream) {
    dnnl_memory_desc_t plain;
    CHECK(dnn.dnnl_memory_desc_init_by_tag(&plain, 4, convolution->weights.dims, dnnl_f32, dnnl_oihw));
    dnnl_primitive_desc_t description;
    CHECK(dnn.dnnl_reorder_primitive_desc_create(&description, &plain, dnn.engine, &convolution->weights, dnn.engine, 0));
    dnnl_status_t status = dnn.dnnl_primitive_create(primitive, description);
    dnn.dnnl_primitive_desc_destroy(description);
    CHECK(status);
    CHECK(dnn.dnnl_memory_create(&memories[0], &plain, dnn.engine, (void *)values));
    CHECK(dnn.dnnl_memory_create(&memories[1], &convolution->weights, dnn.engine, packed));
    CHECK(dnn.dnnl_stream_create(stream, dnn.engine, dnnl_stream_default_flags));
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, memories[0]}, {DNNL_ARG_TO, memories[1]}};
    CHECK(dnn.dnnl_primitive_execute(*primitive, *stream, 2, arguments));
    return 0;
}

int fpdm_convolution_pack(const fpdm_convolution *convolution, const float *values, void *packed) {
    fpdm_one_thread();
    dnnl_memory_t memories[2] = {0, 0};
    dnnl_primitive_t primitive = 0;
    dnnl_stream_t stream = 0;
    fpdm_begin_making();
    int status = reorder(convolution, values, packed, memories, &primitive, &stream);
    fpdm_end_making();
    for (int i = 0; i < 2; i++)
        if (memories[i]) dnn.dnnl_memory_destroy(memories[i]);
    if (primitive) dnn.dnnl_primitive_destroy(primitive);
    if (stream) dnn.dnnl_stream_destroy(stream);
    return status;
}

int fpdm_convolution_run(fpdm_convolution *convolution, int worker, const void *input, const void *packed, float *output,
                         void *scratch) {
    fpdm_one_thread();
    caller *own = &convolution->callers[worker];
    CHECK(dnn.dnnl_memory_set_data_handle(own->input, (void *)input));
    CHECK(dnn.dnnl_memory_set_data_handle(own->weights, (void *)packed));
    CHECK(dnn.dnnl_memory_set_data_handle(own->output, output));
    CHECK(dnn.dnnl_memory_set_data_handle(own->scratch, scratch));
    dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, own->input},
        {DNNL_ARG_WEIGHTS, own->weights},
        {DNNL_ARG_DST, own->output},
        {DNNL_ARG_SCRATCHPAD, own->scratch},
    };
    CHECK(dnn.dnnl_primitive_execute(convolution->primitive, own->stream, 4, arguments));
    return 0;
}
