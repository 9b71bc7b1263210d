#pragma once

/* What Swift cannot import of <mpi.h>: the constants that are macros over pointers or casts, and what differs between
 * Open MPI, whose handles are pointers, and MPICH's family, whose handles are ints. No policy here. */

#include <mpi.h>

/* Communicators and what goes with them (MPI 3.1, sections 6.4 and 8.3). */
static inline MPI_Comm fpdm_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Info fpdm_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Errhandler fpdm_errors_return(void) { return MPI_ERRORS_RETURN; }

/* Stands for a buffer that is both input and output (section 5.2.1). */
static inline const void *fpdm_in_place(void) { return MPI_IN_PLACE; }

/* Data types (section 3.2.2); the fixed-width ones, whose sizes Swift's types share. */
static inline MPI_Datatype fpdm_type_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype fpdm_type_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype fpdm_type_int32(void) { return MPI_INT32_T; }
static inline MPI_Datatype fpdm_type_int64(void) { return MPI_INT64_T; }
static inline MPI_Datatype fpdm_type_uint8(void) { return MPI_UINT8_T; }

/* Reductions (section 5.9.2). */
static inline MPI_Op fpdm_op_sum(void) { return MPI_SUM; }
static inline MPI_Op fpdm_op_min(void) { return MPI_MIN; }
static inline MPI_Op fpdm_op_max(void) { return MPI_MAX; }

/* Handles that MPI writes by address. In a struct both kinds look the same to Swift; alone, one is an optional. */
typedef struct {
    MPI_Comm handle;
} fpdm_comm;
typedef struct {
    MPI_Request handle;
} fpdm_request;

static inline fpdm_comm fpdm_comm_null(void) {
    fpdm_comm none = {MPI_COMM_NULL};
    return none;
}
static inline int fpdm_comm_is_null(fpdm_comm comm) { return comm.handle == MPI_COMM_NULL; }
static inline fpdm_request fpdm_request_null(void) {
    fpdm_request none = {MPI_REQUEST_NULL};
    return none;
}

/* Section 6.4.2. */
static inline int fpdm_comm_dup(MPI_Comm parent, fpdm_comm *copy) { return MPI_Comm_dup(parent, &copy->handle); }
static inline int fpdm_comm_split_type(MPI_Comm parent, int type, int key, MPI_Info info, fpdm_comm *child) {
    return MPI_Comm_split_type(parent, type, key, info, &child->handle);
}

/* Sections 3.7.2 and 3.7.3. */
static inline int fpdm_isend(const void *buffer, int count, MPI_Datatype type, int destination, int tag, MPI_Comm comm,
                             fpdm_request *request) {
    return MPI_Isend(buffer, count, type, destination, tag, comm, &request->handle);
}
static inline int fpdm_irecv(void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm comm,
                             fpdm_request *request) {
    return MPI_Irecv(buffer, count, type, source, tag, comm, &request->handle);
}
static inline int fpdm_wait(fpdm_request *request, MPI_Status *status) { return MPI_Wait(&request->handle, status); }
static inline int fpdm_test(fpdm_request *request, int *is_complete, MPI_Status *status) {
    return MPI_Test(&request->handle, is_complete, status);
}
