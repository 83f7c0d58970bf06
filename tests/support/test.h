/* cmocka with the headers that it wants first. */
#ifndef COMITY_TEST_H
#define COMITY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
