/* The descriptors of this folder, for the registry. */
#ifndef PLUMB_SOURCE_SOURCES_H
#define PLUMB_SOURCE_SOURCES_H

#include "component/component.h"

extern const struct component source_evm; /* source/evm/ */
extern const struct component source_file;

#endif
