#pragma once

/* What Swift cannot import of <mpi.h>: the constants that are macros over pointers or casts. No policy here. */

#include <mpi.h>

/* Communicators and what goes with them (MPI 3.1, sections 6.4 and 8.3). */
static inline MPI_Comm fpdm_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm fpdm_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Info fpdm_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Errhandler fpdm_errors_return(void) { return MPI_ERRORS_RETURN; }
static inline MPI_Request fpdm_request_null(void) { return MPI_REQUEST_NULL; }

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
