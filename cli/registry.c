/* The list of connectors, sources first, each kind in alphabetical order. A new connector is one
 * line here. */
#include "cli/registry.h"

#include "source/sources.h"

static const struct component *const components[] = {
    &source_evm,
    &source_file,
};

const struct registry plumb_registry = {components, ARRAY_COUNT(components)};
