/* Copying large buffers. A C library's memcpy is a loop in WebAssembly; the engine's own instruction copies as fast as the machine can, but
 * costs more than a loop for a few bytes. Engines have had it since 2022, and compilers use it only where they are told to. */
#include "internal.h"

#if defined(__wasm__)
__attribute__((target("bulk-memory")))
#endif
void ms_copy(void *to, const void *from, size_t len) {
    memcpy(to, from, len);
}
