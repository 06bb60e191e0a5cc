/* SPDX-License-Identifier: MIT */
/* cmocka wants these includes before its own header, in this order. */
#ifndef CSHM_TESTS_UNIT_H
#define CSHM_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
