// What Swift cannot import from libpng: macro constants, the error text, a C array inside a structure, and the setjmp
// that its reader returns errors by. No policy here; see Sources/Storage/Images.
#ifndef FPDM_CPNG_SHIM_H
#define FPDM_CPNG_SHIM_H

#include <png.h>
#include <setjmp.h>
#include <string.h>

static const png_uint_32 fpdm_png_gray = PNG_FORMAT_GRAY;
static const png_uint_32 fpdm_png_rgb = PNG_FORMAT_RGB;

// An image record for writing, as libpng wants it before the first call.
static inline png_image fpdm_png_image(void) {
  png_image image;
  memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  return image;
}

// libpng's error text; valid as long as the record.
static inline const char *fpdm_png_message(const png_image *image) { return image->message; }

// A PNG file in memory, and what its header says.
typedef struct {
  const unsigned char *bytes;
  size_t count;
  size_t position;
  png_uint_32 width;
  png_uint_32 height;
  int is_colour;  // a palette counts as colour
  char message[128];
} fpdm_png_file;

static inline const char *fpdm_png_file_message(const fpdm_png_file *file) { return file->message; }

static inline void fpdm_png_next(png_structp png, png_bytep target, size_t count) {
  fpdm_png_file *file = (fpdm_png_file *)png_get_io_ptr(png);
  if (count > file->count - file->position) png_error(png, "it ends too early");
  memcpy(target, file->bytes + file->position, count);
  file->position += count;
}

static inline void fpdm_png_fail(png_structp png, png_const_charp message) {
  fpdm_png_file *file = (fpdm_png_file *)png_get_error_ptr(png);
  strncpy(file->message, message, sizeof file->message - 1);
  png_longjmp(png, 1);
}

static inline void fpdm_png_ignore(png_structp png, png_const_charp message) { (void)png, (void)message; }

// Reads the header and, where `pixels` are not null, the values: [height, width, channels] of 8 bits. Palettes and fewer
// bits are expanded, of 16 bits the upper 8 are kept, opacity is left out, gamma and colour profiles are not applied.
// Returns 0, with `message` set, if the file is damaged.
static inline int fpdm_png_read(fpdm_png_file *file, png_bytep pixels) {
  file->position = 0;
  memset(file->message, 0, sizeof file->message);
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, file, fpdm_png_fail, fpdm_png_ignore);
  if (png == NULL) return 0;
  png_infop info = png_create_info_struct(png);
  if (info == NULL || setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
  }
  png_set_read_fn(png, file, fpdm_png_next);
  // Also in chunks that could be done without: one of them says what is transparent.
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_read_info(png, info);
  file->width = png_get_image_width(png, info);
  file->height = png_get_image_height(png, info);
  file->is_colour = (png_get_color_type(png, info) & PNG_COLOR_MASK_COLOR) != 0;
  if (pixels != NULL) {
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t row = png_get_rowbytes(png, info);
    if (row != (size_t)file->width * (file->is_colour ? 3 : 1)) png_error(png, "its rows are of an unknown kind");
    for (int pass = 0; pass < passes; pass++)
      for (png_uint_32 y = 0; y < file->height; y++) png_read_row(png, pixels + y * row, NULL);
    png_read_end(png, NULL);
  }
  png_destroy_read_struct(&png, &info, NULL);
  return 1;
}

#endif
