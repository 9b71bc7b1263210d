// What Swift cannot import from libpng's simplified interface: its macro constants, and the error text, a C array
// inside a structure. No policy here; see Sources/Storage/Images.
#ifndef FPDM_CPNG_SHIM_H
#define FPDM_CPNG_SHIM_H

#include <png.h>
#include <string.h>

static const png_uint_32 fpdm_png_gray = PNG_FORMAT_GRAY;
static const png_uint_32 fpdm_png_rgb = PNG_FORMAT_RGB;

// An image record as libpng wants it before the first call.
static inline png_image fpdm_png_image(void) {
  png_image image;
  memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  return image;
}

// 3 where the file holds colour (a palette counts as colour), 1 where it is grey.
static inline int fpdm_png_channels(const png_image *image) {
  return (image->format & PNG_FORMAT_FLAG_COLOR) != 0 ? 3 : 1;
}

// libpng's error text; valid as long as the record.
static inline const char *fpdm_png_message(const png_image *image) { return image->message; }

#endif
