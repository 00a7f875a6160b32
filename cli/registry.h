/* Everything that can be named in a flow: registry.c is the only file that names connectors. */
#ifndef PLUMB_CLI_REGISTRY_H
#define PLUMB_CLI_REGISTRY_H

#include "component/component.h"

extern const struct registry plumb_registry;

#endif
