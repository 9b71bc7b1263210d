#include "CPlatform.h"

// From the environment of the build (Package.swift).
#ifndef FPDM_REVISION
#define FPDM_REVISION ""
#endif

const char *fpdm_revision(void) { return FPDM_REVISION; }
