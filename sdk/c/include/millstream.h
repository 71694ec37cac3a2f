/*
 * Millstream's SDK for plugins in C.
 *
 * A plugin is a WebAssembly component. This header declares all that a plugin's author needs; the parts below can be read
 * one by one, in this order. README.md beside the `include` folder is a tutorial.
 *
 * Memory: what the SDK hands out lives in an arena, and the SDK frees it: until the callback returns (`call->arena`) or
 * as long as the instance (`call->memory`). Authors never free what the SDK gave them.
 *
 * Failures: a callback returns MS_OK, or what `ms_fail(call, …)` returns. There are no exceptions and no longjmp.
 *
 * The header can be used from C11 and from C++17.
 */
#ifndef MILLSTREAM_H
#define MILLSTREAM_H

#include "millstream/base.h"
#include "millstream/value.h"
#include "millstream/batch.h"
#include "millstream/record.h"
#include "millstream/config.h"
#include "millstream/host.h"
#include "millstream/http.h"
#include "millstream/sql.h"
#include "millstream/plugin.h"

#endif
