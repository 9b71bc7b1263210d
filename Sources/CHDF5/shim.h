// What Swift cannot import from HDF5: macro constants that call H5open(), and functions hidden behind versioned
// macros. No policy here; see Sources/Storage/HDF5.
#ifndef FPDM_CHDF5_SHIM_H
#define FPDM_CHDF5_SHIM_H

#include <hdf5.h>
#include <string.h>

static const hid_t fpdm_default = H5P_DEFAULT;
static const hid_t fpdm_whole = H5S_ALL;
static const hid_t fpdm_current_error_stack = H5E_DEFAULT;

static const unsigned fpdm_open_read = 0x0000u;        // H5F_ACC_RDONLY without its H5check_version() call
static const unsigned fpdm_open_read_write = 0x0001u;  // H5F_ACC_RDWR
static const unsigned fpdm_create_exclusive = 0x0004u; // H5F_ACC_EXCL

static const int fpdm_filter_version = H5Z_CLASS_T_VERS;
static const unsigned fpdm_filter_reverse = H5Z_FLAG_REVERSE;

static inline size_t fpdm_variable_length(void) { return H5T_VARIABLE; }

// Property list classes.
static inline hid_t fpdm_file_create(void) { return H5P_FILE_CREATE; }
static inline hid_t fpdm_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t fpdm_dataset_create(void) { return H5P_DATASET_CREATE; }
static inline hid_t fpdm_group_create(void) { return H5P_GROUP_CREATE; }
static inline hid_t fpdm_link_create(void) { return H5P_LINK_CREATE; }

// Types in memory.
static inline hid_t fpdm_native_float(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t fpdm_native_double(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t fpdm_native_int8(void) { return H5T_NATIVE_INT8; }
static inline hid_t fpdm_native_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t fpdm_native_int16(void) { return H5T_NATIVE_INT16; }
static inline hid_t fpdm_native_uint16(void) { return H5T_NATIVE_UINT16; }
static inline hid_t fpdm_native_int32(void) { return H5T_NATIVE_INT32; }
static inline hid_t fpdm_native_uint32(void) { return H5T_NATIVE_UINT32; }
static inline hid_t fpdm_native_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t fpdm_native_uint64(void) { return H5T_NATIVE_UINT64; }
static inline hid_t fpdm_c_string(void) { return H5T_C_S1; }

// Types in files: little-endian, whatever the machine.
static inline hid_t fpdm_file_float(void) { return H5T_IEEE_F32LE; }
static inline hid_t fpdm_file_double(void) { return H5T_IEEE_F64LE; }
static inline hid_t fpdm_file_int8(void) { return H5T_STD_I8LE; }
static inline hid_t fpdm_file_uint8(void) { return H5T_STD_U8LE; }
static inline hid_t fpdm_file_int16(void) { return H5T_STD_I16LE; }
static inline hid_t fpdm_file_uint16(void) { return H5T_STD_U16LE; }
static inline hid_t fpdm_file_int32(void) { return H5T_STD_I32LE; }
static inline hid_t fpdm_file_uint32(void) { return H5T_STD_U32LE; }
static inline hid_t fpdm_file_int64(void) { return H5T_STD_I64LE; }
static inline hid_t fpdm_file_uint64(void) { return H5T_STD_U64LE; }

// Error classes: the filter pipeline (checksums, compression).
static inline hid_t fpdm_error_pipeline(void) { return H5E_PLINE; }

// Whether files are locked; where the file system has no such call, they are not in any case.
static inline herr_t fpdm_set_locking(hid_t access, int is_locking) {
#if H5_VERSION_GE(1, 10, 7)
  return H5Pset_file_locking(access, is_locking != 0, 1);
#else
  (void)access, (void)is_locking;
  return 0;
#endif
}

// H5Literate and its structures are versioned by macro from 1.12 on: only the name gets through.
typedef struct {
  void (*visit)(const char *name, void *context);
  void *context;
} fpdm_name_visitor;

static inline herr_t fpdm_visit_link(hid_t group, const char *name, const H5L_info_t *info, void *visitor) {
  (void)group, (void)info;
  ((fpdm_name_visitor *)visitor)->visit(name, ((fpdm_name_visitor *)visitor)->context);
  return 0;
}

static inline herr_t fpdm_visit_attribute(hid_t object, const char *name, const H5A_info_t *info, void *visitor) {
  (void)object, (void)info;
  ((fpdm_name_visitor *)visitor)->visit(name, ((fpdm_name_visitor *)visitor)->context);
  return 0;
}

// Visits the links of a group in the order of their names.
static inline herr_t fpdm_link_names(hid_t group, void (*visit)(const char *, void *), void *context) {
  fpdm_name_visitor visitor = {visit, context};
  return H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, fpdm_visit_link, &visitor);
}

// What tells an object from all others of the process's files, by whatever name it was opened: three numbers. The call and
// its structure are versioned.
static inline herr_t fpdm_object_identity(hid_t object, unsigned long long identity[3]) {
  memset(identity, 0, 3 * sizeof *identity);
#if H5_VERSION_GE(1, 12, 0)
  H5O_info2_t info;
  if (H5Oget_info3(object, &info, H5O_INFO_BASIC) < 0) return -1;
  memcpy(identity + 1, &info.token, sizeof info.token);
#else
  H5O_info_t info;
  if (H5Oget_info(object, &info) < 0) return -1;
  identity[1] = info.addr;
#endif
  identity[0] = info.fileno;
  return 0;
}

// Visits the attributes of an object in the order of their names.
static inline herr_t fpdm_attribute_names(hid_t object, void (*visit)(const char *, void *), void *context) {
  fpdm_name_visitor visitor = {visit, context};
  return H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, NULL, fpdm_visit_attribute, &visitor);
}

#endif
