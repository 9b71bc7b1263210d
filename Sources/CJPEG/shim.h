// What Swift cannot import from libjpeg: the setjmp that it returns errors by, macros, and records that errors are told
// from. No policy here but which warnings mean damage; see Sources/Storage/Images.
#ifndef FPDM_CJPEG_SHIM_H
#define FPDM_CJPEG_SHIM_H

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

// A JPEG file in memory, and what its header says.
typedef struct {
  const unsigned char *bytes;
  size_t count;
  unsigned width;
  unsigned height;
  int channels;  // 1: grey; 3: red, green, blue; 4: what Adobe's programs store for cyan, magenta, yellow, black: 255 - ink
  char message[JMSG_LENGTH_MAX];
} fpdm_jpeg_file;

static inline const char *fpdm_jpeg_file_message(const fpdm_jpeg_file *file) { return file->message; }

typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf out;
  fpdm_jpeg_file *file;
} fpdm_jpeg_errors;

static inline void fpdm_jpeg_fail(j_common_ptr info) {
  fpdm_jpeg_errors *errors = (fpdm_jpeg_errors *)info->err;
  errors->base.format_message(info, errors->file->message);
  longjmp(errors->out, 1);
}

// Where a decoder only warns, and makes up what is missing, the file is damaged. These are oddities instead.
static inline void fpdm_jpeg_warn(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_TOO_MUCH_DATA:
      return;
    default: fpdm_jpeg_fail(info);
  }
}

static inline void fpdm_jpeg_say_nothing(j_common_ptr info) { (void)info; }

// A progressive file of a few bytes may claim any number of scans over a large image, each of which takes its time.
static inline void fpdm_jpeg_progress(j_common_ptr info) {
  if (!info->is_decompressor || ((j_decompress_ptr)info)->input_scan_number <= 500) return;
  fpdm_jpeg_errors *errors = (fpdm_jpeg_errors *)info->err;
  strncpy(errors->file->message, "it has more than 500 scans", sizeof errors->file->message - 1);
  longjmp(errors->out, 1);
}

// Reads the header and, where `pixels` are not null, the values: [height, width, channels]. The accurate integer
// transform and smooth chroma upsampling, libjpeg's defaults. Returns 0, with `message` set, if the file is damaged.
static inline int fpdm_jpeg_read(fpdm_jpeg_file *file, unsigned char *pixels) {
  struct jpeg_decompress_struct info;
  fpdm_jpeg_errors errors;
  struct jpeg_progress_mgr progress;
  memset(file->message, 0, sizeof file->message);
  memset(&info, 0, sizeof info);
  memset(&progress, 0, sizeof progress);
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = fpdm_jpeg_fail;
  errors.base.emit_message = fpdm_jpeg_warn;
  errors.base.output_message = fpdm_jpeg_say_nothing;
  errors.file = file;
  progress.progress_monitor = fpdm_jpeg_progress;
  if (setjmp(errors.out)) {
    jpeg_destroy_decompress(&info);
    return 0;
  }
  jpeg_create_decompress(&info);
  info.progress = &progress;
  jpeg_mem_src(&info, file->bytes, file->count);
  jpeg_read_header(&info, TRUE);
  file->width = info.image_width;
  file->height = info.image_height;
  switch (info.jpeg_color_space) {
    case JCS_GRAYSCALE:
      file->channels = 1;
      info.out_color_space = JCS_GRAYSCALE;
      break;
    case JCS_YCbCr:
    case JCS_RGB:
      file->channels = 3;
      info.out_color_space = JCS_RGB;
      break;
    case JCS_CMYK:
    case JCS_YCCK:
      file->channels = 4;
      info.out_color_space = JCS_CMYK;
      break;
    default:
      strncpy(file->message, "its colours are of an unknown kind", sizeof file->message - 1);
      longjmp(errors.out, 1);
  }
  if (pixels != NULL) {
    jpeg_start_decompress(&info);
    size_t row = (size_t)file->width * (size_t)file->channels;
    while (info.output_scanline < info.output_height) {
      JSAMPROW target = pixels + info.output_scanline * row;
      jpeg_read_scanlines(&info, &target, 1);
    }
    jpeg_finish_decompress(&info);
  }
  jpeg_destroy_decompress(&info);
  return 1;
}

#endif
