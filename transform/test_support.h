/* For the tests of this folder: flows, and what turns them into SQL. */
#ifndef PLUMB_TRANSFORM_TEST_SUPPORT_H
#define PLUMB_TRANSFORM_TEST_SUPPORT_H

#include "flow/test_source.h"
#include "transform/transform.h"

#endif
