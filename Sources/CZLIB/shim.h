// What Swift cannot import from zlib: the macro that starts a stream.
#ifndef FPDM_CZLIB_SHIM_H
#define FPDM_CZLIB_SHIM_H

#include <string.h>
#include <zlib.h>

// Window bits: 31 for gzip files, -15 for the bare streams inside of zip files. Z_OK, or why not.
static inline int fpdm_inflate_begin(z_stream *stream, int window_bits) {
  memset(stream, 0, sizeof *stream);
  return inflateInit2(stream, window_bits);
}

#endif
