#include "CPlatform.h"

// Defined by Package.swift, where git knows the source.
#ifndef FPDM_REVISION
#define FPDM_REVISION ""
#endif

const char *fpdm_revision(void) { return FPDM_REVISION; }
